//! The oracle of the fast path: a serve loop that plans, carries out and commits every step for itself, and writes
//! down every token.

use super::*;
use crate::run::{PlanRecord, RequestRecord, Run, StepRecord, TokenTimes};

/// Serves `workload` step by step.
fn slowly(workload: &Workload, config: &EngineConfig, executor: &mut impl Executor) -> Run {
    let requests = &workload.requests;
    let sequence = |r: &Request| Sequence::new(r.prefill_tokens, r.decode_tokens);
    let sequences = requests.iter().map(sequence).collect();
    let mut state = State::new(config.clone(), sequences, config.resolve_kv_blocks(workload));
    let mut times = vec![Vec::new(); requests.len()];
    let (mut now, mut busy_until, mut arrived) = (0, 0, 0);
    let mut run = Run::default();
    let mut next = StepPlan::default();
    loop {
        while arrived < requests.len() && requests[arrived].arrival_ns <= now {
            match servable(config, &requests[arrived]) {
                true => state.waiting.push_back(arrived),
                false => state.sequences[arrived].ended = Some(Status::Refused),
            }
            arrived += 1;
        }
        if !plan(&state, &mut next) {
            match requests.get(arrived) {
                Some(request) => now = request.arrival_ns,
                None => break,
            }
            continue;
        }
        state.begin(&next).unwrap();
        let outcome = executor.execute(&next, &state, now, &VirtualClock::default()).unwrap();
        let step = run.steps.len() as u64;
        let tokens: u32 = next.items.iter().map(|item| item.tokens).sum();
        let decodes =
            next.items.iter().filter(|i| state.sequences[i.request].decoding()).count() as u32;
        run.steps.push(StepRecord {
            step,
            start_ns: now,
            end_ns: outcome.end_ns,
            prefill_tokens: tokens - decodes,
            decode_sequences: decodes,
            kv_tokens: next.items.iter().map(|i| u64::from(i.context + i.tokens)).sum(),
            idle_before_ns: now - busy_until,
            ..StepRecord::default()
        });
        run.plans.extend(next.items.iter().map(|item| PlanRecord {
            step,
            request_id: requests[item.request].request_id,
            tokens: item.tokens,
            context: item.context,
        }));
        now = outcome.end_ns;
        busy_until = now;
        state.commit(&next, |request, _| {
            times[request].push(now);
            false
        });
    }
    let record = |(i, r): (usize, &Request)| RequestRecord {
        request_id: r.request_id,
        arrival_ns: r.arrival_ns,
        first_token_ns: times[i].first().copied(),
        completion_ns: times[i].last().copied(),
        prefill_tokens: r.prefill_tokens,
        decode_tokens: r.decode_tokens,
        decode_tokens_actual: times[i].len() as u32,
        status: state.sequences[i].ended.unwrap(),
        backend: None,
    };
    run.requests = requests.iter().enumerate().map(record).collect();
    run.tokens = Some(TokenTimes::from_requests(&times));
    run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn steps_taken_together_are_those_taken_one_by_one(workload in any_workload(), config in any_config()) {
        let expected = slowly(&workload, &config, &mut Fixed);
        let served = run(&workload, &config);
        prop_assert_eq!(&served.run, &expected);
        let mut clock = VirtualClock::default();
        let brief = serve(&workload, &config, LIMITS, Detail::Tokens, &mut Fixed, &mut clock).unwrap();
        prop_assert_eq!(brief.run, Run { steps: Vec::new(), plans: Vec::new(), ..expected });
    }
}

/// [`Fixed`], counting how often it is asked for one step and for one of many.
#[derive(Default)]
struct Counting {
    executed: u32,
    decoded: u32,
}

impl Executor for Counting {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        self.executed += 1;
        Fixed.execute(plan, state, start_ns, clock)
    }

    fn decode(
        &mut self,
        step: DecodeStep,
        start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        self.decoded += 1;
        Fixed.decode(step, start_ns)
    }
}

#[test]
fn most_steps_of_a_long_answer_are_taken_together_under_every_policy() {
    for policy in Policy::ALL {
        let mut counting = Counting::default();
        let config = config(policy, 512, 1000);
        let workload = requests(&[(20, 200), (30, 300)]);
        let mut clock = VirtualClock::default();
        serve(&workload, &config, LIMITS, Detail::Tokens, &mut counting, &mut clock).unwrap();
        assert!(counting.executed < 10, "{}: {}", policy.as_str(), counting.executed);
        assert!(counting.decoded > 290, "{}: {}", policy.as_str(), counting.decoded);
    }
}

#[test]
fn a_place_that_comes_free_goes_to_who_waits_at_once() {
    // Of six that run, a step decodes five; one ends, so that as many run as were decoded.
    let workload = requests(&[(1, 2), (1, 5), (1, 5), (1, 5), (1, 5), (1, 5), (1, 5)]);
    let config = EngineConfig { max_sequences: 6, ..config(Policy::Vllm, 5, 100) };
    assert_eq!(run(&workload, &config).run, slowly(&workload, &config, &mut Fixed));
}
