//! Scheduling policies: from state to plan, and nothing else. A plan depends on the state only.

use super::config::Policy;
use super::plan::{PlanItem, StepPlan};
use super::state::State;

mod light_llm;
mod orca;
mod sarathi;
mod static_batch;
mod vllm;
mod vllm_v1;

/// Draws up the next step's plan in `plan`; `false` when nothing is to be done.
pub fn plan(state: &State, plan: &mut StepPlan) -> bool {
    plan.clear();
    if state.waiting.is_empty() && state.running.is_empty() {
        return false;
    }
    let mut draft = Draft::new(state, plan);
    match state.config.policy {
        Policy::Sarathi => sarathi::plan(&mut draft),
        Policy::Vllm => vllm::plan(&mut draft),
        Policy::VllmV1 => vllm_v1::plan(&mut draft),
        Policy::Orca => orca::plan(&mut draft),
        Policy::Static => static_batch::plan(&mut draft),
        Policy::LightLlm => light_llm::plan(&mut draft),
    }
    true
}

/// After a step that decoded all that runs, admitted none and ended none: how many such steps follow at most, while
/// nothing arrives, ends or lacks blocks.
pub(super) fn decodes_ahead(state: &State) -> u32 {
    match state.config.policy {
        Policy::LightLlm => light_llm::decodes_ahead(state),
        // What did not fit before does not fit later: until something ends, blocks only get fewer.
        _ => u32::MAX,
    }
}

/// A plan that is being drawn up: what it may still use.
struct Draft<'a> {
    state: &'a State,
    plan: &'a mut StepPlan,
    /// Tokens left of the step's budget.
    tokens: u32,
    /// Blocks left.
    free: u32,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State, plan: &'a mut StepPlan) -> Self {
        let (tokens, free) = (state.config.chunk_tokens, state.blocks.free());
        Self { state, plan, tokens, free }
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
        let blocks = u64::from(sequence.blocks) + u64::from(self.free);
        let room = blocks * u64::from(self.state.config.kv_block_tokens);
        let room = room.saturating_sub(u64::from(sequence.computed));
        wanted.min(self.tokens).min(u32::try_from(room).unwrap_or(u32::MAX))
    }

    /// Whether the step takes no more.
    fn is_full(&self) -> bool {
        self.tokens == 0 || self.plan.items.len() >= self.state.step_sequences()
    }

    /// Requests that would run with those admitted so far.
    fn running(&self) -> usize {
        self.state.running.len() + self.plan.admitted.len()
    }

    /// Whether another request may run.
    fn has_place(&self) -> bool {
        self.running() < self.state.config.max_sequences as usize
    }

    fn preempted(&self, request: usize) -> bool {
        self.plan.preempted.contains(&request)
    }

    /// Takes back the blocks of the request admitted last, among those behind `request` in line.
    /// `false` when there is none.
    fn preempt_behind(&mut self, request: usize) -> bool {
        let behind = self.state.running.iter().rev().take_while(|&&r| r != request);
        let holding = |&&r: &&usize| {
            let sequence = &self.state.sequences[r];
            sequence.blocks > 0 && !sequence.busy && !self.preempted(r)
        };
        let Some(victim) = behind.copied().find(|r| holding(&r)) else { return false };
        self.preempt(victim);
        true
    }

    fn preempt(&mut self, request: usize) {
        self.free += self.state.sequences[request].blocks;
        self.plan.preempted.push(request);
    }

    /// Every running decode, first admitted first. Where blocks run out, the last admitted gives way, and is
    /// computed anew later.
    fn decodes(&mut self) {
        let state = self.state;
        for &request in &state.running {
            if self.is_full() {
                return;
            }
            let sequence = &state.sequences[request];
            if sequence.busy || !sequence.decoding() || self.preempted(request) {
                continue;
            }
            let lacking = state.lacking(request, 1);
            while lacking > self.free && self.preempt_behind(request) {}
            if lacking > self.free {
                self.preempt(request);
            } else {
                self.push(request, 1, sequence.computed, lacking);
            }
        }
    }

    /// Waiting requests as whole prompts, first come first, while budget and sequences last and `admits` finds room
    /// for another: it is given the draft, the request and its tokens.
    fn whole_prompts(&mut self, mut admits: impl FnMut(&mut Self, usize, u32) -> bool) {
        let state = self.state;
        for &request in &state.waiting {
            let tokens = state.sequences[request].remaining();
            if self.is_full()
                || !self.has_place()
                || tokens > self.tokens
                || !admits(self, request, tokens)
            {
                return;
            }
            self.plan.admitted.push(request);
            self.push(request, tokens, 0, state.lacking(request, tokens));
        }
    }
}
