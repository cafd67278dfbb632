//! Runs that are part prediction and part recorded truth.

use super::truth::{TrueStep, Truth};
use super::{Known, Part};
use crate::engine::{Clock, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans};
use crate::predict::{Draws, IDLE_NS, PredictError, Predictor, Step, StepParts};
use crate::run::{RequestRecord, Run, TokenTimes};

/// What every step of a hybrid run is made of.
pub(super) struct Hybrid<'a> {
    pub truth: &'a Truth,
    pub predictor: &'a Predictor,
    pub known: Known,
    pub draws: Draws,
    /// When the last step was done with, the last idle time, and the steps since.
    busy_until: f64,
    idle_ns: u64,
    since: u32,
    /// Steps so far.
    number: usize,
}

impl<'a> Hybrid<'a> {
    pub fn new(truth: &'a Truth, predictor: &'a Predictor, known: Known, seed: u64) -> Self {
        let draws = Draws::new(seed);
        let (busy_until, idle_ns, since, number) = (0.0, 0, 0, 0);
        Self { truth, predictor, known, draws, busy_until, idle_ns, since, number }
    }

    /// The parts of the next step, which begins at `start`, and how long it is held up before. `recorded` is
    /// the very step, where plans are known.
    fn step(
        &mut self,
        sequences: &[(u32, u32)],
        decode_only: bool,
        start: f64,
        recorded: Option<&TrueStep>,
    ) -> Result<(StepParts, f64, String), PredictError> {
        let idle = (start - self.busy_until).max(0.0) as u64;
        if idle >= IDLE_NS {
            (self.idle_ns, self.since) = (idle, 0);
        } else {
            self.since = self.since.saturating_add(1);
        }
        let (idle_ns, steps_since_idle) = (self.idle_ns, self.since);
        let step = Step { sequences, rows: 0, decode_only, idle_ns, steps_since_idle };
        let (mut parts, bucket) = self.predictor.draw_parts(step, &mut self.draws)?;
        let number = self.number;
        self.number += 1;
        let Some(like) = recorded.or_else(|| self.truth.nearest(&bucket, number)) else {
            return Ok((parts, 0.0, bucket));
        };
        // The very step is known as it was; of one like it, by how much it was off.
        let known = |truth: f64, predicted: f64, drawn: f64| match recorded {
            Some(_) => truth,
            None if predicted > 0.0 => drawn * truth / predicted,
            None => truth,
        };
        let base = match recorded {
            Some(_) => parts,
            None => self.predictor.parts(step)?,
        };
        if self.known.has(Part::Gpu) {
            parts.gpu = known(like.times.gpu, like.predicted.gpu, base.gpu);
        }
        if self.known.has(Part::Host) {
            parts.before = known(like.times.before, like.predicted.before, base.before);
            parts.after = known(like.times.after, like.predicted.after, base.after);
        }
        let delay = if self.known.has(Part::Queueing) { like.delay } else { 0.0 };
        Ok((parts, delay, bucket))
    }

    /// The run with the recorded plans.
    pub fn replay(mut self, run: &Run) -> Result<Run, PredictError> {
        let mut times: Vec<Vec<u64>> = vec![Vec::new(); run.requests.len()];
        for recorded in &self.truth.steps {
            let sequences: Vec<(u32, u32)> =
                recorded.items.iter().map(|item| (item.1, item.2)).collect();
            let arrivals = recorded.items.iter().map(|item| run.requests[item.0].arrival_ns);
            let work = arrivals.fold(self.busy_until, |latest, at| latest.max(at as f64));
            let decodes = recorded.items.iter().all(|&(request, tokens, context)| {
                tokens == 1 && context >= run.requests[request].prefill_tokens
            });
            let (parts, delay, _) = self.step(&sequences, decodes, work, Some(recorded))?;
            let end = work + delay + parts.before + parts.gpu;
            for &(request, tokens, context) in &recorded.items {
                let so_far = &mut times[request];
                let known = run.requests[request].prefill_tokens + so_far.len() as u32;
                if context + tokens >= known {
                    so_far.push(end.round() as u64);
                }
            }
            self.busy_until = end + parts.after;
        }
        Ok(with_times(run, &times))
    }
}

/// `run` with other token times.
fn with_times(run: &Run, times: &[Vec<u64>]) -> Run {
    let record = |(request, times): (&RequestRecord, &Vec<u64>)| RequestRecord {
        first_token_ns: times.first().copied(),
        completion_ns: times.last().copied(),
        decode_tokens_actual: times.len() as u32,
        ..request.clone()
    };
    Run {
        requests: run.requests.iter().zip(times).map(record).collect(),
        tokens: Some(TokenTimes::from_requests(times)),
        ..Run::default()
    }
}

impl Executor for Hybrid<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        state: &State,
        start_ns: u64,
        _clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let sequences: Vec<(u32, u32)> =
            plan.items.iter().map(|item| (item.tokens, item.context)).collect();
        let decodes = plan.items.iter().all(|item| state.sequences[item.request].decoding());
        let (parts, delay, bucket) = self
            .step(&sequences, decodes, start_ns as f64, None)
            .map_err(|error| ExecuteError::Prediction(error.to_string()))?;
        let ns = |time: f64| time.round().max(0.0) as u64;
        let spans = StepSpans {
            schedule_ns: ns(parts.before + delay),
            wait_ns: ns(parts.gpu),
            post_ns: ns(parts.after),
            ..StepSpans::default()
        };
        let end_ns = start_ns + spans.schedule_ns + spans.wait_ns;
        self.busy_until = (end_ns + spans.post_ns) as f64;
        Ok(StepOutcome { end_ns, spans, bucket, ..StepOutcome::default() })
    }
}
