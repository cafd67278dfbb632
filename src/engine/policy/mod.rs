//! Scheduling policies: from state to plan, and nothing else. A plan depends on the state only.

use super::config::Policy;
use super::plan::{PlanItem, StepPlan};
use super::state::State;

mod sarathi;
mod static_batch;

/// The next step's plan, or `None` when nothing is to be done.
pub fn plan(state: &State) -> Option<StepPlan> {
    if state.waiting.is_empty() && state.running.is_empty() {
        return None;
    }
    Some(match state.config.policy {
        Policy::Sarathi => sarathi::plan(state),
        Policy::Static => static_batch::plan(state),
    })
}

/// A plan that is being drawn up: what it may still use.
struct Draft<'a> {
    state: &'a State,
    plan: StepPlan,
    /// Tokens left of the step's budget.
    tokens: u32,
    /// Blocks left.
    free: u32,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State) -> Self {
        let (tokens, free) = (state.config.chunk_tokens, state.blocks.free());
        Self { state, plan: StepPlan::default(), tokens, free }
    }

    /// Takes up `tokens` of `request`; `computed` of its tokens are in the cache.
    fn push(&mut self, request: usize, tokens: u32, context: u32, blocks: u32) {
        self.plan.items.push(PlanItem { request, tokens, context });
        self.tokens -= tokens;
        self.free -= blocks;
    }

    /// Most tokens of `request`, up to `wanted`, that budget and free blocks allow.
    fn fitting(&self, request: usize, wanted: u32) -> u32 {
        let sequence = &self.state.sequences[request];
        let blocks = sequence.blocks.len() as u64 + u64::from(self.free);
        let room = blocks * u64::from(self.state.config.kv_block_tokens);
        let room = room.saturating_sub(u64::from(sequence.computed));
        wanted.min(self.tokens).min(u32::try_from(room).unwrap_or(u32::MAX))
    }

    fn preempted(&self, request: usize) -> bool {
        self.plan.preempted.contains(&request)
    }

    /// Takes back the blocks of the request admitted last, among those behind `request` in line.
    /// `false` when there is none.
    fn preempt_behind(&mut self, request: usize) -> bool {
        let behind = self.state.running.iter().rev().take_while(|&&r| r != request);
        let mut holding = behind.filter(|r| !self.state.sequences[**r].blocks.is_empty());
        let Some(victim) = holding.find(|r| !self.preempted(**r)).copied() else { return false };
        self.preempt(victim);
        true
    }

    fn preempt(&mut self, request: usize) {
        self.free += self.state.sequences[request].blocks.len() as u32;
        self.plan.preempted.push(request);
    }
}
