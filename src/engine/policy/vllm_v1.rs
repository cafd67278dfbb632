//! `vllm-v1`: no prefill and no decode, only tokens that are not computed yet. Running requests come first, in the order
//! in which they were admitted, then waiting ones, until the step's token budget is used up. What vLLM does from its
//! version 1 on; it keeps no watermark.

use super::Draft;

pub(super) fn plan(draft: &mut Draft<'_>) {
    running(draft);
    if draft.plan.preempted.is_empty() {
        waiting(draft);
    }
}

fn running(draft: &mut Draft<'_>) {
    let state = draft.state;
    for &request in &state.running {
        let sequence = &state.sequences[request];
        if draft.is_full() {
            return;
        }
        if sequence.busy || draft.preempted(request) {
            continue;
        }
        let tokens = sequence.remaining().min(draft.tokens);
        let lacking = state.lacking(request, tokens);
        while lacking > draft.free && draft.preempt_behind(request) {}
        if lacking > draft.free {
            draft.preempt(request);
            return;
        }
        draft.push(request, tokens, sequence.computed, lacking);
    }
}

fn waiting(draft: &mut Draft<'_>) {
    let state = draft.state;
    for &request in &state.waiting {
        if draft.is_full() || !draft.has_place() {
            return;
        }
        let tokens = state.sequences[request].remaining().min(draft.tokens);
        let lacking = state.lacking(request, tokens);
        if lacking > draft.free {
            return;
        }
        draft.plan.admitted.push(request);
        draft.push(request, tokens, 0, lacking);
    }
}
