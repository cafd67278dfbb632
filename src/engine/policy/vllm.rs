//! `vllm`: waiting prompts go before everything else, whole, in steps of their own; running requests decode when
//! none can be admitted. What vLLM did until its version 0 without chunked prefill (Kwon et al., SOSP 2023): short
//! queues, and stalls of all that runs.

use super::Draft;

pub(super) fn plan(draft: &mut Draft<'_>) {
    let state = draft.state;
    draft.whole_prompts(|draft, request, tokens| {
        // An idle engine takes a request of any size that can be served at all.
        let reserve = if draft.running() == 0 { 0 } else { state.watermark() };
        state.lacking(request, tokens) + reserve <= draft.free
    });
    if draft.plan.items.is_empty() {
        draft.decodes();
    }
}
