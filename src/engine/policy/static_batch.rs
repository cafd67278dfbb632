//! `static`: a batch is put together, runs until its last request is done, and only then comes the
//! next. What engines did before continuous batching.

use super::Draft;

pub(super) fn plan(draft: &mut Draft<'_>) {
    let state = draft.state;
    if state.running.is_empty() {
        gather(draft);
    }
    // Prompts go before decodes: a batch decodes in step.
    for decoding in [false, true] {
        let batch =
            state.running.iter().chain(state.waiting.iter().take(draft.plan.admitted.len()));
        for &request in batch {
            let sequence = &state.sequences[request];
            if draft.is_full() {
                return;
            }
            if sequence.busy || sequence.decoding() != decoding {
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
