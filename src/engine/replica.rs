//! One engine: requests arrive open-loop, steps follow each other, and a token's time is when the host knows it.

use std::collections::VecDeque;

use super::EngineError;
use super::clock::Clock;
use super::config::EngineConfig;
use super::executor::{Executor, StepOutcome};
use super::plan::StepPlan;
use super::policy;
use super::records::{Detail, Records, StepTimes};
use super::serve::{Limits, Served};
use super::state::{Sequence, State};
use crate::run::Status;
use crate::workload::Request;

/// A step that has begun and not ended.
#[derive(Debug)]
struct UnderWay {
    plan: StepPlan,
    outcome: StepOutcome,
    start_ns: u64,
    scheduled_ns: u64,
}

/// One engine and the requests that are routed to it.
#[derive(Debug)]
pub struct Replica<'a> {
    pub(super) requests: Vec<&'a Request>,
    limits: Limits,
    pub(super) state: State,
    /// Requests that have arrived: a prefix, since they ascend by arrival.
    arrived: usize,
    under_way: VecDeque<UnderWay>,
    /// Plans that are done with, for their memory.
    spare: Vec<StepPlan>,
    pub(super) records: Records,
    pacing_error_ns: u64,
}

impl<'a> Replica<'a> {
    /// An engine of `kv_blocks` KV blocks that lets `stages` steps be under way at once.
    pub fn new(
        config: &EngineConfig,
        kv_blocks: u32,
        stages: u32,
        limits: Limits,
        keep: Detail,
    ) -> Self {
        let stages = stages.max(1);
        let state = State { stages, ..State::new(config.clone(), Vec::new(), kv_blocks) };
        Self {
            requests: Vec::new(),
            limits,
            state,
            arrived: 0,
            under_way: VecDeque::new(),
            spare: Vec::new(),
            records: Records::new(keep),
            pacing_error_ns: 0,
        }
    }

    /// Routes a request here, which arrives no earlier than those before it.
    pub fn push(&mut self, request: &'a Request) {
        self.requests.push(request);
        self.state.sequences.push(Sequence::new(request.prefill_tokens, request.decode_tokens));
        self.records.add_request(request.decode_tokens);
    }

    /// Requests that have come and are not done with.
    pub fn outstanding(&self) -> usize {
        self.state.waiting.len() + self.state.running.len() + self.requests.len() - self.arrived
    }

    pub(super) fn next_arrival(&self) -> Option<u64> {
        self.requests.get(self.arrived).map(|request| request.arrival_ns)
    }

    /// Serves until nothing more happens before `until_ns`: no step begins at that time or later, and no request is seen
    /// to end later.
    ///
    /// # Errors
    /// A step that could not be carried out. A request that can never be served is no error: it is
    /// refused, and the rest goes on.
    pub fn run_until(
        &mut self,
        until_ns: u64,
        executor: &mut dyn Executor,
        clock: &mut dyn Clock,
    ) -> Result<(), EngineError> {
        loop {
            let now = self.admit_arrivals(clock);
            let free_stage = self.under_way.len() < self.state.stages as usize;
            if free_stage && now < until_ns && self.begin_step(now, executor, clock)? {
                continue;
            }
            let arrival = self.next_arrival().filter(|&at| at < until_ns);
            match (self.under_way.front().map(|step| step.outcome.end_ns), arrival) {
                // A request that comes while a stage is free need not wait for the step before it.
                (Some(end), Some(at)) if free_stage && at < end => clock.wait_until(at),
                (Some(end), _) if end > until_ns => return Ok(()),
                (Some(_), _) => {
                    let settled = self.end_step(clock);
                    if settled && self.state.stages == 1 {
                        self.decode_together(until_ns, executor, clock)?;
                    }
                }
                (None, Some(at)) => {
                    clock.wait_until(at);
                    self.pacing_error_ns = self.pacing_error_ns.max(clock.now() - at);
                }
                (None, None) => return Ok(()),
            }
        }
    }

    /// Queues everything that has arrived by now, and says when now is.
    fn admit_arrivals(&mut self, clock: &dyn Clock) -> u64 {
        let now = clock.now();
        while self.next_arrival().is_some_and(|at| at <= now) {
            if self.servable(self.requests[self.arrived]) {
                self.state.waiting.push_back(self.arrived);
            } else {
                self.state.sequences[self.arrived].ended = Some(Status::Refused);
            }
            self.arrived += 1;
        }
        now
    }

    /// Whether the model's positions, all KV blocks together and the policy's steps could hold the request.
    fn servable(&self, request: &Request) -> bool {
        let (prompt, output) = (request.prefill_tokens, request.decode_tokens);
        let config = &self.state.config;
        let total = u64::from(prompt) + u64::from(output);
        let positions = self.limits.max_positions.is_none_or(|max| total <= u64::from(max));
        let blocks = config.blocks_of_request(prompt, output);
        let at_once = config.policy.tokens_at_once(prompt, output);
        prompt > 0
            && output > 0
            && positions
            && blocks <= self.state.blocks.total()
            && at_once <= config.chunk_tokens
    }

    /// Begins another step; `false` when there is nothing to be done, or everything is under way.
    fn begin_step(
        &mut self,
        start_ns: u64,
        executor: &mut dyn Executor,
        clock: &dyn Clock,
    ) -> Result<bool, EngineError> {
        let mut plan = self.spare.pop().unwrap_or_default();
        let planned = policy::plan(&self.state, &mut plan);
        if !planned || (plan.items.is_empty() && !self.under_way.is_empty()) {
            self.spare.push(plan);
            return Ok(false);
        }
        let step = self.records.steps() + self.under_way.len() as u64;
        self.state.begin(&plan).map_err(|problem| EngineError::Plan { step, problem })?;
        let scheduled_ns = clock.now();
        let outcome = executor
            .execute(&plan, &self.state, start_ns, clock)
            .map_err(|source| EngineError::Execute { step, source })?;
        self.under_way.push_back(UnderWay { plan, outcome, start_ns, scheduled_ns });
        Ok(true)
    }

    /// Ends the oldest step under way. `true` when the next one is as this one, or nobody waits.
    fn end_step(&mut self, clock: &mut dyn Clock) -> bool {
        let Some(UnderWay { plan, outcome, start_ns, scheduled_ns }) = self.under_way.pop_front()
        else {
            return false;
        };
        clock.work_until(outcome.end_ns);
        let times = StepTimes { start: start_ns, scheduled: scheduled_ns, end: outcome.end_ns };
        let id = |request: usize| self.requests[request].request_id;
        self.records.step(&plan, &self.state, times, &outcome, id);
        let ran = self.state.running.len();
        let eos = self.limits.eos.filter(|_| !self.state.config.ignore_eos);
        let records = &mut self.records;
        self.state.commit(&plan, |request, token| {
            let id = outcome.tokens.get(token).copied();
            records.token(request, id);
            (id.is_some() && id == eos) || outcome.stopped.contains(&token)
        });
        clock.work_until(outcome.end_ns + outcome.spans.post_ns);
        self.records.set_post(clock.now() - outcome.end_ns);
        let settled = self.state.waiting.is_empty()
            || (self.state.decode_steps > 0
                && plan.admitted.is_empty()
                && plan.preempted.is_empty()
                && [ran, self.state.running.len()] == [plan.items.len(); 2]);
        self.spare.push(plan);
        settled
    }

    /// What was served, and how each request ended.
    pub fn finish(self) -> Served {
        let ended = |s: &Sequence| s.ended.unwrap_or(Status::Failed);
        let requests: Vec<_> =
            self.requests.iter().copied().zip(self.state.sequences.iter().map(ended)).collect();
        Served { run: self.records.finish(&requests), pacing_error_ns: self.pacing_error_ns }
    }
}
