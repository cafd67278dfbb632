//! Kernels that are launched one by one: the host issues them one after another, the GPU runs behind, and
//! neither waits for the other unless it must. A max-plus recurrence over the issued kernels:
//!
//! ```text
//! c_i = max(c_(i-1), g_(i-Q)) + a_i          the host has issued i
//! g_i = max(g_(i-1) + delta, c_i + lambda) + d_i   the GPU has finished i
//! ```

/// One issued op, ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Issue {
    /// The host's time to issue it: a.
    pub issue: f64,
    /// The GPU's time to run it: d.
    pub run: f64,
}

/// What launching costs, ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// Between two kernels on the GPU: delta.
    pub gap: f64,
    /// From the host's issue to the GPU's start: lambda.
    pub latency: f64,
    /// Issues that wait in the queue at most: Q.
    pub depth: usize,
    /// Until the host knows that the last one has finished.
    pub wait: f64,
}

/// When the host has issued everything, and when it knows that all of it has run, ns from the start.
pub fn timeline(issues: impl Iterator<Item = Issue>, costs: Costs) -> (f64, f64) {
    let (mut host, mut gpu) = (0.0_f64, 0.0_f64);
    let mut finished = std::collections::VecDeque::new();
    for issue in issues {
        if finished.len() >= costs.depth.max(1) {
            host = host.max(finished.pop_front().unwrap_or_default());
        }
        host += issue.issue;
        gpu = (gpu + costs.gap).max(host + costs.latency) + issue.run;
        finished.push_back(gpu);
    }
    (host, host.max(gpu) + costs.wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FREE: Costs = Costs { gap: 0.0, latency: 0.0, depth: 1_000, wait: 0.0 };

    fn issues(a: f64, d: f64, n: usize) -> impl Iterator<Item = Issue> {
        std::iter::repeat_n(Issue { issue: a, run: d }, n)
    }

    #[test]
    fn the_slower_of_host_and_gpu_sets_the_pace() {
        assert_eq!(timeline(issues(5.0, 1.0, 10), FREE), (50.0, 51.0));
        assert_eq!(timeline(issues(1.0, 5.0, 10), FREE), (10.0, 51.0));
    }

    #[test]
    fn a_full_queue_holds_up_the_host() {
        let costs = Costs { depth: 2, ..FREE };
        // The third is issued when the first has run.
        assert_eq!(timeline(issues(1.0, 10.0, 3), costs), (12.0, 31.0));
    }

    proptest! {
        #[test]
        fn a_step_takes_at_least_its_host_time_and_its_gpu_time_and_at_most_both(
            times in prop::collection::vec((0.0_f64..10.0, 0.0_f64..10.0), 1..60),
            gap in 0.0_f64..2.0, latency in 0.0_f64..5.0, depth in 1_usize..70
        ) {
            let costs = Costs { gap, latency, depth, wait: 0.0 };
            let all = || times.iter().map(|&(issue, run)| Issue { issue, run });
            let (host, end) = timeline(all(), costs);
            let (issue, run): (f64, f64) = times.iter().fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
            prop_assert!(end >= issue + latency && end >= run && host >= issue - 1e-9);
            let most = issue + run + times.len() as f64 * (gap + latency);
            prop_assert!(end <= most + 1e-9);
            // A deeper queue is never slower.
            let deeper = timeline(all(), Costs { depth: depth + 1, ..costs });
            prop_assert!(deeper.1 <= end + 1e-9);
        }
    }
}
