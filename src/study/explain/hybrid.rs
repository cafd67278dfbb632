//! Runs that are part prediction and part recorded truth.

use super::truth::{TrueStep, Truth};
use super::{Known, Part};
use crate::engine::{Clock, ExecuteError, Executor, State, StepOutcome, StepPlan, StepSpans};
use crate::predict::{Draws, GpuPredictor, Idle, PredictError, StepParts};
use crate::run::{RequestRecord, Run, TokenTimes};

/// What every step of a hybrid run is made of.
pub(super) struct Hybrid<'a> {
    pub truth: &'a Truth,
    pub predictor: &'a GpuPredictor,
    pub known: Known,
    pub draws: Draws,
    /// When the last step was done with.
    busy_until: f64,
    idle: Idle,
    /// Steps so far.
    number: usize,
}

impl<'a> Hybrid<'a> {
    pub fn new(truth: &'a Truth, predictor: &'a GpuPredictor, known: Known, seed: u64) -> Self {
        let (draws, idle) = (Draws::new(seed), Idle::default());
        Self { truth, predictor, known, draws, busy_until: 0.0, idle, number: 0 }
    }

    /// The parts of the next step, which begins at `start`, and how long it is held up before. `recorded` is
    /// the very step, where plans are known.
    fn step(
        &mut self,
        sequences: &[(u32, u32)],
        start: f64,
        recorded: Option<&TrueStep>,
    ) -> Result<(StepParts, f64, String), PredictError> {
        // The same step had the same idle time before it.
        let waited = recorded.map_or(start - self.busy_until, |step| step.idle + step.delay);
        self.idle.step(waited.max(0.0) as u64);
        let (mut parts, bucket) =
            self.predictor.draw_parts(sequences, self.idle, &mut self.draws)?;
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
            None => self.predictor.parts(sequences, self.idle)?,
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

    /// The run with the recorded plans. Each request arrives in the step in which it did, at the same share of
    /// it: with longer steps the same plans would otherwise fall behind the arrivals without end, where an engine
    /// takes more requests into each step.
    pub fn replay(mut self, run: &Run) -> Result<Run, PredictError> {
        let mut times: Vec<Vec<u64>> = vec![Vec::new(); run.requests.len()];
        let mut spans = Vec::new();
        for recorded in &self.truth.steps {
            let sequences: Vec<(u32, u32)> =
                recorded.items.iter().map(|item| (item.1, item.2)).collect();
            let work = self.busy_until + recorded.idle;
            let (parts, delay, _) = self.step(&sequences, work, Some(recorded))?;
            let end = work + delay + parts.before + parts.gpu;
            for &(request, tokens, context) in &recorded.items {
                let so_far = &mut times[request];
                let known = run.requests[request].prefill_tokens + so_far.len() as u32;
                if context + tokens >= known {
                    so_far.push(end.round() as u64);
                }
            }
            self.busy_until = end + parts.after;
            spans.push((work + delay, self.busy_until));
        }
        let arrivals =
            run.requests.iter().map(|r| moved(&self.truth.steps, &spans, r.arrival_ns as f64));
        Ok(with_times(run, &arrivals.collect::<Vec<f64>>(), &times))
    }
}

/// When what was at the recorded time `at` is in a replay whose steps last from when to when `spans` say.
fn moved(steps: &[TrueStep], spans: &[(f64, f64)], at: f64) -> f64 {
    let next = steps.partition_point(|step| step.began <= at);
    let Some(last) = next.checked_sub(1) else {
        // Before the first step: as long before it as it was.
        return at + spans.first().map_or(0.0, |span| span.0 - steps[0].began);
    };
    let (step, (began, done)) = (&steps[last], spans[last]);
    if at > step.done {
        // Not behind the start of the next step, which may have been held up.
        let latest = spans.get(next).map_or(f64::INFINITY, |span| span.0);
        return (at - step.done + done).min(latest);
    }
    let share = (at - step.began) / (step.done - step.began).max(1.0);
    began + share * (done - began)
}

/// `run` with other arrivals and token times.
fn with_times(run: &Run, arrivals: &[f64], times: &[Vec<u64>]) -> Run {
    let record = |((request, arrival), times): ((&RequestRecord, &f64), &Vec<u64>)| RequestRecord {
        arrival_ns: arrival.round().max(0.0) as u64,
        first_token_ns: times.first().copied(),
        completion_ns: times.last().copied(),
        decode_tokens_actual: times.len() as u32,
        ..request.clone()
    };
    Run {
        requests: run.requests.iter().zip(arrivals).zip(times).map(record).collect(),
        tokens: Some(TokenTimes::from_requests(times)),
        ..Run::default()
    }
}

impl Executor for Hybrid<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        _state: &State,
        start_ns: u64,
        _clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let sequences: Vec<(u32, u32)> = plan.sequences().collect();
        let (parts, delay, bucket) = self
            .step(&sequences, start_ns as f64, None)
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
        let bucket = Some(bucket.into());
        Ok(StepOutcome { end_ns, spans, bucket, ..StepOutcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_stays_in_its_step_at_the_same_share_of_it() {
        let step = |began: f64, done: f64| TrueStep {
            items: Vec::new(),
            times: StepParts::default(),
            idle: 0.0,
            delay: 0.0,
            began,
            done,
            predicted: StepParts::default(),
        };
        let steps = [step(100.0, 200.0), step(500.0, 600.0)];
        // Steps twice as long, with the same idle time between them.
        let spans = [(100.0, 300.0), (600.0, 800.0)];
        let moved = |at| moved(&steps, &spans, at);
        assert_eq!(
            [moved(40.0), moved(100.0), moved(150.0), moved(200.0)],
            [40.0, 100.0, 200.0, 300.0]
        );
        assert_eq!([moved(350.0), moved(499.0)], [450.0, 599.0]);
        assert_eq!([moved(525.0), moved(900.0)], [650.0, 1_100.0]);
        // A wait for a step that was held up is no longer than the replay's.
        assert_eq!(super::moved(&steps, &[(100.0, 300.0), (310.0, 510.0)], 499.0), 310.0);
    }
}
