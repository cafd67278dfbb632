//! What a configuration takes at one rate: latencies, throughput, and requests that were not served.

use std::collections::BTreeMap;

use crate::compare::{Figure, Metric, samples_of};
use crate::run::{Run, Status};

/// Latencies and throughput at one rate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Each figure that has samples, ns.
    pub ns: BTreeMap<Figure, f64>,
    /// Output tokens of served requests per second, from the first arrival to the last completion.
    pub output_tokens_per_s: f64,
    /// Of the time from the first arrival to the last completion, the share in which requests arrive; what is left is
    /// spent on those that queue.
    pub arriving: f64,
    /// Requests that did not end `ok`.
    pub not_ok: u64,
}

impl Figures {
    /// The figures of one run; latencies are those of its `ok` requests.
    pub fn of(run: &Run) -> Self {
        let samples = samples_of(run);
        let mut ns = BTreeMap::new();
        for metric in Metric::ALL {
            let values = Figure::of(metric).into_iter().zip(samples.percentiles(metric));
            // A metric without samples has no percentile.
            ns.extend(values.filter(|(_, value)| value.is_finite()));
        }
        let ok = || run.requests.iter().filter(|request| request.status == Status::Ok);
        let tokens: u64 = ok().map(|request| u64::from(request.decode_tokens_actual)).sum();
        let arrivals = || run.requests.iter().map(|request| request.arrival_ns);
        let first = arrivals().min().unwrap_or_default();
        let last = ok().filter_map(|request| request.completion_ns).max().unwrap_or_default();
        let span = last.saturating_sub(first);
        let share = |part: f64| if span == 0 { 0.0 } else { part / span as f64 };
        let arriving = arrivals().max().unwrap_or_default() - first;
        Self {
            ns,
            output_tokens_per_s: share(tokens as f64 * 1e9),
            arriving: share(arriving as f64),
            not_ok: (run.requests.len() - ok().count()) as u64,
        }
    }

    /// The mean over runs; a figure that any of them lacks has none, and requests not served add up.
    pub fn mean(all: &[Self]) -> Self {
        let Some((first, rest)) = all.split_first() else { return Self::default() };
        let n = all.len() as f64;
        let mean = |figure: &Figure| -> Option<f64> {
            all.iter().map(|figures| figures.ns.get(figure)).sum::<Option<f64>>().map(|sum| sum / n)
        };
        Self {
            ns: first.ns.keys().filter_map(|figure| Some((*figure, mean(figure)?))).collect(),
            output_tokens_per_s: all.iter().map(|f| f.output_tokens_per_s).sum::<f64>() / n,
            arriving: all.iter().map(|figures| figures.arriving).sum::<f64>() / n,
            not_ok: first.not_ok + rest.iter().map(|figures| figures.not_ok).sum::<u64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Percentile;
    use crate::run::{RequestRecord, TokenTimes};

    fn run() -> Run {
        let ok = RequestRecord {
            arrival_ns: 1_000_000_000,
            first_token_ns: Some(1_500_000_000),
            completion_ns: Some(3_000_000_000),
            decode_tokens: 4,
            decode_tokens_actual: 4,
            ..RequestRecord::default()
        };
        let refused =
            RequestRecord { request_id: 1, status: Status::Refused, ..RequestRecord::default() };
        let times = vec![1_500_000_000, 2_000_000_000, 2_500_000_000, 3_000_000_000];
        Run {
            requests: vec![ok, refused],
            tokens: Some(TokenTimes::from_requests([times, vec![]])),
            ..Run::default()
        }
    }

    fn p50(metric: Metric) -> Figure {
        Figure { metric, percentile: Percentile::P50 }
    }

    #[test]
    fn latencies_are_of_served_requests_and_the_rest_is_counted() {
        let figures = Figures::of(&run());
        assert_eq!(figures.ns[&p50(Metric::Ttft)], 5e8);
        assert_eq!(figures.ns[&p50(Metric::Tbt)], 5e8);
        assert_eq!(figures.not_ok, 1);
        // The refused one arrived at 0: 4 tokens in 3 s.
        assert!((figures.output_tokens_per_s - 4.0 / 3.0).abs() < 1e-12);
        assert!((figures.arriving - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_metric_without_samples_has_no_figure() {
        let mut run = run();
        run.tokens = None;
        assert_eq!(Figures::of(&run).ns.get(&p50(Metric::Tbt)), None);
        assert_eq!(Figures::of(&Run::default()), Figures::default());
    }

    #[test]
    fn the_mean_is_over_runs_and_unserved_requests_add_up() {
        let one = Figures::of(&run());
        let mut other = one.clone();
        other.ns.insert(p50(Metric::Ttft), 7e8);
        other.ns.remove(&p50(Metric::Tbt));
        let mean = Figures::mean(&[one, other]);
        assert_eq!(mean.ns[&p50(Metric::Ttft)], 6e8);
        assert_eq!(mean.ns.get(&p50(Metric::Tbt)), None);
        assert_eq!(mean.not_ok, 2);
    }
}
