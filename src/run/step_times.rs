//! Where the time of steps goes, in the median.

use super::{Run, StepRecord};
use crate::stats::percentiles;

/// Medians over steps, ns. Each is of its own, so they need not add up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTimes {
    /// Steps.
    pub steps: usize,
    /// From its scheduling to its tokens.
    pub whole: f64,
    /// Choosing the work, describing it, and handing out tokens: the host alone.
    pub host: f64,
    /// Issuing it to the device.
    pub launch: f64,
    /// Waiting for the device.
    pub wait: f64,
    /// Device time, where the steps were traced.
    pub gpu: Option<f64>,
}

impl StepTimes {
    /// Those of all steps of `runs`; `None` where there are none.
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<Self> {
        let steps: Vec<&StepRecord> = runs.into_iter().flat_map(|run| &run.steps).collect();
        if steps.is_empty() {
            return None;
        }
        let median = |of: &dyn Fn(&StepRecord) -> u64| {
            let mut values: Vec<f64> = steps.iter().map(|step| of(step) as f64).collect();
            percentiles(&mut values, [0.5])[0]
        };
        let traced = steps.iter().all(|step| step.gpu_ns.is_some());
        Some(Self {
            steps: steps.len(),
            whole: median(&|s| s.end_ns - s.start_ns),
            host: median(&|s| s.schedule_ns + s.prepare_ns + s.post_ns),
            launch: median(&|s| s.launch_ns),
            wait: median(&|s| s.wait_ns),
            gpu: traced.then(|| median(&|s| s.gpu_ns.unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_each_span_and_device_time_only_of_traced_steps() {
        let step = |i: u64| StepRecord {
            start_ns: 100 * i,
            end_ns: 100 * i + 50 + i,
            schedule_ns: 1,
            prepare_ns: i,
            launch_ns: 2 * i,
            wait_ns: 40,
            post_ns: 1,
            gpu_ns: Some(30),
            ..StepRecord::default()
        };
        let mut run = Run { steps: (0..5).map(step).collect(), ..Run::default() };
        let times = StepTimes::of([&run]).unwrap();
        assert_eq!((times.whole, times.host, times.launch, times.wait), (52.0, 4.0, 4.0, 40.0));
        assert_eq!(times.gpu, Some(30.0));
        run.steps[3].gpu_ns = None;
        assert_eq!(StepTimes::of([&run]).unwrap().gpu, None);
        assert_eq!(StepTimes::of([&Run::default()]), None);
    }
}
