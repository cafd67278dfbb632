//! Sides that start from what Vidur's users have: its bundles and its results.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::loaded::Runs;
use super::paths::resolve;
use super::sides::Stage;
use super::{GateError, runs};
use crate::backend::vidur::{SimulateError, Vidur, VidurConfig, VidurSimulator};
use crate::backend::{Backend, BackendError, Bundle, Kind};
use crate::case::WorkloadSource;
use crate::engine::{Cluster, Detail, EngineConfig};
use crate::model::ModelShape;
use crate::predict::{VidurPredictor, VidurSettings};
use crate::profile::vidur::VidurBundle;
use crate::run::{self, Run};

/// How far sums of floating delays may lie from an arrival.
const SAME_ARRIVAL_NS: u64 = 1_000;

/// The step times in `bundle` for engines of a cluster.
///
/// # Errors
/// A bundle that is faulty, or not of this model and these devices.
pub(super) fn predictor(
    bundle: &Path,
    shape: &ModelShape,
    engine: &EngineConfig,
    cluster: Cluster,
) -> Result<VidurPredictor, GateError> {
    let Cluster { tensor_parallel, pipeline_parallel, .. } = cluster;
    let blocks = engine.kv_block_tokens;
    let bundle = VidurBundle::read(bundle, shape, tensor_parallel, pipeline_parallel, blocks)?;
    let settings = VidurSettings { tensor_parallel, pipeline_parallel, ..VidurSettings::default() };
    VidurPredictor::new(&bundle, shape, settings).map_err(|error| no_prediction(error.to_string()))
}

fn no_prediction(problem: String) -> GateError {
    let source = BackendError::Failed(problem);
    GateError::Backend { name: "vidur".to_owned(), repeat: 0, source }
}

impl Stage<'_> {
    fn predicted(&self, bundle: &Path) -> Result<(VidurPredictor, ModelShape), GateError> {
        let shape = self.model.shape()?;
        let path = resolve(self.case, bundle, &self.context)?;
        let engine = self.model.engine()?;
        Ok((predictor(&path, &shape, &engine, self.case.cluster)?, shape))
    }

    /// simgate's own engine with a bundle's step times.
    ///
    /// # Errors
    /// A faulty bundle, or a workload that it or the engine cannot serve.
    pub(super) fn bundled(&self, bundle: &Path) -> Result<(Runs, Vec<String>), GateError> {
        let (predictor, shape) = self.predicted(bundle)?;
        let (engine, cluster) = (self.model.engine()?, self.case.cluster);
        let mut backend = Bundle::new(Arc::new(predictor), shape, engine, cluster, Detail::Steps);
        Ok((self.collected(&mut backend, "native")?, backend.remarks()))
    }

    /// Vidur as it is.
    ///
    /// # Errors
    /// As for [`Self::bundled`], and settings that Vidur does not have.
    pub(super) fn vidur(&self, bundle: &Path) -> Result<(Runs, Vec<String>), GateError> {
        let (predictor, shape) = self.predicted(bundle)?;
        let remarks = predictor.remarks();
        let engine = self.model.engine()?;
        let kv_blocks = engine.resolve_kv_blocks(&self.workload);
        let most = match &self.case.workload {
            WorkloadSource::Trace { scaled, .. } => scaled.max_tokens,
            _ => None,
        };
        let most = most.unwrap_or(u32::MAX).min(shape.max_positions);
        let fault = |error: SimulateError| no_prediction(error.to_string());
        let config = VidurConfig::of(&engine, self.case.cluster, kv_blocks, most).map_err(fault)?;
        let simulator = VidurSimulator::new(predictor, config).map_err(fault)?;
        Ok((self.collected(&mut Vidur::new(simulator), "vidur")?, remarks))
    }

    fn collected(&self, backend: &mut dyn Backend, name: &str) -> Result<Runs, GateError> {
        let seeds = if backend.kind() == Kind::Seeded { runs::SEEDS } else { 1 };
        let label = |seed| match seeds {
            1 => name.to_owned(),
            _ => format!("{name}, seed {seed}"),
        };
        let runs = runs::collect(backend, name, 0..seeds, &self.workload)?;
        Ok((runs, (0..seeds).map(label).collect()))
    }

    /// A result tells when requests came from the first one on, and in floats: what lies within a microsecond of the
    /// workload's arrivals is moved there, with its tokens.
    fn arriving_as_asked(&self, mut run: Run) -> Run {
        let asked: HashMap<u64, u64> =
            self.workload.requests.iter().map(|r| (r.request_id, r.arrival_ns)).collect();
        let start = self.workload.requests.first().map_or(0, |r| r.arrival_ns);
        for record in &mut run.requests {
            let from_start = record.arrival_ns.saturating_add(start);
            let Some(&at) = asked.get(&record.request_id) else { continue };
            if at.abs_diff(from_start) > SAME_ARRIVAL_NS {
                continue;
            }
            let old = std::mem::replace(&mut record.arrival_ns, at);
            let moved = |time: u64| time - old + at;
            record.first_token_ns = record.first_token_ns.map(moved);
            record.completion_ns = record.completion_ns.map(moved);
        }
        run
    }

    /// Results of Vidur, one file a repeat.
    ///
    /// # Errors
    /// A format that is not Vidur's, or a faulty file.
    pub(super) fn imported(
        &self,
        format: Option<&str>,
        files: &[PathBuf],
    ) -> Result<Runs, GateError> {
        if format.is_some_and(|format| format != "vidur") {
            return Err(GateError::UnsupportedSide { word: "import" });
        }
        let mut imported = (Vec::new(), Vec::new());
        for file in files {
            let path = resolve(self.case, file, &self.context)?;
            imported.0.push(self.arriving_as_asked(run::read_vidur(&path)?));
            imported.1.push(file.display().to_string());
        }
        Ok(imported)
    }
}
