//! Vidur's discrete events (vidur/simulator.py, vidur/events/): the clock is a float of seconds, and the
//! order at one time is that in which events were made.

use std::collections::BTreeSet;

use super::config::{VidurConfig, VidurRouter};
use super::events::{Event, Events};
use super::policy;
use super::state::{Item, Replica, Request, VidurOutcome, VidurRequest};
use super::{RuntimeStop, SimulateError};
use crate::predict::{VidurBatch, VidurPredictor};
use crate::stats::Random;

/// Tokens that memory is taken for before they come.
const MOST_RESERVED: u32 = 4096;

/// A batch that was computed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VidurStep {
    /// The replica that computed it.
    pub replica: u32,
    /// Seconds since the run's start.
    pub scheduled_at: f64,
    /// From then to the end of its last pipeline stage, seconds.
    pub execution_time: f64,
    /// What its stages were predicted to take in sum, ms; less than the execution time where it waited.
    pub predicted_ms: f64,
    /// Tokens.
    pub tokens: u32,
    /// Of them, those of prompts.
    pub prefill_tokens: u32,
    /// Sequences.
    pub size: u32,
}

/// A run as Vidur tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VidurRun {
    /// One a request, in the order given.
    pub requests: Vec<VidurOutcome>,
    /// When the tokens of each came, seconds since the start. Vidur says more tokens than were asked for of a
    /// request that was restarted within its prompt.
    pub token_times: Vec<Vec<f64>>,
    /// In the order in which they were made, as Vidur numbers them.
    pub steps: Vec<VidurStep>,
}

/// Simulates clusters as Vidur does.
#[derive(Debug, Clone)]
pub struct VidurSimulator {
    predictor: VidurPredictor,
    config: VidurConfig,
}

impl VidurSimulator {
    /// A cluster whose steps take what `predictor` says.
    ///
    /// # Errors
    /// Settings that Vidur would stop at.
    pub fn new(predictor: VidurPredictor, config: VidurConfig) -> Result<Self, SimulateError> {
        config.check()?;
        let (found, expected) = (predictor.settings().pipeline_parallel, config.pipeline_parallel);
        if found != expected {
            let problem = format!(
                "{expected} pipeline stages, but predictions are for {found}: set both alike"
            );
            return Err(SimulateError::Config { problem });
        }
        Ok(Self { predictor, config })
    }

    /// The settings.
    pub fn config(&self) -> &VidurConfig {
        &self.config
    }

    /// Serves `requests`.
    ///
    /// # Errors
    /// A request that could never be served, a step that cannot be predicted, or a state that Vidur would
    /// never leave.
    pub fn run(&self, requests: &[VidurRequest]) -> Result<VidurRun, SimulateError> {
        for (request, asked) in requests.iter().enumerate() {
            let refused = |problem| SimulateError::Request { request, problem };
            if !(asked.arrived_at.is_finite() && asked.arrived_at >= 0.0) {
                return Err(refused(format!("arrives at {}", asked.arrived_at)));
            }
            self.config.admits(asked.prefill_tokens, asked.decode_tokens).map_err(refused)?;
        }
        Simulation::new(self, requests).run()
    }
}

/// A batch under way; its place is used again once it is done.
#[derive(Debug, Default)]
struct Batch {
    step: usize,
    replica: u32,
    items: Vec<Item>,
    work: VidurBatch,
    /// Of the stage that it is in.
    stage_seconds: f64,
}

struct Simulation<'a> {
    predictor: &'a VidurPredictor,
    config: &'a VidurConfig,
    events: Events,
    requests: Vec<Request>,
    replicas: Vec<Replica>,
    batches: Vec<Batch>,
    /// Places of batches that are done.
    spare: Vec<u32>,
    /// Requests that no replica has yet.
    incoming: Vec<u32>,
    routed: u64,
    random: Random,
    run: VidurRun,
}

impl<'a> Simulation<'a> {
    fn new(simulator: &'a VidurSimulator, requests: &[VidurRequest]) -> Self {
        let config = &simulator.config;
        let tokens = requests
            .iter()
            .map(|r| Vec::with_capacity(r.decode_tokens.min(MOST_RESERVED) as usize));
        Self {
            predictor: &simulator.predictor,
            config,
            events: Events::new(requests.iter().map(|request| request.arrived_at)),
            requests: requests.iter().map(Request::new).collect(),
            replicas: (0..config.replicas)
                .map(|_| Replica::new(config.pipeline_parallel))
                .collect(),
            batches: Vec::new(),
            spare: Vec::new(),
            incoming: Vec::new(),
            routed: 0,
            random: Random::new(config.seed, 0),
            run: VidurRun { token_times: tokens.collect(), ..VidurRun::default() },
        }
    }

    fn run(mut self) -> Result<VidurRun, SimulateError> {
        while let Some(event) = self.events.pop() {
            match event {
                Event::Arrival(request) => {
                    self.incoming.push(request);
                    self.events.push(Event::GlobalSchedule);
                }
                Event::GlobalSchedule => self.route(),
                Event::ReplicaSchedule { replica } => self.schedule(replica)?,
                Event::StageArrival { stage, batch } => {
                    let replica = self.batches[batch as usize].replica;
                    self.replicas[replica as usize].stages[stage as usize].queue.push_back(batch);
                    self.events.push(Event::StageSchedule { replica, stage });
                }
                Event::StageSchedule { replica, stage } => self.start_stage(replica, stage)?,
                Event::StageEnd { stage, batch } => self.end_stage(stage, batch),
                Event::BatchEnd { batch } => self.end_batch(batch),
            }
        }
        let left = self.requests.iter().filter(|request| !request.completed).count();
        if left > 0 {
            let stop = RuntimeStop::Stalled { left, at: self.events.now };
            return Err(SimulateError::Stop(stop));
        }
        self.run.requests = self.requests.iter().map(|request| request.outcome).collect();
        Ok(self.run)
    }

    /// Hands every incoming request to a replica.
    fn route(&mut self) {
        let mut chosen = BTreeSet::new();
        for place in 0..self.incoming.len() {
            let replica = match self.config.router {
                VidurRouter::RoundRobin => (self.routed % self.replicas.len() as u64) as usize,
                VidurRouter::Random => self.random.below(self.replicas.len() as u64) as usize,
                VidurRouter::LeastOutstanding => {
                    let waiting = self.replicas.iter().map(|replica| replica.queue.len());
                    waiting.enumerate().min_by_key(|&(_, waiting)| waiting).map_or(0, |(i, _)| i)
                }
            };
            self.routed += 1;
            self.replicas[replica].queue.push_back(self.incoming[place]);
            chosen.insert(replica as u32);
        }
        self.incoming.clear();
        for replica in chosen {
            self.events.push(Event::ReplicaSchedule { replica });
        }
    }

    /// Makes batches while the replica has fewer under way than stages.
    fn schedule(&mut self, replica: u32) -> Result<(), SimulateError> {
        let now = self.events.now;
        let state = &mut self.replicas[replica as usize];
        while state.running < self.config.pipeline_parallel {
            let place = self.spare.pop().unwrap_or_else(|| {
                self.batches.push(Batch::default());
                self.batches.len() as u32 - 1
            });
            let batch = &mut self.batches[place as usize];
            batch.items.clear();
            policy::next_batch(self.config, state, &mut self.requests, &mut batch.items)?;
            if batch.items.is_empty() {
                self.spare.push(place);
                break;
            }
            state.running += 1;
            batch.replica = replica;
            batch.step = self.run.steps.len();
            batch.work = work(self.predictor, &self.requests, &batch.items);
            let prefill = |&&(request, _): &&Item| !self.requests[request as usize].prefill_done;
            self.run.steps.push(VidurStep {
                replica,
                scheduled_at: now,
                tokens: batch.work.tokens,
                prefill_tokens: batch.items.iter().filter(prefill).map(|item| item.1).sum(),
                size: batch.work.sequences,
                ..VidurStep::default()
            });
            for &(request, _) in &batch.items {
                self.requests[request as usize].on_batch_schedule(now);
            }
            self.events.push(Event::StageArrival { stage: 0, batch: place });
        }
        Ok(())
    }

    fn start_stage(&mut self, replica: u32, stage: u32) -> Result<(), SimulateError> {
        let state = &mut self.replicas[replica as usize].stages[stage as usize];
        if state.busy {
            return Ok(());
        }
        let Some(place) = state.queue.pop_front() else { return Ok(()) };
        state.busy = true;
        let batch = &mut self.batches[place as usize];
        batch.work.last_stage = stage + 1 == self.config.pipeline_parallel;
        let ms = self.predictor.stage_ms(&batch.work).map_err(|source| SimulateError::Predict {
            batch: batch.step,
            source: Box::new(source),
        })?;
        batch.stage_seconds = ms * 1e-3;
        self.run.steps[batch.step].predicted_ms += ms;
        let now = self.events.now;
        for &(request, _) in &batch.items {
            self.requests[request as usize].on_stage_schedule(now);
        }
        self.events.push_at(now + batch.stage_seconds, Event::StageEnd { stage, batch: place });
        Ok(())
    }

    fn end_stage(&mut self, stage: u32, place: u32) {
        let batch = &self.batches[place as usize];
        let replica = batch.replica;
        self.replicas[replica as usize].stages[stage as usize].busy = false;
        for &(request, _) in &batch.items {
            self.requests[request as usize].on_stage_end(self.events.now, batch.stage_seconds);
        }
        self.events.push(Event::StageSchedule { replica, stage });
        self.events.push(if stage + 1 == self.config.pipeline_parallel {
            Event::BatchEnd { batch: place }
        } else {
            Event::StageArrival { stage: stage + 1, batch: place }
        });
    }

    fn end_batch(&mut self, place: u32) {
        let now = self.events.now;
        let batch = &self.batches[place as usize];
        for &(request, tokens) in &batch.items {
            if self.requests[request as usize].on_batch_end(now, tokens) {
                self.run.token_times[request as usize].push(now);
            }
        }
        let step = &mut self.run.steps[batch.step];
        step.execution_time = now - step.scheduled_at;
        let replica = &mut self.replicas[batch.replica as usize];
        policy::on_batch_end(self.config, replica, &mut self.requests, &batch.items);
        self.events.push(Event::ReplicaSchedule { replica: batch.replica });
        self.spare.push(place);
    }
}

/// What the predictor has to know of a batch. A decode's tokens in the cache count the one that is fed now.
fn work(predictor: &VidurPredictor, requests: &[Request], items: &[Item]) -> VidurBatch {
    let mut work = VidurBatch { sequences: items.len() as u32, ..VidurBatch::default() };
    for &(request, tokens) in items {
        let state = &requests[request as usize];
        work.tokens += tokens;
        if state.prefill_done {
            work.decodes += 1;
            work.decode_kv += u64::from(state.processed);
        } else {
            work.prefills += 1;
            work.prefill_kv += predictor.round_kv(state.processed);
            work.chunk_squares += u64::from(tokens) * u64::from(tokens);
        }
    }
    work
}
