//! simgate's own engine on candle: the shared engine with an executor that runs the model.

use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use super::gpu::{self, Gpu};
use super::{Backend, BackendError, Kind, host_speed};
use crate::engine::{
    Clock, EngineConfig, ExecuteError, Executor, Launch, Limits, MonotonicClock, State,
    StepOutcome, StepPlan, StepSpans, serve,
};
use crate::model::{
    Batch, BatchSequence, KvCache, ModelConfig, ModelError, Placement, Qwen3, WeightSource,
    load_weights,
};
use crate::run::{self, Boundary, EngineBuild, Host, HostSpeed, Run, RunMeta, StepRecord, Weights};
use crate::stats::percentiles;
use crate::workload::Workload;

/// A model in memory.
pub struct LoadedModel {
    /// Its forward pass.
    pub model: Qwen3,
    /// Where its weights came from.
    pub weights: WeightSource,
    /// The GPU that it lies on.
    pub gpu: Option<Gpu>,
}

impl LoadedModel {
    /// Loads a model folder onto a device.
    ///
    /// # Errors
    /// A missing or faulty `config.json`, or weights that do not fit it.
    pub fn open(folder: &Path, placement: &Placement) -> Result<Self, ModelError> {
        let config = ModelConfig::read(folder)?;
        let (tensors, weights) = load_weights(folder, &config, placement)?;
        let gpu = if placement.device.is_cuda() { gpu::describe() } else { None };
        Ok(Self { model: Qwen3::new(&config, &tensors, folder)?, weights, gpu })
    }
}

/// Serves workloads for real.
pub struct Candle {
    loaded: Rc<LoadedModel>,
    engine: EngineConfig,
    process: u32,
    warmup: Option<Warmup>,
}

impl Candle {
    /// An engine around a loaded model; `process` is the number of this process in a recording.
    pub fn new(loaded: Rc<LoadedModel>, engine: EngineConfig, process: u32) -> Self {
        Self { loaded, engine, process, warmup: None }
    }

    fn meta(&self, workload: &Workload, repeat: u32) -> RunMeta {
        let mut meta = RunMeta::new("candle", Boundary::Engine);
        meta.run_id = Some(run_id(self.process, repeat));
        meta.host = Some(host());
        meta.device = self.loaded.gpu.as_ref().map(|gpu| gpu.device.clone());
        meta.clocks = self.loaded.gpu.as_ref().and_then(|gpu| gpu.clocks.clone());
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
            model_config: Some(self.loaded.model.config.hash()),
            workload: Some(workload.hash()),
            engine: Some(self.engine.hash()),
            token_ids: None,
        };
        meta.kv_blocks = Some(self.engine.resolve_kv_blocks(workload));
        meta.warmup = self.warmup.map(|warmup| warmup.rounds);
        meta.stationary = self.warmup.map(|warmup| warmup.stationary);
        meta.repeat = Some(repeat);
        meta.process = Some(self.process);
        meta.started_at = Some(now());
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
        let mut before: Option<Run> = None;
        let mut warmup = Warmup { rounds: 0, stationary: false };
        if least == 0 {
            return Ok(warmup);
        }
        while warmup.rounds < least || (!warmup.stationary && warmup.rounds < least + MORE_ROUNDS) {
            let round = self.run(&first, 0)?;
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
        let fail = |error: String| BackendError::Failed(error);
        if self.engine.launch == Launch::Graph {
            return Err(fail(
                "`launch: graph` is not in this version: kernels are launched one by one; say `launch: eager`".to_owned(),
            ));
        }
        let mut meta = self.meta(workload, repeat);
        let config = &self.loaded.model.config;
        let mut executor = CandleExecutor::new(&self.loaded.model, workload, &self.engine)
            .map_err(|error| fail(error.to_string()))?;
        let limits = Limits { max_positions: Some(config.max_positions), eos: config.eos };
        let before_us = host_speed::index_us();
        let mut clock = MonotonicClock::start();
        let served = serve(workload, &self.engine, limits, &mut executor, &mut clock)
            .map_err(|error| fail(error.to_string()))?;
        meta.host_speed_index = Some(HostSpeed { before_us, after_us: host_speed::index_us() });
        meta.pacing_error_ns = Some(served.pacing_error_ns);
        meta.hashes.token_ids = run::token_hash(&served.run);
        Ok(Run { meta: Some(meta), ..served.run })
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

/// Carries plans out on the model.
pub(crate) struct CandleExecutor<'a> {
    model: &'a Qwen3,
    cache: KvCache,
    /// Known tokens of each request.
    known: Vec<Vec<u32>>,
}

impl<'a> CandleExecutor<'a> {
    /// An empty cache, and the prompts of `workload`.
    pub fn new(
        model: &'a Qwen3,
        workload: &Workload,
        engine: &EngineConfig,
    ) -> candle_core::Result<Self> {
        let blocks = engine.resolve_kv_blocks(workload);
        let ids = workload.token_ids(model.config.vocab_size as u32);
        Ok(Self {
            model,
            cache: KvCache::new(&model.config, blocks, engine.kv_block_tokens, model.placement())?,
            known: ids.into_iter().map(std::borrow::Cow::into_owned).collect(),
        })
    }

    fn batch(&self, plan: &StepPlan, state: &State) -> Batch {
        let mut batch = Batch::default();
        for item in &plan.items {
            let sequence = &state.sequences[item.request];
            let (from, to) = (item.context as usize, (item.context + item.tokens) as usize);
            batch.token_ids.extend_from_slice(&self.known[item.request][from..to]);
            batch.sequences.push(BatchSequence {
                tokens: item.tokens,
                context: item.context,
                blocks: sequence.blocks.clone(),
                emits: state.completes(item),
            });
        }
        batch
    }
}

impl Executor for CandleExecutor<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        _start_ns: u64,
        clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let fail = |error: candle_core::Error| ExecuteError::Model(error.to_string());
        let begun = clock.now();
        let input = self.model.prepare(self.batch(plan, state), &self.cache).map_err(fail)?;
        let prepared = clock.now();
        let tokens = self.model.forward(&input, &self.cache).map_err(fail)?;
        let end_ns = clock.now();
        let emitting = plan.items.iter().filter(|item| state.completes(item));
        for (item, &token) in emitting.zip(&tokens) {
            self.known[item.request].push(token);
        }
        let spans = StepSpans {
            prepare_ns: prepared - begun,
            launch_ns: end_ns - prepared,
            ..StepSpans::default()
        };
        Ok(StepOutcome { end_ns, spans, tokens, stopped: Vec::new() })
    }
}
