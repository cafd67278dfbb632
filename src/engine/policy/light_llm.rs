//! `light-llm`: a prompt is admitted when all that runs still fits into the KV cache at its fullest moment, given how many
//! tokens each request has left; so it fills the cache without preempting anything (Gong et al., ASPLOS 2025). Prompts
//! are computed whole, in steps of their own, at most one such step every ten decodes.

use super::Draft;
use crate::engine::state::State;

/// Decodes between two steps of prompts, while something runs: LightLLM's `max_waiting_iters`.
const DECODES_BETWEEN: u32 = 10;

pub(super) fn plan(draft: &mut Draft<'_>) {
    let state = draft.state;
    let due = state.decode_steps > 0 && state.decode_steps.is_multiple_of(DECODES_BETWEEN);
    if state.running.is_empty() || due {
        let mut lives: Vec<Life> = state.running.iter().map(|&r| Life::of(state, r)).collect();
        draft.whole_prompts(|_, request, _| {
            lives.push(Life::of(state, request));
            peak_blocks(state, &mut lives) <= u64::from(state.blocks.total())
        });
    }
    if draft.plan.items.is_empty() {
        draft.decodes();
    }
}

/// Until prompts are due again.
pub(super) fn decodes_ahead(state: &State) -> u32 {
    match state.waiting.is_empty() {
        true => u32::MAX,
        false => (DECODES_BETWEEN - state.decode_steps % DECODES_BETWEEN) % DECODES_BETWEEN,
    }
}

/// What a request holds, and will.
struct Life {
    /// Tokens in the cache before the next step of decodes.
    computed: u32,
    /// Tokens that are computed after that.
    left: u32,
}

impl Life {
    fn of(state: &State, request: usize) -> Self {
        let sequence = &state.sequences[request];
        // Prompts are computed whole, so what has begun decodes.
        let computed = match sequence.computed {
            0 => sequence.known(),
            computed => computed,
        };
        // The last output token is never fed back.
        Self { computed, left: (sequence.prompt + sequence.output - 1).saturating_sub(computed) }
    }
}

/// Most blocks that `lives` hold at once: when a request ends, all with more left have grown by as much as it did.
fn peak_blocks(state: &State, lives: &mut [Life]) -> u64 {
    lives.sort_unstable_by_key(|life| std::cmp::Reverse(life.left));
    let mut computed = 0;
    let at_end_of = |(place, life): (usize, &Life)| {
        computed += u64::from(life.computed);
        let sequences = place as u64 + 1;
        let tokens = computed + u64::from(life.left) * sequences;
        // Each sequence's last block may hold a single token.
        let size = u64::from(state.config.kv_block_tokens);
        (tokens + sequences * (size - 1)) / size
    };
    lives.iter().enumerate().map(at_end_of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::config as engine;
    use crate::engine::{Policy, Sequence};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_peak_is_never_below_what_a_simulation_of_the_decodes_holds(
            lives in prop::collection::vec((1_u32..60, 0_u32..30), 1..8), block in 1_u32..9
        ) {
            let mut config = engine(Policy::LightLlm, 4096, 1000);
            config.kv_block_tokens = block;
            let state = State::new(config.clone(), vec![Sequence::new(1, 1)], 1000);
            let held = |step: u32| -> u64 {
                let alive = lives.iter().filter(|life| life.1 >= step);
                alive.map(|life| u64::from(config.blocks_for(life.0 + step))).sum()
            };
            let most = (0..30).map(held).max().unwrap();
            let mut lives: Vec<Life> = lives.iter().map(|&(computed, left)| Life { computed, left }).collect();
            let peak = peak_blocks(&state, &mut lives);
            prop_assert!(peak >= most, "{} < {}", peak, most);
        }
    }
}
