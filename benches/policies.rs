//! Drawing up one step's plan, by policy: what a simulation does at every step that is not taken together with others,
//! and a real engine between two steps while its GPU waits.

use criterion::Criterion;
use simgate::engine::{Policy, Sequence, State, StepPlan, plan};
use simgate::workload::Lengths;

mod common;

const OUTPUT: Lengths = Lengths::Uniform { min: 16, max: 256 };
const DECODES: u32 = 128;
const PROMPTS: u32 = 512;

/// An engine before its first of `requests` requests arrives.
fn state(policy: Policy, requests: u32) -> State {
    let workload = common::workload(requests, 1.0, OUTPUT);
    let sequence = |(prompt, output)| Sequence::new(prompt, output);
    let lengths = workload.requests.iter().map(|r| (r.prefill_tokens, r.decode_tokens));
    let config = common::engine(policy);
    let blocks = config.resolve_kv_blocks(&workload);
    State::new(config, lengths.map(sequence).collect(), blocks)
}

/// Every request runs and has half of its output.
fn decoding(policy: Policy) -> State {
    let mut state = state(policy, DECODES);
    for (request, sequence) in state.sequences.iter_mut().enumerate() {
        sequence.generated = sequence.output / 2;
        sequence.computed = sequence.known() - 1;
        sequence.blocks = state.config.blocks_for(sequence.computed);
        assert!(sequence.decoding() && state.blocks.take(sequence.blocks));
        state.running.push(request);
    }
    state
}

/// An idle engine; every request has arrived.
fn queueing(policy: Policy) -> State {
    let mut state = state(policy, PROMPTS);
    state.waiting.extend(0..state.sequences.len());
    state
}

fn plans(criterion: &mut Criterion, name: &str, state: impl Fn(Policy) -> State) {
    let mut group = criterion.benchmark_group(name);
    for policy in Policy::ALL {
        let state = state(policy);
        let mut next = StepPlan::default();
        assert!(plan(&state, &mut next) && !next.items.is_empty(), "the plan is empty");
        group.bench_function(policy.as_str(), |b| b.iter(|| plan(&state, &mut next)));
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    plans(&mut criterion, &format!("plan {DECODES} decodes"), decoding);
    plans(&mut criterion, &format!("plan from a queue of {PROMPTS} prompts"), queueing);
    criterion.final_summary();
}
