//! simgate's own engine on candle: the shared engine with an executor that runs the model.

use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use candle_core::Device;

use super::{Backend, BackendError, Kind};
use crate::engine::{
    Clock, EngineConfig, ExecuteError, Executor, Limits, MonotonicClock, State, StepOutcome,
    StepPlan, StepSpans, serve,
};
use crate::model::{
    Batch, BatchSequence, KvCache, ModelConfig, ModelError, Qwen3, WeightSource, load_weights,
};
use crate::run::{self, Boundary, EngineBuild, Host, Run, RunMeta, Weights};
use crate::workload::Workload;

/// A model in memory.
pub struct LoadedModel {
    /// Its forward pass.
    pub model: Qwen3,
    /// Where its weights came from.
    pub weights: WeightSource,
}

impl LoadedModel {
    /// Loads a model folder onto the CPU.
    ///
    /// # Errors
    /// A missing or faulty `config.json`, or weights that do not fit it.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let config = ModelConfig::read(folder)?;
        let (tensors, weights) = load_weights(folder, &config, &Device::Cpu)?;
        Ok(Self { model: Qwen3::new(&config, &tensors, folder)?, weights })
    }
}

/// Serves workloads for real.
pub struct Candle {
    loaded: Rc<LoadedModel>,
    engine: EngineConfig,
    process: u32,
}

impl Candle {
    /// An engine around a loaded model; `process` is the number of this process in a recording.
    pub fn new(loaded: Rc<LoadedModel>, engine: EngineConfig, process: u32) -> Self {
        Self { loaded, engine, process }
    }

    fn meta(&self, workload: &Workload, repeat: u32) -> RunMeta {
        let mut meta = RunMeta::new("candle", Boundary::Engine);
        meta.run_id = Some(run_id(self.process, repeat));
        meta.host = Some(host());
        meta.engine_build = Some(EngineBuild {
            commit: crate::COMMIT.unwrap_or("unknown").to_owned(),
            dirty: crate::DIRTY,
            candle: Some("0.11.1".to_owned()),
            features: vec!["candle".to_owned()],
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
        };
        meta.kv_blocks = Some(self.engine.resolve_kv_blocks(workload));
        meta.repeat = Some(repeat);
        meta.process = Some(self.process);
        meta.started_at = Some(now());
        meta
    }
}

impl Backend for Candle {
    fn kind(&self) -> Kind {
        Kind::Measured
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        let fail = |error: String| BackendError::Failed(error);
        let mut meta = self.meta(workload, repeat);
        let config = &self.loaded.model.config;
        let mut executor = CandleExecutor::new(&self.loaded.model, workload, &self.engine)
            .map_err(|error| fail(error.to_string()))?;
        let limits = Limits { max_positions: Some(config.max_positions), eos: config.eos };
        let mut clock = MonotonicClock::start();
        let served = serve(workload, &self.engine, limits, &mut executor, &mut clock)
            .map_err(|error| fail(error.to_string()))?;
        meta.pacing_error_ns = Some(served.pacing_error_ns);
        Ok(Run { meta: Some(meta), ..served.run })
    }
}

/// Unique among recordings: the moment, the process and the repeat.
fn run_id(process: u32, repeat: u32) -> String {
    let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-{process}-{repeat}", moment.as_nanos(), std::process::id())
}

/// Now, RFC 3339.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// This machine.
pub(crate) fn host() -> Host {
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
            cache: KvCache::new(&model.config, blocks, engine.kv_block_tokens, model.device())?,
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
