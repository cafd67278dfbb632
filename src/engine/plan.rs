//! What one step is to do, as pure data.

/// The work of one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepPlan {
    /// Requests that give up their KV blocks and wait again, in the order in which they do.
    pub preempted: Vec<usize>,
    /// Requests that stop waiting, in the order in which they came.
    pub admitted: Vec<usize>,
    /// What is computed.
    pub items: Vec<PlanItem>,
}

impl StepPlan {
    /// Tokens computed now, and tokens in the cache before, of each sequence.
    pub fn sequences(&self) -> impl Iterator<Item = (u32, u32)> {
        self.items.iter().map(|item| (item.tokens, item.context))
    }

    /// Empties the plan and keeps its memory.
    pub fn clear(&mut self) {
        self.preempted.clear();
        self.admitted.clear();
        self.items.clear();
    }
}

/// The work on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanItem {
    /// The request, by its place among the engine's.
    pub request: usize,
    /// Tokens to compute: a chunk of a prompt, or 1 for a decode.
    pub tokens: u32,
    /// Tokens in its KV cache before the step.
    pub context: u32,
}
