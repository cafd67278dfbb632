//! Carries a plan out.

use std::sync::Arc;

use thiserror::Error;

use super::plan::StepPlan;
use super::state::State;

/// Carries steps out, for real or by prediction.
pub trait Executor {
    /// Carries out `plan`, whose scheduling began at `start_ns`. `state` already has the plan's KV
    /// blocks.
    ///
    /// # Errors
    /// Whatever keeps the step from its end.
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        clock: &dyn super::Clock,
    ) -> Result<StepOutcome, ExecuteError>;

    /// When a step that starts at `start_ns` and decodes a token of every running sequence ends: the very
    /// answer that [`execute`](Self::execute) would give to its plan. `None` from an executor that has to see
    /// each sequence.
    fn decode(
        &mut self,
        _step: DecodeStep,
        _start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        None
    }
}

/// A step of nothing but decodes, one token of each sequence, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeStep {
    /// Sequences in it.
    pub sequences: u32,
    /// Tokens in the KV cache before the step, of all of them.
    pub context: u64,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepOutcome {
    /// When its tokens were known.
    pub end_ns: u64,
    /// Where the time went, as far as the executor knows.
    pub spans: StepSpans,
    /// For each item that completes its request's known tokens, in plan order, the token that
    /// follows; empty when the executor does not compute any.
    pub tokens: Vec<u32>,
    /// The size that it was padded to, as in `step_metrics.csv`; `None` where steps are not padded.
    pub bucket: Option<Arc<str>>,
    /// Which of the emitted tokens, by their number in plan order, end their text, where the executor
    /// knows it without knowing the token.
    pub stopped: Vec<usize>,
}

/// The parts of a step, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSpans {
    /// Choosing the work, where the clock does not show it.
    pub schedule_ns: u64,
    /// Describing the batch.
    pub prepare_ns: u64,
    /// Launching.
    pub launch_ns: u64,
    /// Waiting for the device.
    pub wait_ns: u64,
    /// Handing out tokens, where the clock does not show it.
    pub post_ns: u64,
    /// Device time, when traced.
    pub gpu_ns: Option<u64>,
}

/// Why a step could not be carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// A profile without the entry that a prediction needs.
    #[error("{0}")]
    Prediction(String),
    /// The model's own error.
    #[error("the model failed: {0}")]
    Model(String),
}
