//! `static`: a batch is put together, runs until its last request is done, and only then comes the
//! next. What engines did before continuous batching.

use super::Draft;
use crate::engine::plan::StepPlan;
use crate::engine::state::State;

pub(super) fn plan(state: &State) -> StepPlan {
    let mut draft = Draft::new(state);
    if state.running.is_empty() {
        gather(&mut draft);
    }
    let batch: Vec<usize> = state.running.iter().chain(&draft.plan.admitted).copied().collect();
    // Prompts go before decodes: a batch decodes in step.
    for decoding in [false, true] {
        for &request in &batch {
            let sequence = &state.sequences[request];
            if sequence.decoding() != decoding {
                continue;
            }
            let chunk = draft.fitting(request, sequence.remaining());
            if chunk > 0 {
                draft.push(request, chunk, sequence.computed, state.lacking(request, chunk));
            }
        }
        if !draft.plan.items.is_empty() {
            break;
        }
    }
    draft.plan
}

/// As many waiting requests as sequences and blocks allow, each with room for its whole life, so that
/// nothing is ever preempted.
fn gather(draft: &mut Draft<'_>) {
    let state = draft.state;
    let mut free = draft.free;
    for &request in state.waiting.iter().take(state.config.max_sequences as usize) {
        let sequence = &state.sequences[request];
        let whole = state.config.blocks_of_request(sequence.prompt, sequence.output);
        let Some(left) = free.checked_sub(whole) else { return };
        free = left;
        draft.plan.admitted.push(request);
    }
}
