//! `orca`: requests join and leave between any two steps, whole prompts beside decodes, and each is admitted with room for
//! its whole life, so that nothing is ever preempted (Yu et al., OSDI 2022).

use super::Draft;

pub(super) fn plan(draft: &mut Draft<'_>) {
    draft.decodes();
    let state = draft.state;
    let whole = |request: usize| {
        let sequence = &state.sequences[request];
        state.config.blocks_of_request(sequence.prompt, sequence.output)
    };
    // Blocks are taken as tokens come; what is promised to those that run is not free.
    let promised = |&r: &usize| whole(r).saturating_sub(state.sequences[r].blocks);
    let promised: u32 = state.running.iter().map(promised).sum();
    let mut unpromised = state.blocks.free().saturating_sub(promised);
    draft.whole_prompts(|_, request, _| {
        let left = unpromised.checked_sub(whole(request));
        unpromised = left.unwrap_or(unpromised);
        left.is_some()
    });
}
