//! Profiles of a GPU. Every process measures a part of its own, so that what differs from process to process
//! is in the profile; a part that is complete is kept, so that a collection that was stopped goes on there.

use std::path::Path;
use std::rc::Rc;

use super::{CollectError, Progress};
use crate::backend::LoadedModel;
use crate::backend::candle::{Forward, host, now};
use crate::files::FileError;
use crate::model::{Buckets, GpuForward, GpuLimits, GpuModel, StepKind, StepSize};
use crate::profile::{GpuTimes, Profile, ProfileMeta, ProfiledGpu, Times};
use crate::run::{self, Keep};
use crate::stats::Random;

mod assemble;
mod calibrate;
mod contents;
mod fit;
mod least_squares;
mod ops;
mod points;
mod replays;
mod served;
mod validate;

pub use assemble::{assemble, part_is_whole, refit};
use contents::Capacity;
use replays::Bench;
pub use validate::{ValidatedStep, Validation, validate};

/// How far the profile of a GPU reaches, and how much of it is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// (most tokens, most sequences) of the steps of each engine that is to be predicted.
    pub limits: Vec<(u32, u32)>,
    /// KV blocks of the measured engine.
    pub kv_blocks: u32,
    /// Tokens of a KV block.
    pub kv_block_tokens: u32,
    /// Most tokens in the cache of one sequence before a step.
    pub max_context: u32,
    /// Random contents of each bucket, in each process.
    pub contents: u32,
    /// Random steps for validation, in each process.
    pub validation: u32,
    /// What random contents follow from.
    pub seed: u64,
}

/// Random numbers of validation steps, apart from those of fitted ones.
const VALIDATION_STREAM: u64 = 1 << 33;
const EAGER_STREAM: u64 = 1 << 34;
/// Forward passes that steps of few rows are measured on: where their buffers lie in the GPU's memory moves
/// the time of such a step by some percent, and that of larger ones by little.
const INSTANCES: u64 = 4;
const FEW_ROWS: u32 = 4;
/// Random contents of each bucket that are launched one by one.
const EAGER_CONTENTS: u32 = 2;

impl Settings {
    fn capacity(&self) -> Capacity {
        Capacity {
            max_context: self.max_context,
            blocks: self.kv_blocks,
            block_tokens: self.kv_block_tokens,
        }
    }

    fn gpu_limits(&self, (max_tokens, max_sequences): (u32, u32)) -> GpuLimits {
        let (blocks, block_tokens) = (self.kv_blocks, self.kv_block_tokens);
        GpuLimits { max_tokens, max_sequences, blocks, block_tokens }
    }
}

/// The folder of a part's calibration runs.
const CALIBRATION: &str = "calibration";

/// Measures the part of one process and writes it to `out`: a bundle without what is made of all parts
/// together, and its calibration runs.
///
/// # Errors
/// A model that lies on no GPU, a GPU that cannot be used, or a part that cannot be written.
pub fn measure_part(
    name: &str,
    loaded: &Rc<LoadedModel>,
    settings: &Settings,
    process: u32,
    out: &Path,
    progress: Progress<'_>,
) -> Result<(), CollectError> {
    let Forward::Gpu(model) = &loaded.forward else { return Err(CollectError::NoGpu) };
    // What a process that was stopped left.
    if out.exists() {
        std::fs::remove_dir_all(out).map_err(|e| FileError::io("remove", out, e))?;
    }
    let started_at = now();
    let device = loaded.device.clone().ok_or(CollectError::NoGpu)?;
    let part = Part { model, settings, process, progress };
    let (times, multiprocessors) = part.measure()?;
    let runs = calibrate::serve(settings, loaded, process, progress)?;
    let calibration = out.join(CALIBRATION);
    std::fs::create_dir_all(&calibration).map_err(|e| FileError::io("create", &calibration, e))?;
    for served in &runs {
        run::write_compact(&served.run, &calibration.join(&served.name), Keep::Whole)?;
    }
    let ids = runs.iter().filter_map(|served| served.run.meta.as_ref()?.run_id.clone());
    let meta = ProfileMeta {
        schema_version: 1,
        model: name.to_owned(),
        model_config: loaded.config.hash(),
        weights: loaded.weights.to_string(),
        device: device.name,
        device_uuid: device.uuid,
        host: host().cpu,
        commit: crate::COMMIT.map(str::to_owned),
        kv_block_tokens: settings.kv_block_tokens,
        gpu: Some(ProfiledGpu {
            driver: device.driver,
            multiprocessors,
            kv_blocks: settings.kv_blocks,
            limits: settings.limits.clone(),
            processes: 1,
        }),
        run_ids: ids.collect(),
        started_at,
        ended_at: now(),
    };
    Profile { meta, times: Times::Gpu(Box::new(times)) }.write(&out.join(PART))?;
    Ok(())
}

/// What one process measures on the bench.
struct Part<'a> {
    model: &'a Rc<GpuModel>,
    settings: &'a Settings,
    process: u32,
    progress: Progress<'a>,
}

impl Part<'_> {
    /// All of it, and the GPU's multiprocessors.
    fn measure(&self) -> Result<(GpuTimes, u32), CollectError> {
        let mut times = GpuTimes::default();
        let mut measured: Vec<StepSize> = Vec::new();
        let mut multiprocessors = 0;
        for &limits in &self.settings.limits {
            let buckets = Buckets::new(limits.0, limits.1);
            let fresh = |size: &&StepSize| !measured.contains(size);
            let sizes: Vec<StepSize> = buckets.all().iter().filter(fresh).copied().collect();
            multiprocessors = self.graphs(limits, &buckets, &sizes, &mut times)?;
            self.few_rows(limits, &buckets, &sizes, &mut times)?;
            measured.extend(sizes);
        }
        self.eager(&mut times)?;
        Ok((times, multiprocessors))
    }

    /// Steps as graphs and ops of `sizes`; with the first engine also what launching costs, and steps for
    /// validation. Returns the GPU's multiprocessors.
    fn graphs(
        &self,
        limits: (u32, u32),
        buckets: &Buckets,
        sizes: &[StepSize],
        times: &mut GpuTimes,
    ) -> Result<u32, CollectError> {
        let (settings, process) = (self.settings, self.process);
        let mut forward = self.ready(limits, true)?;
        let stream = INSTANCES * u64::from(process);
        let mut bench = Bench::new(settings, process, stream, &mut forward, buckets);
        times.replays.extend(bench.all(sizes, settings.contents, self.progress)?);
        times.ops.extend(bench.ops(sizes, self.progress)?);
        if times.launches.is_empty() {
            let most = sizes.iter().filter(|size| size.kind == StepKind::Decode).max();
            times.launches = bench.launches(*most.ok_or(CollectError::SmallModel)?)?;
            let stream = VALIDATION_STREAM + u64::from(process);
            let mut bench = Bench::new(settings, process, stream, &mut forward, buckets);
            times.validation = bench.validation(sizes, settings.validation, self.progress)?;
        }
        Ok(forward.multiprocessors())
    }

    /// Steps of few rows again, on further forward passes.
    fn few_rows(
        &self,
        limits: (u32, u32),
        buckets: &Buckets,
        sizes: &[StepSize],
        times: &mut GpuTimes,
    ) -> Result<(), CollectError> {
        let few: Vec<StepSize> = sizes.iter().copied().filter(of_few_rows).collect();
        let further = if few.is_empty() { 1..1 } else { 1..INSTANCES };
        for instance in further {
            let mut forward = self.ready(limits, true)?;
            let stream = INSTANCES * u64::from(self.process) + instance;
            let mut bench = Bench::new(self.settings, self.process, stream, &mut forward, buckets);
            times.replays.extend(bench.all(&few, self.settings.contents, self.progress)?);
        }
        Ok(())
    }

    /// Steps launch by launch, of the first engine.
    fn eager(&self, times: &mut GpuTimes) -> Result<(), CollectError> {
        let limits = self.settings.limits[0];
        let buckets = Buckets::new(limits.0, limits.1);
        let mut forward = self.ready(limits, false)?;
        let stream = EAGER_STREAM + u64::from(self.process);
        let mut bench = Bench::new(self.settings, self.process, stream, &mut forward, &buckets);
        times.eager = bench.eager(buckets.all(), EAGER_CONTENTS, self.progress)?;
        Ok(())
    }

    /// A forward pass that is warm, with graphs or without.
    fn ready(&self, limits: (u32, u32), graphs: bool) -> Result<GpuForward, CollectError> {
        let mut forward = GpuForward::new(Rc::clone(self.model), self.settings.gpu_limits(limits))?;
        forward.warm_up()?;
        if graphs {
            forward.capture()?;
        }
        Ok(forward)
    }
}

/// The bundle inside a part's folder.
const PART: &str = "times";

/// Whether a step is little more than reading the weights.
fn of_few_rows(size: &StepSize) -> bool {
    size.tokens <= FEW_ROWS || (size.tokens <= 16 && size.sequences == 1)
}

/// One of `sizes`, at random.
fn of_bucket(sizes: &[StepSize], random: &mut Random) -> StepSize {
    sizes[random.below(sizes.len() as u64) as usize]
}
