//! `sarathi`: decodes first, then chunks of prompts up to the step's token budget, so that a long
//! prompt never stalls running requests (Agrawal et al., OSDI 2024).

use super::Draft;
use crate::engine::plan::StepPlan;
use crate::engine::state::State;

pub(super) fn plan(state: &State) -> StepPlan {
    let mut draft = Draft::new(state);
    decodes(&mut draft);
    prefills(&mut draft);
    admissions(&mut draft);
    draft.plan
}

/// Every running decode, first admitted first. Where blocks run out, the last admitted gives way.
fn decodes(draft: &mut Draft<'_>) {
    for &request in &draft.state.running {
        if draft.tokens == 0 || draft.preempted(request) {
            continue;
        }
        let sequence = &draft.state.sequences[request];
        if !sequence.decoding() {
            continue;
        }
        let lacking = draft.state.lacking(request, 1);
        while lacking > draft.free && draft.preempt_behind(request) {}
        if lacking > draft.free {
            draft.preempt(request);
        } else {
            draft.push(request, 1, sequence.computed, lacking);
        }
    }
}

/// The next chunk of every prompt that is under way.
fn prefills(draft: &mut Draft<'_>) {
    for &request in &draft.state.running {
        let sequence = &draft.state.sequences[request];
        if sequence.decoding() || draft.preempted(request) || draft.tokens == 0 {
            continue;
        }
        let mut chunk = draft.fitting(request, sequence.remaining());
        // Prompts that hold all blocks between them would wait for each other for ever.
        while chunk == 0 && draft.plan.items.is_empty() && draft.preempt_behind(request) {
            chunk = draft.fitting(request, sequence.remaining());
        }
        if chunk > 0 {
            let lacking = draft.state.lacking(request, chunk);
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
        let running = state.running.len() + draft.plan.admitted.len();
        if draft.tokens == 0 || running >= state.config.max_sequences as usize {
            return;
        }
        let chunk = state.sequences[request].remaining().min(draft.tokens);
        let lacking = state.lacking(request, chunk);
        // An idle engine takes a request of any size that can be served at all.
        let reserve = if running == 0 { 0 } else { state.watermark() };
        let chunk = if lacking + reserve <= draft.free {
            chunk
        } else if running == 0 {
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
