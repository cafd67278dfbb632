//! Carries plans out on a model.

use std::borrow::Cow;

use super::block_tables::BlockTables;
use crate::engine::{
    Clock, EngineConfig, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans,
};
use crate::model::{Batch, BatchSequence, GpuForward, KvCache, ModelError, Qwen3};
use crate::workload::Workload;

/// What computes the steps.
pub(crate) enum Steps<'a> {
    /// candle's ops on the CPU.
    Cpu {
        /// The model.
        model: &'a Qwen3,
        /// Its keys and values.
        cache: KvCache,
    },
    /// Our own step on a GPU.
    Gpu(&'a mut GpuForward),
}

/// Carries plans out.
pub(crate) struct CandleExecutor<'a> {
    steps: Steps<'a>,
    /// Known tokens of each request.
    known: Vec<Vec<u32>>,
    tables: BlockTables,
}

impl<'a> CandleExecutor<'a> {
    /// The prompts of `workload`, for a model of `vocabulary` tokens.
    pub fn new(steps: Steps<'a>, workload: &Workload, vocabulary: usize) -> Self {
        let ids = workload.token_ids(vocabulary as u32);
        let known = ids.into_iter().map(Cow::into_owned).collect();
        Self { steps, known, tables: BlockTables::default() }
    }

    /// On the CPU, with an empty cache.
    pub fn on_cpu(
        model: &'a Qwen3,
        workload: &Workload,
        engine: &EngineConfig,
    ) -> candle_core::Result<Self> {
        let blocks = engine.resolve_kv_blocks(workload);
        let cache = KvCache::new(&model.config, blocks, engine.kv_block_tokens, model.placement())?;
        Ok(Self::new(Steps::Cpu { model, cache }, workload, model.config.vocab_size))
    }

    fn batch(&self, plan: &StepPlan, state: &State) -> Batch {
        let mut batch = Batch::default();
        for item in &plan.items {
            let (from, to) = (item.context as usize, (item.context + item.tokens) as usize);
            batch.token_ids.extend_from_slice(&self.known[item.request][from..to]);
            batch.sequences.push(BatchSequence {
                tokens: item.tokens,
                context: item.context,
                blocks: self.tables.of(item.request).to_vec(),
                emits: state.completes(item),
            });
        }
        batch
    }
}

impl Steps<'_> {
    /// Computes a step that began at `begun`.
    fn run(
        &mut self,
        batch: Batch,
        begun: u64,
        clock: &dyn Clock,
    ) -> Result<StepOutcome, ModelError> {
        match self {
            Self::Cpu { model, cache } => {
                let input = model.prepare(batch, cache)?;
                let prepared = clock.now();
                let tokens = model.forward(&input, cache)?;
                let end_ns = clock.now();
                let spans = StepSpans {
                    prepare_ns: prepared - begun,
                    launch_ns: end_ns - prepared,
                    ..StepSpans::default()
                };
                Ok(StepOutcome { end_ns, spans, tokens, ..StepOutcome::default() })
            }
            Self::Gpu(forward) => {
                let bucket = forward.prepare(&batch)?;
                let prepared = clock.now();
                forward.launch()?;
                let launched = clock.now();
                let tokens = forward.wait()?.to_vec();
                let end_ns = clock.now();
                let spans = StepSpans {
                    prepare_ns: prepared - begun,
                    launch_ns: launched - prepared,
                    wait_ns: end_ns - launched,
                    gpu_ns: forward.gpu_ns()?,
                    ..StepSpans::default()
                };
                let bucket = Some(bucket.to_string().into());
                Ok(StepOutcome { end_ns, spans, tokens, bucket, stopped: Vec::new() })
            }
        }
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
        let begun = clock.now();
        self.tables.follow(plan, state);
        let batch = self.batch(plan, state);
        let outcome = self
            .steps
            .run(batch, begun, clock)
            .map_err(|error| ExecuteError::Model(error.to_string()))?;
        let emitting = plan.items.iter().filter(|item| state.completes(item));
        for (item, &token) in emitting.zip(&outcome.tokens) {
            self.known[item.request].push(token);
        }
        Ok(outcome)
    }
}
