//! The sim side's executor: it says when a step would have ended.

use super::Predictor;
use crate::engine::{Clock, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans};
use crate::stats::Random;

/// Predicts each step and draws its residual.
pub struct PredictingExecutor<'a> {
    predictor: &'a Predictor,
    random: Random,
    sequences: Vec<(u32, u32)>,
}

impl<'a> PredictingExecutor<'a> {
    /// An executor whose residuals follow from `seed`.
    pub fn new(predictor: &'a Predictor, seed: u64) -> Self {
        Self { predictor, random: Random::new(seed, 0), sequences: Vec::new() }
    }
}

impl Executor for PredictingExecutor<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        _clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        self.sequences.clear();
        self.sequences.extend(plan.items.iter().map(|item| (item.tokens, item.context)));
        let rows = plan.items.iter().filter(|item| state.completes(item)).count() as u32;
        let decode_only = plan.items.iter().all(|item| state.sequences[item.request].decoding());
        let times = self
            .predictor
            .step(&self.sequences, rows)
            .map_err(|error| ExecuteError::Prediction(error.to_string()))?;
        let residual = self.predictor.residual(decode_only, &mut self.random);
        let ns = |time: f64| time.round() as u64;
        let spans = StepSpans {
            schedule_ns: ns(times.schedule_ns),
            prepare_ns: ns(times.prepare_ns * residual),
            launch_ns: ns(times.ops_ns * residual),
            wait_ns: 0,
            post_ns: ns(times.post_ns),
            gpu_ns: None,
        };
        let end_ns = start_ns + spans.schedule_ns + spans.prepare_ns + spans.launch_ns;
        Ok(StepOutcome { end_ns, spans, tokens: Vec::new() })
    }
}
