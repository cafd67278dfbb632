//! What a repeat with timed steps says of every step, beside what is predicted for it.

use std::collections::BTreeMap;

use crate::backend::BackendError;
use crate::predict::{GpuPredictor, Idle, PredictError, StepParts};
use crate::run::{PlanRecord, Run};

/// A recorded step.
#[derive(Debug, Clone)]
pub(super) struct TrueStep {
    /// Requests by their place in the run, with tokens computed now and tokens in the cache before.
    pub items: Vec<(usize, u32, u32)>,
    /// What it took, ns.
    pub times: StepParts,
    /// From the end of the last step until there was work for it, and from then until it began, ns.
    pub idle: f64,
    pub delay: f64,
    /// When it began, and when the engine was done with it, ns.
    pub began: f64,
    pub done: f64,
    /// What is predicted for it, ns.
    pub predicted: StepParts,
}

/// All of a recorded run.
#[derive(Clone)]
pub(super) struct Truth {
    pub steps: Vec<TrueStep>,
    /// The steps of each bucket, by their numbers.
    by_bucket: BTreeMap<String, Vec<usize>>,
}

impl Truth {
    /// Sets `run`, whose steps were timed on the GPU, beside what `predictor` says. `intact` tells how much of
    /// the time between the first and the last kernel the GPU works.
    pub fn new(
        run: &Run,
        predictor: &GpuPredictor,
        intact: &GpuPredictor,
    ) -> Result<Self, BackendError> {
        let fault = |problem: String| BackendError::Failed(problem);
        let places: BTreeMap<u64, usize> =
            run.requests.iter().enumerate().map(|(i, r)| (r.request_id, i)).collect();
        let unlike = || fault("the traced repeat's plans do not fit its steps".to_owned());
        let plans = run.plans_by_step().ok_or_else(unlike)?;
        let mut truth = Self { steps: Vec::new(), by_bucket: BTreeMap::new() };
        let (mut ready, mut idle) = (0, Idle::default());
        for (number, (record, plans)) in run.steps.iter().zip(plans).enumerate() {
            let item = |plan: &&PlanRecord| {
                Some((*places.get(&plan.request_id)?, plan.tokens, plan.context))
            };
            let items = plans.iter().map(item).collect::<Option<Vec<_>>>().ok_or_else(unlike)?;
            let gpu = record.gpu_ns.ok_or_else(|| {
                fault(format!("step {number} of the traced repeat has no gpu_ns: record it anew"))
            })?;
            let arrivals = items.iter().map(|item| run.requests[item.0].arrival_ns);
            let had_work = arrivals.fold(ready, u64::max);
            idle.step(record.start_ns.saturating_sub(ready));
            let sequences: Vec<(u32, u32)> = items.iter().map(|item| (item.1, item.2)).collect();
            let failed = |error: PredictError| fault(error.to_string());
            let predicted = predictor.parts(&sequences, idle).map_err(failed)?;
            let gpu = gpu as f64 * intact.busy_share(&sequences).map_err(failed)?;
            let bucket = record.bucket.as_deref().unwrap_or_default();
            truth.by_bucket.entry(bucket.to_owned()).or_default().push(number);
            truth.steps.push(TrueStep {
                items,
                times: StepParts {
                    gpu,
                    before: (record.end_ns.saturating_sub(record.start_ns) as f64 - gpu).max(0.0),
                    after: record.post_ns as f64,
                },
                idle: (had_work - ready) as f64,
                delay: record.start_ns.saturating_sub(had_work) as f64,
                began: record.start_ns as f64,
                done: record.end_ns.saturating_add(record.post_ns) as f64,
                predicted,
            });
            ready = record.end_ns.saturating_add(record.post_ns);
        }
        Ok(truth)
    }

    /// The same without what timing a step costs the host, ns.
    pub fn less_tracing(&self, tracing_ns: f64) -> Self {
        let mut truth = self.clone();
        for step in &mut truth.steps {
            step.times.before = (step.times.before - tracing_ns).max(0.0);
        }
        truth
    }

    /// The step of `bucket` whose number is nearest to `number`, or that of this number where there is none.
    pub fn nearest(&self, bucket: &str, number: usize) -> Option<&TrueStep> {
        let last = self.steps.len().checked_sub(1)?;
        let Some(alike) = self.by_bucket.get(bucket) else {
            return self.steps.get(number.min(last));
        };
        let above = alike.partition_point(|&n| n < number).min(alike.len() - 1);
        let below = above.saturating_sub(1);
        let nearer = |&place: &usize| alike[place].abs_diff(number);
        let place = [above, below].into_iter().min_by_key(nearer)?;
        self.steps.get(alike[place])
    }
}
