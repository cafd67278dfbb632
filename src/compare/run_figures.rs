//! The figures of a run by itself: latencies, throughput, and requests that were not served.

use std::collections::BTreeMap;

use super::{Figure, Metric, Percentile};
use crate::run::{RequestRecord, Run, Status};
use crate::stats::{percentiles, percentiles_in_passes};

/// Latencies and throughput of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFigures {
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

impl RunFigures {
    /// The figures of one run; latencies are those of its `ok` requests.
    pub fn of(run: &Run) -> Self {
        Self::among(run, |_| true)
    }

    /// As [`of`](Self::of), of the requests that `counts` picks.
    pub fn among(run: &Run, counts: impl Fn(&RequestRecord) -> bool) -> Self {
        let picked: Vec<(usize, &RequestRecord)> =
            run.requests.iter().enumerate().filter(|(_, request)| counts(request)).collect();
        let requests = || picked.iter().map(|picked| picked.1);
        let mut ns = BTreeMap::new();
        for metric in Metric::ALL {
            let values = Figure::of(metric).into_iter().zip(latencies(run, &picked, metric));
            // A metric without samples has no percentile.
            ns.extend(values.filter(|(_, value)| value.is_finite()));
        }
        let ok = || requests().filter(|request| request.status == Status::Ok);
        let tokens: u64 = ok().map(|request| u64::from(request.decode_tokens_actual)).sum();
        let arrivals = || requests().map(|request| request.arrival_ns);
        let first = arrivals().min().unwrap_or_default();
        let last = ok().filter_map(|request| request.completion_ns).max().unwrap_or_default();
        let span = last.saturating_sub(first);
        let share = |part: f64| if span == 0 { 0.0 } else { part / span as f64 };
        let arriving = arrivals().max().unwrap_or_default() - first;
        Self {
            ns,
            output_tokens_per_s: share(tokens as f64 * 1e9),
            arriving: share(arriving as f64),
            not_ok: (picked.len() - ok().count()) as u64,
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

/// p50, p90 and p99 of `metric` over the `ok` ones of `picked`, ns; NaN without samples.
fn latencies(run: &Run, picked: &[(usize, &RequestRecord)], metric: Metric) -> [f64; 3] {
    let ps = Percentile::ALL.map(Percentile::fraction);
    let ok = || picked.iter().filter(|(_, request)| request.status == Status::Ok);
    let ends = |request: &RequestRecord| Some((request.first_token_ns?, request.completion_ns?));
    let of_request = |request: &RequestRecord| {
        let (first, end) = ends(request)?;
        let gaps = request.decode_tokens_actual.saturating_sub(1);
        match metric {
            Metric::Ttft => Some((first - request.arrival_ns) as f64),
            Metric::E2e => Some((end - request.arrival_ns) as f64),
            Metric::Tpot if gaps > 0 => Some((end - first) as f64 / f64::from(gaps)),
            Metric::Tpot | Metric::Tbt => None,
        }
    };
    match (metric, &run.tokens, &run.gaps) {
        (Metric::Tbt, _, Some(kept)) => kept.percentiles_ns,
        (Metric::Tbt, Some(tokens), None) => {
            let gaps = |&(index, _): &(usize, &RequestRecord)| {
                let times = tokens.iter(index);
                times.clone().zip(times.skip(1)).map(|(before, after)| after - before)
            };
            percentiles_in_passes(|| ok().flat_map(gaps), ps)
        }
        _ => {
            let mut all: Vec<f64> = ok().filter_map(|(_, request)| of_request(request)).collect();
            percentiles(&mut all, ps)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::TokenTimes;

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
        let figures = RunFigures::of(&run());
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
        assert_eq!(RunFigures::of(&run).ns.get(&p50(Metric::Tbt)), None);
        assert_eq!(RunFigures::of(&Run::default()), RunFigures::default());
    }

    #[test]
    fn the_mean_is_over_runs_and_unserved_requests_add_up() {
        let one = RunFigures::of(&run());
        let mut other = one.clone();
        other.ns.insert(p50(Metric::Ttft), 7e8);
        other.ns.remove(&p50(Metric::Tbt));
        let mean = RunFigures::mean(&[one, other]);
        assert_eq!(mean.ns[&p50(Metric::Ttft)], 6e8);
        assert_eq!(mean.ns.get(&p50(Metric::Tbt)), None);
        assert_eq!(mean.not_ok, 2);
    }
}
