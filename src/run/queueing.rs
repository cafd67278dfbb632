//! How long requests wait before any work is done for them.

use super::{Run, Status};

impl Run {
    /// When the first step of each request began, ns; none for one that was in no step. `None` where plans name
    /// steps or requests that there are not.
    pub fn first_steps_ns(&self) -> Option<Vec<Option<u64>>> {
        let mut first: Vec<Option<u64>> = vec![None; self.requests.len()];
        for plan in &self.plans {
            let step = self.steps.get(usize::try_from(plan.step).ok()?)?;
            let place = self.requests.binary_search_by_key(&plan.request_id, |r| r.request_id);
            let first = &mut first[place.ok()?];
            *first = Some(first.map_or(step.start_ns, |start| start.min(step.start_ns)));
        }
        Some(first)
    }

    /// The mean time from arrival to the start of the first step that serves it, over requests that are `ok`, ns;
    /// `None` where the run's steps and plans do not tell.
    pub fn mean_queueing_ns(&self) -> Option<f64> {
        let served = self
            .requests
            .iter()
            .zip(self.first_steps_ns()?)
            .filter(|(r, _)| r.status == Status::Ok);
        let delay = |(request, first): (&super::RequestRecord, Option<u64>)| {
            Some(first?.saturating_sub(request.arrival_ns) as f64)
        };
        let delays: Vec<f64> = served.map(delay).collect::<Option<_>>()?;
        (!delays.is_empty()).then(|| delays.iter().sum::<f64>() / delays.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{PlanRecord, RequestRecord, StepRecord};

    #[test]
    fn it_counts_from_arrival_to_the_first_step_of_each_request() {
        let request =
            |request_id, arrival_ns| RequestRecord { request_id, arrival_ns, ..Default::default() };
        let step = |step, start_ns| StepRecord { step, start_ns, ..StepRecord::default() };
        let plan = |step, request_id| PlanRecord { step, request_id, tokens: 1, context: 0 };
        let mut run = Run {
            requests: vec![request(4, 10), request(9, 20)],
            steps: vec![step(0, 15), step(1, 50)],
            plans: vec![plan(0, 4), plan(1, 4), plan(1, 9)],
            ..Run::default()
        };
        assert_eq!(run.mean_queueing_ns(), Some((5.0 + 30.0) / 2.0));
        run.plans.pop();
        assert_eq!(run.mean_queueing_ns(), None);
        run.requests[1].status = Status::Refused;
        assert_eq!(run.mean_queueing_ns(), Some(5.0));
    }
}
