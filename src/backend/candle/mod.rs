//! simgate's own engine on candle: the shared engine with an executor that runs the model.

use std::rc::Rc;
use std::time::SystemTime;

use super::{Backend, BackendError, Kind, gpu, host_speed};
use crate::engine::{Detail, EngineConfig, Launch, Limits, MonotonicClock, Served, serve};
use crate::model::{GpuForward, GpuLimits, ModelError, WeightSource};
use crate::run::{
    self, Boundary, EngineBuild, Graphs, Host, HostSpeed, Run, RunMeta, StepRecord, Weights,
};
use crate::stats::percentiles;
use crate::workload::Workload;

mod block_tables;
mod executor;
mod loaded;

pub(crate) use executor::CandleExecutor;
use executor::Steps;
pub(crate) use loaded::Forward;
pub use loaded::LoadedModel;

/// Serves workloads for real.
pub struct Candle {
    loaded: Rc<LoadedModel>,
    engine: EngineConfig,
    process: u32,
    warmup: Option<Warmup>,
    graphs: Option<Graphs>,
    /// Made for the first run and kept: graphs hold its addresses.
    on_gpu: Option<GpuForward>,
}

impl Candle {
    /// An engine around a loaded model; `process` is the number of this process in a recording.
    pub fn new(loaded: Rc<LoadedModel>, engine: EngineConfig, process: u32) -> Self {
        Self { loaded, engine, process, warmup: None, graphs: None, on_gpu: None }
    }

    /// Has every step from now on timed on the GPU, which makes it a little slower. `false`, and nothing
    /// done, where no GPU has served yet.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn trace(&mut self) -> Result<bool, BackendError> {
        let Some(forward) = &mut self.on_gpu else { return Ok(false) };
        forward.trace().map_err(failed)?;
        Ok(true)
    }

    fn meta(&self, workload: &Workload, repeat: u32) -> RunMeta {
        let mut meta = RunMeta::new("candle", Boundary::Engine);
        meta.run_id = Some(run_id(self.process, repeat));
        meta.host = Some(host());
        meta.device = self.loaded.device.clone();
        // On a GPU whose state cannot be asked for, that is what is said.
        let on_gpu = self.on_gpu.is_some();
        meta.gpu_state = on_gpu.then(|| gpu::state().unwrap_or_default());
        meta.engine_build = Some(EngineBuild {
            commit: crate::COMMIT.unwrap_or("unknown").to_owned(),
            dirty: crate::DIRTY,
            candle: Some("0.11.1".to_owned()),
            features: match cfg!(feature = "cuda") {
                true => vec!["candle".to_owned(), "cuda".to_owned()],
                false => vec!["candle".to_owned()],
            },
        });
        meta.weights = Some(Weights {
            source: self.loaded.weights.to_string(),
            sha256: match &self.loaded.weights {
                WeightSource::Files { sha256, .. } => Some(sha256.clone()),
                WeightSource::Random(_) => None,
            },
        });
        meta.hashes = run::Hashes {
            model_config: Some(self.loaded.config.hash()),
            workload: Some(workload.hash()),
            engine: Some(self.engine.hash()),
            token_ids: None,
        };
        meta.kv_blocks = Some(self.engine.resolve_kv_blocks(workload));
        meta.graphs = self.graphs;
        meta.warmup = self.warmup.map(|warmup| warmup.rounds);
        meta.stationary = self.warmup.map(|warmup| warmup.stationary);
        meta.repeat = Some(repeat);
        meta.process = Some(self.process);
        meta
    }

    /// Serves the first requests of `workload`, all at once, until their steps take as long as in the
    /// round before: at least `least` rounds, none for 0.
    ///
    /// # Errors
    /// A step that could not be carried out.
    pub fn warm_up(&mut self, workload: &Workload, least: u32) -> Result<Warmup, BackendError> {
        let mut first = workload.clone();
        first.requests.truncate(WARMUP_REQUESTS);
        first.requests.iter_mut().for_each(|request| request.arrival_ns = 0);
        self.make_ready(workload).map_err(failed)?;
        let mut before: Option<Run> = None;
        let mut warmup = Warmup { rounds: 0, stationary: false };
        if least == 0 {
            return Ok(warmup);
        }
        while warmup.rounds < least || (!warmup.stationary && warmup.rounds < least + MORE_ROUNDS) {
            let round = self.serve(&first)?.run;
            warmup.stationary = before.is_some_and(|before| alike(&before, &round));
            before = Some(round);
            warmup.rounds += 1;
        }
        self.warmup = Some(warmup);
        Ok(warmup)
    }
}

/// Most requests of a warm-up round, and most rounds beyond those asked for.
const WARMUP_REQUESTS: usize = 64;
const MORE_ROUNDS: u32 = 5;
/// How much the steps of two rounds may differ, as a share, to be called stationary.
const STATIONARY: f64 = 0.02;

/// What came of a warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warmup {
    /// Rounds served.
    pub rounds: u32,
    /// Whether the last two were alike.
    pub stationary: bool,
}

/// Whether the steps of two rounds, which have the same plans, take equally long in the median.
fn alike(before: &Run, after: &Run) -> bool {
    let duration = |step: &StepRecord| (step.end_ns - step.start_ns) as f64;
    let pairs = before.steps.iter().zip(&after.steps);
    let mut ratios: Vec<f64> = pairs.map(|(a, b)| duration(b) / duration(a)).collect();
    let [median] = percentiles(&mut ratios, [0.5]);
    (median - 1.0).abs() <= STATIONARY
}

impl Backend for Candle {
    fn kind(&self) -> Kind {
        Kind::Measured
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        self.make_ready(workload).map_err(failed)?;
        let started_at = now();
        let before = self.host_speed().map_err(failed)?;
        let served = self.serve(workload)?;
        let mut meta = self.meta(workload, repeat);
        let after = self.host_speed().map_err(failed)?;
        meta.started_at = Some(started_at);
        meta.host_speed_index = Some(HostSpeed {
            before_us: before.0,
            after_us: after.0,
            launch_us: before.1.zip(after.1).map(|(before, after)| [before, after]),
        });
        meta.pacing_error_ns = Some(served.pacing_error_ns);
        meta.hashes.token_ids = run::token_hash(&served.run);
        Ok(Run { meta: Some(meta), ..served.run })
    }
}

fn failed(error: ModelError) -> BackendError {
    BackendError::Failed(error.to_string())
}

impl Candle {
    /// Serves a workload once, without provenance.
    fn serve(&mut self, workload: &Workload) -> Result<Served, BackendError> {
        let (loaded, engine) = (Rc::clone(&self.loaded), self.engine.clone());
        let config = &loaded.config;
        let limits = Limits { max_positions: Some(config.max_positions), eos: config.eos };
        let mut executor = self.executor(&loaded, workload).map_err(failed)?;
        let mut clock = MonotonicClock::start();
        serve(workload, &engine, limits, Detail::Steps, &mut executor, &mut clock)
            .map_err(|error| BackendError::Failed(error.to_string()))
    }

    /// How fast this host is right now: its index and, on a GPU, what issuing an empty kernel takes, us.
    fn host_speed(&self) -> Result<(f64, Option<f64>), ModelError> {
        let launch = self.on_gpu.as_ref().map(GpuForward::empty_launch_us).transpose()?;
        Ok((host_speed::index_us(), launch))
    }

    /// What carries plans out, on the device that the model lies on.
    fn executor<'a>(
        &'a mut self,
        loaded: &'a LoadedModel,
        workload: &Workload,
    ) -> Result<CandleExecutor<'a>, ModelError> {
        match &loaded.forward {
            Forward::Cpu(_) if self.engine.launch == Launch::Graph => Err(ModelError::GraphOnCpu),
            Forward::Cpu(model) => Ok(CandleExecutor::on_cpu(model, workload, &self.engine)?),
            Forward::Gpu(_) => {
                let none = || ModelError::Gpu { problem: "it was not made ready".to_owned() };
                let forward = self.on_gpu.as_mut().ok_or_else(none)?;
                Ok(CandleExecutor::new(Steps::Gpu(forward), workload, loaded.config.vocab_size))
            }
        }
    }

    /// Makes and warms up the forward pass on the GPU, once: every workload of a case has the same limits.
    fn make_ready(&mut self, workload: &Workload) -> Result<(), ModelError> {
        let loaded = Rc::clone(&self.loaded);
        let (Forward::Gpu(model), engine) = (&loaded.forward, &self.engine) else { return Ok(()) };
        let limits = GpuLimits {
            max_tokens: engine.chunk_tokens,
            max_sequences: engine.max_sequences,
            blocks: engine.resolve_kv_blocks(workload),
            block_tokens: engine.kv_block_tokens,
        };
        if self.on_gpu.as_ref().is_some_and(|forward| forward.limits() == limits) {
            return Ok(());
        }
        // The old one first: both may not fit.
        self.on_gpu = None;
        let mut forward = GpuForward::new(Rc::clone(model), limits)?;
        forward.warm_up()?;
        if engine.launch == Launch::Graph {
            let taken = forward.capture()?;
            self.graphs = Some(Graphs { count: taken.graphs, bytes: taken.bytes });
        }
        self.on_gpu = Some(forward);
        Ok(())
    }
}

/// Unique among recordings: the moment, the process and the repeat.
fn run_id(process: u32, repeat: u32) -> String {
    let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-{process}-{repeat}", moment.as_nanos(), std::process::id())
}

/// Now, RFC 3339.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// This machine.
pub fn host() -> Host {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Host {
        cpu: name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
        cores: Some(cores as u32),
    }
}
