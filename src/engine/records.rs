//! What a served workload leaves behind.

use super::executor::{StepOutcome, StepSpans};
use super::plan::StepPlan;
use super::state::State;
use crate::run::{PlanRecord, RequestRecord, Run, Status, StepRecord, TokenRecorder, TokenTimes};
use crate::workload::Request;

/// How much is kept of a served workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Requests, tokens, steps, and what each step did.
    #[default]
    Steps,
    /// Requests and tokens: nothing that grows with what each step did.
    Tokens,
}

/// Plans that memory is taken for before there are any: a workload may ask for more tokens than it ever gets.
const MOST_EXPECTED: usize = 1 << 22;

/// Records of a run while it is served.
#[derive(Debug, Default)]
pub(super) struct Records {
    keep: Detail,
    tokens: TokenRecorder,
    ids: Vec<Vec<u32>>,
    steps: Vec<StepRecord>,
    plans: Vec<PlanRecord>,
    /// Tokens that all requests ask for, and so the plans that there will be at least.
    expected: usize,
}

/// When a step was chosen, began and ended, ns.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepTimes {
    pub start: u64,
    pub scheduled: u64,
    pub end: u64,
}

impl Records {
    pub fn new(keep: Detail) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Adds a request that asks for `decode_tokens`.
    pub fn add_request(&mut self, decode_tokens: u32) {
        self.tokens.add_request();
        self.expected += decode_tokens as usize;
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.tokens.steps() as u64
    }

    /// A step that has ended, before its outcome is applied to `state`.
    pub fn step(
        &mut self,
        plan: &StepPlan,
        state: &State,
        times: StepTimes,
        outcome: &StepOutcome,
        request_id: impl Fn(usize) -> u64,
    ) {
        if self.keep == Detail::Steps {
            if self.plans.is_empty() {
                self.plans.reserve(self.expected.min(MOST_EXPECTED));
            }
            let decodes = |item: &&super::PlanItem| state.sequences[item.request].decoding();
            let record = StepRecord {
                decode_sequences: plan.items.iter().filter(decodes).count() as u32,
                prefill_tokens: plan.items.iter().map(|item| item.tokens).sum(),
                kv_tokens: plan.items.iter().map(|i| u64::from(i.context + i.tokens)).sum(),
                bucket: outcome.bucket.clone(),
                ..self.record(times, outcome.spans)
            };
            let step = record.step;
            let prefill_tokens = record.prefill_tokens - record.decode_sequences;
            self.steps.push(StepRecord { prefill_tokens, ..record });
            self.plans.extend(plan.items.iter().map(|item| PlanRecord {
                step,
                request_id: request_id(item.request),
                tokens: item.tokens,
                context: item.context,
            }));
        }
        self.tokens.end_step(times.end);
    }

    fn record(&self, times: StepTimes, spans: StepSpans) -> StepRecord {
        let idle_since = self.steps.last().map_or(0, |last| last.end_ns + last.post_ns);
        StepRecord {
            step: self.steps(),
            start_ns: times.start,
            end_ns: times.end,
            idle_before_ns: times.start.saturating_sub(idle_since),
            schedule_ns: times.scheduled - times.start + spans.schedule_ns,
            prepare_ns: spans.prepare_ns,
            launch_ns: spans.launch_ns,
            wait_ns: spans.wait_ns,
            post_ns: spans.post_ns,
            gpu_ns: spans.gpu_ns,
            ..StepRecord::default()
        }
    }

    /// One of several steps in a row that decode a token of everything that runs, the `ahead`-th after `state`.
    pub fn decode_step(
        &mut self,
        state: &State,
        ahead: u32,
        times: StepTimes,
        spans: StepSpans,
        request_id: impl Fn(usize) -> u64,
    ) {
        if self.keep == Detail::Steps {
            let context = |&r: &usize| state.sequences[r].computed + ahead;
            let record = StepRecord {
                decode_sequences: state.running.len() as u32,
                kv_tokens: state.running.iter().map(|r| u64::from(context(r) + 1)).sum(),
                ..self.record(times, spans)
            };
            let step = record.step;
            self.steps.push(record);
            self.plans.extend(state.running.iter().map(|request| PlanRecord {
                step,
                request_id: request_id(*request),
                tokens: 1,
                context: context(request),
            }));
        }
        self.tokens.end_step(times.end);
    }

    /// The last step gave `request` a token, with its id where that is known.
    pub fn token(&mut self, request: usize, id: Option<u32>) {
        self.tokens.token(request);
        if let Some(id) = id {
            if self.ids.len() <= request {
                self.ids.resize_with(request + 1, Vec::new);
            }
            self.ids[request].push(id);
        }
    }

    /// The last `count` steps gave `request` a token each.
    pub fn last_tokens(&mut self, request: usize, count: u32) {
        self.tokens.tokens(request, self.tokens.steps() - count as usize, count);
    }

    /// Where the host's time behind the last step was not known before it passed.
    pub fn set_post(&mut self, post_ns: u64) {
        if let Some(last) = self.steps.last_mut() {
            last.post_ns = post_ns;
        }
    }

    /// The run of `requests`, each with how it ended, ascending by id.
    pub fn finish(self, requests: &[(&Request, Status)]) -> Run {
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.sort_by_key(|&i| requests[i].0.request_id);
        let no_ids: &[u32] = &[];
        let ids_of = |&i: &usize| self.ids.get(i).map_or(no_ids, Vec::as_slice);
        let ids: Vec<u32> = order.iter().flat_map(ids_of).copied().collect();
        let tokens = self.tokens.finish();
        let sorted = order.iter().enumerate().all(|(place, &i)| place == i);
        let tokens = match sorted {
            true => tokens,
            false => TokenTimes::gather(&[tokens], order.iter().map(|&i| (0, i))),
        };
        let record = |(place, &i): (usize, &usize)| {
            let (request, status) = requests[i];
            let ends = tokens.ends(place);
            RequestRecord {
                request_id: request.request_id,
                arrival_ns: request.arrival_ns,
                first_token_ns: ends.map(|ends| ends.0),
                completion_ns: ends.map(|ends| ends.1),
                prefill_tokens: request.prefill_tokens,
                decode_tokens: request.decode_tokens,
                decode_tokens_actual: tokens.count(place) as u32,
                status,
                backend: None,
            }
        };
        Run {
            requests: order.iter().enumerate().map(record).collect(),
            tokens: Some(tokens.with_ids(ids)),
            steps: self.steps,
            plans: self.plans,
            gaps: None,
            meta: None,
        }
    }
}
