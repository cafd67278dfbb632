//! Invariants of policies, blocks and the serve loop, on random workloads and settings.

use proptest::prelude::*;

use super::*;
use crate::run::Status;
use crate::workload::{Request, Workload};

mod fleet;
mod policies;
mod reference;

/// Steps of 1 ms, 10 us a token and 7 ns a token of context.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fixed;

impl Fixed {
    fn end(sequences: u32, tokens: u32, context: u64, start_ns: u64) -> u64 {
        start_ns + 1_000_000 + u64::from(tokens) * 10_000 + context * 7 + u64::from(sequences)
    }
}

impl Executor for Fixed {
    fn execute(
        &mut self,
        plan: &StepPlan,
        _: &State,
        start_ns: u64,
        _: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let tokens = plan.items.iter().map(|item| item.tokens).sum();
        let context = plan.items.iter().map(|item| u64::from(item.context)).sum();
        let end_ns = Self::end(plan.items.len() as u32, tokens, context, start_ns);
        Ok(StepOutcome { end_ns, ..StepOutcome::default() })
    }

    fn decode(
        &mut self,
        step: DecodeStep,
        start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        let end = Self::end(step.sequences, step.sequences, step.context, start_ns);
        Some(Ok((end, StepSpans::default())))
    }
}

const LIMITS: Limits = Limits { max_positions: Some(4096), eos: None };

fn run(workload: &Workload, config: &EngineConfig) -> Served {
    let mut clock = VirtualClock::default();
    serve(workload, config, LIMITS, Detail::Steps, &mut Fixed, &mut clock).unwrap()
}

/// Whether the engine can ever serve a request.
fn servable(config: &EngineConfig, request: &Request) -> bool {
    let (prompt, output) = (request.prefill_tokens, request.decode_tokens);
    config.blocks_of_request(prompt, output) <= config.kv_blocks.unwrap()
        && config.policy.tokens_at_once(prompt, output) <= config.chunk_tokens
}

prop_compose! {
    fn any_workload()(requests in prop::collection::vec((1_u32..80, 1_u32..20, 0_u64..3_000_000), 1..30)) -> Workload {
        let mut arrival_ns = 0;
        let requests = requests.into_iter().enumerate().map(|(i, (prefill_tokens, decode_tokens, gap))| {
            arrival_ns += gap;
            Request { request_id: i as u64, prompt_id: String::new(), prefill_tokens, decode_tokens, arrival_ns }
        });
        Workload { requests: requests.collect(), ..Workload::default() }
    }
}

prop_compose! {
    fn any_config()(policy in 0..Policy::ALL.len(), chunk_tokens in 1_u32..120, max_sequences in 1_u32..8, kv_block_tokens in 1_u32..90, kv_blocks in 5_u32..60, kv_watermark_bp in 0_u32..2000) -> EngineConfig {
        EngineConfig {
            policy: Policy::ALL[policy],
            chunk_tokens, max_sequences, kv_block_tokens, kv_blocks: Some(kv_blocks), kv_watermark_bp,
            launch: Launch::Eager,
            ignore_eos: true,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `begin` refuses plans that exceed tokens, sequences or blocks, so serving at all shows that none
    /// does.
    #[test]
    fn every_request_is_served_once_or_refused_and_none_starves(workload in any_workload(), config in any_config()) {
        let served = run(&workload, &config);
        for (record, request) in served.run.requests.iter().zip(&workload.requests) {
            if servable(&config, request) {
                prop_assert_eq!(record.status, Status::Ok);
                prop_assert_eq!(record.decode_tokens_actual, request.decode_tokens);
                prop_assert!(record.first_token_ns.unwrap() > request.arrival_ns);
            } else {
                prop_assert_eq!(record.status, Status::Refused);
                prop_assert_eq!(record.decode_tokens_actual, 0);
            }
        }
    }

    #[test]
    fn all_blocks_are_free_in_the_end_and_as_many_are_held_as_are_not(workload in any_workload(), config in any_config()) {
        let total = config.kv_blocks.unwrap();
        let sequences = workload.requests.iter().map(|r| Sequence::new(r.prefill_tokens, r.decode_tokens));
        let mut state = State::new(config.clone(), sequences.collect(), total);
        state.waiting = (0..workload.requests.len()).filter(|&i| servable(&config, &workload.requests[i])).collect();
        let (mut next, mut again) = (StepPlan::default(), StepPlan::default());
        while plan(&state, &mut next) {
            plan(&state.clone(), &mut again);
            prop_assert_eq!(&again, &next);
            state.begin(&next).unwrap();
            let held: u32 = state.sequences.iter().map(|s| s.blocks).sum();
            prop_assert_eq!(held + state.blocks.free(), total);
            for sequence in &state.sequences {
                prop_assert!(config.blocks_for(sequence.computed) <= sequence.blocks || sequence.ended.is_some());
            }
            state.commit(&next, |_, _| false);
        }
        prop_assert_eq!(state.blocks.free(), total);
    }

    #[test]
    fn steps_follow_each_other_and_tokens_come_at_their_ends(workload in any_workload(), config in any_config()) {
        let served = run(&workload, &config);
        for pair in served.run.steps.windows(2) {
            prop_assert!(pair[0].end_ns <= pair[1].start_ns);
        }
        let ends: std::collections::HashSet<u64> = served.run.steps.iter().map(|s| s.end_ns).collect();
        let tokens = served.run.tokens.unwrap();
        prop_assert!((0..tokens.requests()).flat_map(|i| tokens.iter(i)).all(|t| ends.contains(&t)));
    }
}

fn requests(lengths: &[(u32, u32)]) -> Workload {
    let request = |(i, &(prefill_tokens, decode_tokens)): (usize, &(u32, u32))| Request {
        request_id: i as u64,
        prompt_id: String::new(),
        prefill_tokens,
        decode_tokens,
        arrival_ns: 0,
    };
    Workload { requests: lengths.iter().enumerate().map(request).collect(), ..Workload::default() }
}

pub(crate) fn config(policy: Policy, chunk_tokens: u32, kv_blocks: u32) -> EngineConfig {
    EngineConfig {
        policy,
        chunk_tokens,
        max_sequences: 8,
        kv_block_tokens: 4,
        kv_blocks: Some(kv_blocks),
        kv_watermark_bp: 0,
        launch: Launch::Eager,
        ignore_eos: true,
    }
}

/// `request:tokens@context` of each step.
fn steps(served: &Served) -> Vec<String> {
    let count = served.run.steps.len() as u64;
    let of_step = |step| {
        let items = served.run.plans.iter().filter(|p| p.step == step);
        let items = items.map(|p| format!("{}:{}@{}", p.request_id, p.tokens, p.context));
        items.collect::<Vec<_>>().join(" ")
    };
    (0..count).map(of_step).collect()
}

#[test]
fn sarathi_puts_decodes_before_chunks_of_the_next_prompt() {
    let served = run(&requests(&[(3, 3), (9, 2)]), &config(Policy::Sarathi, 5, 100));
    assert_eq!(steps(&served), ["0:3@0 1:2@0", "0:1@3 1:4@2", "0:1@4 1:3@6", "1:1@9"]);
}

#[test]
fn static_batches_run_to_completion() {
    let served = run(&requests(&[(3, 2), (2, 3), (40, 1), (2, 1)]), &config(Policy::Static, 5, 11));
    let expected = [
        "0:3@0 1:2@0",
        "0:1@3 1:1@2",
        "1:1@3",
        "2:5@0",
        "2:5@5",
        "2:5@10",
        "2:5@15",
        "2:5@20",
        "2:5@25",
        "2:5@30",
        "2:5@35",
    ];
    assert_eq!(steps(&served)[..11], expected);
}

#[test]
fn a_preempted_request_is_computed_anew_with_what_it_had_generated() {
    // Two requests of 4 + 5 tokens want 2 blocks each in the end; there are 3.
    let served = run(&requests(&[(4, 5), (4, 5)]), &config(Policy::Sarathi, 16, 3));
    let steps = steps(&served);
    assert_eq!(steps[..2], ["0:4@0 1:4@0", "0:1@4"]);
    assert!(steps.contains(&"1:5@0".to_owned()), "{steps:?}");
    assert!(served.run.requests.iter().all(|r| r.decode_tokens_actual == 5));
}

#[test]
fn a_request_that_can_never_fit_is_refused_and_the_rest_goes_on() {
    let served = run(&requests(&[(5000, 5), (400, 5), (4, 5)]), &config(Policy::Sarathi, 16, 3));
    let statuses: Vec<Status> = served.run.requests.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Status::Refused, Status::Refused, Status::Ok]);
}

/// Says the token 7 each time.
struct Seven;

impl Executor for Seven {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        _: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let emitting = plan.items.iter().filter(|item| state.completes(item)).count();
        let tokens = vec![7; emitting];
        Ok(StepOutcome { end_ns: start_ns + 1000, tokens, ..StepOutcome::default() })
    }
}

#[test]
fn a_text_ends_with_its_last_token_unless_the_engine_ignores_it() {
    for (ignore_eos, expected) in [(false, 1), (true, 5)] {
        let config = EngineConfig { ignore_eos, ..config(Policy::Sarathi, 16, 10) };
        let limits = Limits { max_positions: None, eos: Some(7) };
        let workload = requests(&[(4, 5), (6, 5)]);
        let mut clock = VirtualClock::default();
        let served =
            serve(&workload, &config, limits, Detail::Steps, &mut Seven, &mut clock).unwrap();
        for request in &served.run.requests {
            assert_eq!((request.status, request.decode_tokens_actual), (Status::Ok, expected));
        }
        assert_eq!(served.run.tokens.unwrap().ids_of(0), vec![7; expected as usize]);
    }
}
