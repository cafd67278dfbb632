//! `sarathi`: decodes first, then chunks of prompts up to the step's token budget, so that a long
//! prompt never stalls running requests (Agrawal et al., OSDI 2024).

use super::Draft;

pub(super) fn plan(draft: &mut Draft<'_>) {
    draft.decodes();
    prefills(draft);
    admissions(draft);
}

/// The next chunk of every prompt that is under way.
fn prefills(draft: &mut Draft<'_>) {
    let state = draft.state;
    for &request in &state.running {
        let sequence = &state.sequences[request];
        if draft.is_full() {
            return;
        }
        if sequence.busy || sequence.decoding() || draft.preempted(request) {
            continue;
        }
        let mut chunk = draft.fitting(request, sequence.remaining());
        // Prompts that hold all blocks between them would wait for each other for ever.
        while chunk == 0 && draft.plan.items.is_empty() && draft.preempt_behind(request) {
            chunk = draft.fitting(request, sequence.remaining());
        }
        if chunk > 0 {
            let lacking = state.lacking(request, chunk);
            draft.push(request, chunk, sequence.computed, lacking);
        }
    }
}

/// New requests, first come first, while budget, sequences and blocks above the watermark last.
fn admissions(draft: &mut Draft<'_>) {
    if !draft.plan.preempted.is_empty() {
        return;
    }
    let state = draft.state;
    for &request in &state.waiting {
        if draft.is_full() || !draft.has_place() {
            return;
        }
        let idle = draft.running() == 0;
        let chunk = state.sequences[request].remaining().min(draft.tokens);
        let lacking = state.lacking(request, chunk);
        // An idle engine takes a request of any size that can be served at all.
        let reserve = if idle { 0 } else { state.watermark() };
        let chunk = if lacking + reserve <= draft.free {
            chunk
        } else if idle {
            draft.fitting(request, chunk)
        } else {
            return;
        };
        if chunk == 0 {
            return;
        }
        draft.plan.admitted.push(request);
        draft.push(request, chunk, 0, state.lacking(request, chunk));
    }
}
