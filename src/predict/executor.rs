//! The sim side's executor: it says when a step would have ended.

use super::{Draws, Idle, Predictor, Step};
use crate::engine::{Clock, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans};

/// Predicts each step and draws its residual.
pub struct PredictingExecutor<'a> {
    predictor: &'a Predictor,
    draws: Draws,
    idle: Idle,
    /// When the last step was done with.
    busy_until: u64,
    sequences: Vec<(u32, u32)>,
    /// For each request, the tokens after which its text ends.
    lengths: Option<&'a [u32]>,
    /// How long steps take, as a share of what is predicted.
    scale: f64,
}

impl<'a> PredictingExecutor<'a> {
    /// An executor whose residuals follow from `seed`. `lengths` are the tokens after which each
    /// request's text ends, where that is before what it asked for; the scheduler never sees them.
    pub fn new(predictor: &'a Predictor, seed: u64, lengths: Option<&'a [u32]>) -> Self {
        Self {
            predictor,
            draws: Draws::new(seed),
            idle: Idle::default(),
            busy_until: 0,
            sequences: Vec::new(),
            lengths,
            scale: 1.0,
        }
    }

    /// Lets every step take `scale` times as long as predicted.
    #[must_use]
    pub fn scaled(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// The emitted tokens of `plan` that end their text.
    fn stopped(&self, plan: &StepPlan, state: &State) -> Vec<usize> {
        let Some(lengths) = self.lengths else { return Vec::new() };
        let emitting = plan.items.iter().filter(|item| state.completes(item)).enumerate();
        let ends = |request: usize| {
            lengths.get(request).is_some_and(|&n| state.sequences[request].generated + 1 >= n)
        };
        emitting.filter(|(_, item)| ends(item.request)).map(|(token, _)| token).collect()
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
        self.sequences.extend(plan.sequences());
        let rows = plan.items.iter().filter(|item| state.completes(item)).count() as u32;
        let decode_only = plan.items.iter().all(|item| state.sequences[item.request].decoding());
        self.idle.step(start_ns.saturating_sub(self.busy_until));
        let step = Step { sequences: &self.sequences, rows, decode_only, idle: self.idle };
        let (spans, bucket) = self
            .predictor
            .draw(step, &mut self.draws)
            .map_err(|error| ExecuteError::Prediction(error.to_string()))?;
        let ns = |time: u64| (time as f64 * self.scale).round() as u64;
        let spans = StepSpans {
            schedule_ns: ns(spans.schedule_ns),
            prepare_ns: ns(spans.prepare_ns),
            launch_ns: ns(spans.launch_ns),
            wait_ns: ns(spans.wait_ns),
            post_ns: ns(spans.post_ns),
            gpu_ns: spans.gpu_ns.map(ns),
        };
        let end_ns =
            start_ns + spans.schedule_ns + spans.prepare_ns + spans.launch_ns + spans.wait_ns;
        self.busy_until = end_ns + spans.post_ns;
        let stopped = self.stopped(plan, state);
        Ok(StepOutcome { end_ns, spans, stopped, bucket, ..StepOutcome::default() })
    }
}
