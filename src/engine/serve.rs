//! The serve loop: arrivals are open-loop, steps follow each other, and a token's time is when the
//! host knows it.

use super::EngineError;
use super::clock::Clock;
use super::config::EngineConfig;
use super::executor::{Executor, StepOutcome};
use super::plan::StepPlan;
use super::policy;
use super::state::{Sequence, State};
use crate::run::{PlanRecord, RequestRecord, Run, Status, StepRecord, TokenTimes};
use crate::workload::{Request, Workload};

/// What the model behind an executor can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Longest context; `None` for no limit.
    pub max_positions: Option<u32>,
    /// The token that ends a text, unless the configuration ignores it.
    pub eos: Option<u32>,
}

/// A workload served.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// Its records, without provenance.
    pub run: Run,
    /// How late the engine woke up for an arrival that it had been waiting for, at worst, ns.
    pub pacing_error_ns: u64,
}

/// Serves `workload` to its end.
///
/// # Errors
/// A step that could not be carried out. A request that can never be served is no error: it is
/// refused, and the rest goes on.
pub fn serve(
    workload: &Workload,
    config: &EngineConfig,
    limits: Limits,
    executor: &mut dyn Executor,
    clock: &mut dyn Clock,
) -> Result<Served, EngineError> {
    let mut server = Server::new(workload, config, limits);
    loop {
        let start_ns = server.admit_arrivals(clock);
        let Some(plan) = policy::plan(&server.state) else {
            match server.next_arrival() {
                Some(at) => {
                    clock.wait_until(at);
                    server.pacing_error_ns = server.pacing_error_ns.max(clock.now() - at);
                    continue;
                }
                None => return Ok(server.finish()),
            }
        };
        server.step(&plan, start_ns, executor, clock)?;
    }
}

struct Server<'a> {
    workload: &'a Workload,
    limits: Limits,
    state: State,
    /// Requests that have arrived: a prefix, since the workload ascends by arrival.
    arrived: usize,
    times: Vec<Vec<u64>>,
    ids: Vec<Vec<u32>>,
    steps: Vec<StepRecord>,
    plans: Vec<PlanRecord>,
    pacing_error_ns: u64,
}

impl<'a> Server<'a> {
    fn new(workload: &'a Workload, config: &EngineConfig, limits: Limits) -> Self {
        let sequence = |r: &Request| Sequence::new(r.prefill_tokens, r.decode_tokens);
        let sequences = workload.requests.iter().map(sequence).collect();
        let kv_blocks = config.resolve_kv_blocks(workload);
        let n = workload.requests.len();
        Self {
            workload,
            limits,
            state: State::new(config.clone(), sequences, kv_blocks),
            arrived: 0,
            times: vec![Vec::new(); n],
            ids: vec![Vec::new(); n],
            steps: Vec::new(),
            plans: Vec::new(),
            pacing_error_ns: 0,
        }
    }

    fn next_arrival(&self) -> Option<u64> {
        self.workload.requests.get(self.arrived).map(|r| r.arrival_ns)
    }

    /// Queues everything that has arrived by now, and says when now is.
    fn admit_arrivals(&mut self, clock: &dyn Clock) -> u64 {
        let now = clock.now();
        while self.next_arrival().is_some_and(|at| at <= now) {
            let request = &self.workload.requests[self.arrived];
            if self.servable(request) {
                self.state.waiting.push_back(self.arrived);
            } else {
                self.state.sequences[self.arrived].ended = Some(Status::Refused);
            }
            self.arrived += 1;
        }
        now
    }

    /// Whether the model's positions and all KV blocks together could hold the request.
    fn servable(&self, request: &Request) -> bool {
        let (prompt, output) = (request.prefill_tokens, request.decode_tokens);
        let total = u64::from(prompt) + u64::from(output);
        let positions = self.limits.max_positions.is_none_or(|max| total <= u64::from(max));
        let blocks = self.state.config.blocks_of_request(prompt, output);
        prompt > 0 && output > 0 && positions && blocks <= self.state.blocks.total()
    }

    fn step(
        &mut self,
        plan: &StepPlan,
        start_ns: u64,
        executor: &mut dyn Executor,
        clock: &mut dyn Clock,
    ) -> Result<(), EngineError> {
        let step = self.steps.len() as u64;
        self.state.begin(plan).map_err(|problem| EngineError::Plan { step, problem })?;
        let scheduled_ns = clock.now();
        let outcome = executor
            .execute(plan, &self.state, start_ns, clock)
            .map_err(|source| EngineError::Execute { step, source })?;
        clock.work_until(outcome.end_ns);
        self.record(plan, start_ns, scheduled_ns, &outcome);
        let (times, ids) = (&mut self.times, &mut self.ids);
        let eos = self.limits.eos.filter(|_| !self.state.config.ignore_eos);
        self.state.commit(plan, |request, token| {
            times[request].push(outcome.end_ns);
            let id = outcome.tokens.get(token).copied();
            ids[request].extend(id);
            (id.is_some() && id == eos) || outcome.stopped.contains(&token)
        });
        clock.work_until(outcome.end_ns + outcome.spans.post_ns);
        if let Some(record) = self.steps.last_mut() {
            record.post_ns = clock.now() - outcome.end_ns;
        }
        Ok(())
    }

    fn record(&mut self, plan: &StepPlan, start_ns: u64, scheduled_ns: u64, outcome: &StepOutcome) {
        let step = self.steps.len() as u64;
        let spans = outcome.spans;
        let idle_since = self.steps.last().map_or(0, |last| last.end_ns + last.post_ns);
        let decodes = |item: &&super::PlanItem| self.state.sequences[item.request].decoding();
        let decode_sequences = plan.items.iter().filter(decodes).count() as u32;
        let tokens: u32 = plan.items.iter().map(|item| item.tokens).sum();
        self.steps.push(StepRecord {
            step,
            start_ns,
            end_ns: outcome.end_ns,
            prefill_tokens: tokens - decode_sequences,
            decode_sequences,
            kv_tokens: plan.items.iter().map(|i| u64::from(i.context + i.tokens)).sum(),
            bucket: outcome.bucket.clone(),
            idle_before_ns: start_ns.saturating_sub(idle_since),
            schedule_ns: scheduled_ns - start_ns + spans.schedule_ns,
            prepare_ns: spans.prepare_ns,
            launch_ns: spans.launch_ns,
            wait_ns: spans.wait_ns,
            post_ns: 0,
            gpu_ns: spans.gpu_ns,
        });
        self.plans.extend(plan.items.iter().map(|item| PlanRecord {
            step,
            request_id: self.workload.requests[item.request].request_id,
            tokens: item.tokens,
            context: item.context,
        }));
    }

    fn finish(self) -> Served {
        let n = self.workload.requests.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| self.workload.requests[i].request_id);
        let record = |&i: &usize| {
            let (request, times) = (&self.workload.requests[i], &self.times[i]);
            RequestRecord {
                request_id: request.request_id,
                arrival_ns: request.arrival_ns,
                first_token_ns: times.first().copied(),
                completion_ns: times.last().copied(),
                prefill_tokens: request.prefill_tokens,
                decode_tokens: request.decode_tokens,
                decode_tokens_actual: times.len() as u32,
                status: self.state.sequences[i].ended.unwrap_or(Status::Failed),
                backend: None,
            }
        };
        let ids = order.iter().flat_map(|&i| self.ids[i].iter().copied()).collect();
        let tokens = TokenTimes::from_requests(order.iter().map(|&i| &self.times[i]));
        let run = Run {
            requests: order.iter().map(record).collect(),
            tokens: Some(tokens.with_ids(ids)),
            steps: self.steps,
            plans: self.plans,
            gaps: None,
            meta: None,
        };
        Served { run, pacing_error_ns: self.pacing_error_ns }
    }
}
