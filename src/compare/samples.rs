//! The samples of each metric, by definition: one value a request for TTFT, TPOT and E2E, one a gap
//! for TBT.

use super::figure::{Metric, Percentile};
use super::join::Joined;
use crate::run::{Boundary, Run, Status};
use crate::stats::percentiles;

/// One run's samples in ns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    by_metric: [Vec<f64>; 4],
    /// Requests without any token: no TTFT.
    pub without_token: usize,
    /// Requests of one token: no TPOT.
    pub of_one_token: usize,
    /// Independent samples behind TBT: steps, or distinct token times, or requests.
    pub distinct_gaps: usize,
    percentiles: [[f64; 3]; 4],
}

impl Samples {
    /// The samples of `metric`, in no order.
    pub fn of(&self, metric: Metric) -> &[f64] {
        &self.by_metric[metric as usize]
    }

    /// Of each request the time from its first token to its last: E2E less TTFT.
    pub fn totals(&self) -> impl Iterator<Item = f64> {
        let [ttft, _, _, e2e] = &self.by_metric;
        ttft.iter().zip(e2e).map(|(ttft, e2e)| e2e - ttft)
    }

    /// How many independent samples stand behind `metric`: all tokens of one step share its time,
    /// so gaps count by step.
    pub fn independent(&self, metric: Metric) -> usize {
        match metric {
            Metric::Tbt => self.distinct_gaps,
            _ => self.of(metric).len(),
        }
    }

    /// p50, p90 and p99 of `metric`; NaN without samples.
    pub fn percentiles(&self, metric: Metric) -> [f64; 3] {
        self.percentiles[metric as usize]
    }

    fn reduce(&mut self, kept_gaps: Option<[f64; 3]>) {
        let ps = Percentile::ALL.map(Percentile::fraction);
        self.percentiles = std::array::from_fn(|i| percentiles(&mut self.by_metric[i].clone(), ps));
        if let Some(kept) = kept_gaps {
            self.percentiles[Metric::Tbt as usize] = kept;
        }
    }
}

/// `ln` of p50, p90 and p99 of each run.
pub(super) fn log_percentiles(runs: &[Samples], metric: Metric) -> Vec<[f64; 3]> {
    runs.iter().map(|samples| samples.percentiles(metric).map(f64::ln)).collect()
}

/// The samples of all `ok` requests of a run by itself.
pub fn samples_of(run: &Run) -> Samples {
    let ok = |(index, request): (usize, &crate::run::RequestRecord)| {
        (request.status == Status::Ok).then_some(Joined { index, cut: None })
    };
    let all: Vec<Joined> = run.requests.iter().enumerate().filter_map(ok).collect();
    let boundary = run.meta.as_ref().map_or(Boundary::Engine, |meta| meta.boundary);
    samples(run, &all, false, boundary, true)
}

/// Takes the samples of the joined requests; `cut` applies the joined cuts (the sim side).
pub(super) fn samples(
    run: &Run,
    joined: &[Joined],
    cut: bool,
    boundary: Boundary,
    gaps: bool,
) -> Samples {
    let mut samples = Samples::default();
    let [ttft, _, tpot, e2e] = &mut samples.by_metric;
    for &Joined { index, cut: to } in joined {
        let request = &run.requests[index];
        let (Some(first), Some(mut end)) = (request.first_token_ns, request.completion_ns) else {
            samples.without_token += 1;
            continue;
        };
        let mut count = request.decode_tokens_actual;
        if cut && to == Some(0) {
            samples.without_token += 1;
            continue;
        }
        if let Some(to) = to.filter(|&to| cut && to < count)
            && let Some(last) = run.tokens.as_ref().and_then(|t| t.iter(index).nth(to as usize - 1))
        {
            (count, end) = (to, last);
        }
        ttft.push((first - request.arrival_ns) as f64);
        e2e.push((end - request.arrival_ns) as f64);
        match count {
            0 => samples.without_token += 1,
            1 => samples.of_one_token += 1,
            n => tpot.push((end - first) as f64 / f64::from(n - 1)),
        }
    }
    if gaps {
        take_gaps(run, joined, cut, boundary, &mut samples);
    }
    samples.reduce(run.gaps.as_ref().map(|kept| kept.percentiles_ns));
    samples
}

fn take_gaps(run: &Run, joined: &[Joined], cut: bool, boundary: Boundary, samples: &mut Samples) {
    if let Some(gaps) = &run.gaps {
        samples.distinct_gaps = gaps.independent as usize;
    }
    let Some(tokens) = &run.tokens else { return };
    let mut ends = Vec::new();
    let mut requests = 0;
    for &Joined { index, cut: to } in joined {
        let times = tokens.of(index);
        let times = match to.filter(|_| cut) {
            Some(to) => &times[..times.len().min(to as usize)],
            None => &times[..],
        };
        let list = &mut samples.by_metric[Metric::Tbt as usize];
        list.extend(times.windows(2).map(|pair| (pair[1] - pair[0]) as f64));
        ends.extend_from_slice(times.get(1..).unwrap_or_default());
        requests += usize::from(times.len() > 1);
    }
    samples.distinct_gaps = if !run.steps.is_empty() {
        let decoding = run.steps.iter().filter(|s| s.decode_sequences > 0).count();
        decoding.min(samples.by_metric[Metric::Tbt as usize].len())
    } else if boundary == Boundary::Engine {
        ends.sort_unstable();
        ends.dedup();
        ends.len()
    } else {
        requests
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RequestRecord, TokenTimes};

    fn run() -> Run {
        let request = |request_id, first, end, tokens| RequestRecord {
            request_id,
            arrival_ns: 100,
            first_token_ns: Some(first),
            completion_ns: Some(end),
            decode_tokens: 3,
            decode_tokens_actual: tokens,
            ..RequestRecord::default()
        };
        Run {
            requests: vec![request(0, 110, 150, 3), request(1, 120, 120, 1)],
            tokens: Some(TokenTimes::from_requests([vec![110, 120, 150], vec![120]])),
            ..Run::default()
        }
    }

    fn joined(cut: Option<u32>) -> Vec<Joined> {
        vec![Joined { index: 0, cut }, Joined { index: 1, cut: None }]
    }

    #[test]
    fn three_tokens_have_two_gaps_and_a_tpot_of_half_their_span() {
        let samples = samples(&run(), &joined(None), false, Boundary::Engine, true);
        assert_eq!(samples.of(Metric::Ttft), [10.0, 20.0]);
        assert_eq!(samples.of(Metric::Tbt), [10.0, 30.0]);
        assert_eq!(samples.of(Metric::Tpot), [20.0]);
        assert_eq!(samples.of(Metric::E2e), [50.0, 20.0]);
        assert_eq!(samples.of_one_token, 1);
    }

    #[test]
    fn a_cut_request_ends_with_its_last_counted_token() {
        let samples = samples(&run(), &joined(Some(2)), true, Boundary::Engine, true);
        assert_eq!(samples.of(Metric::Tbt), [10.0]);
        assert_eq!(samples.of(Metric::Tpot), [10.0]);
        assert_eq!(samples.of(Metric::E2e), [20.0, 20.0]);
    }

    #[test]
    fn tokens_of_one_step_are_one_sample() {
        let mut run = run();
        run.requests[1] =
            RequestRecord { request_id: 1, decode_tokens_actual: 3, ..run.requests[0].clone() };
        run.tokens = Some(TokenTimes::from_requests([vec![110, 120, 150], vec![110, 120, 150]]));
        let at =
            |boundary| samples(&run, &joined(None), false, boundary, true).independent(Metric::Tbt);
        assert_eq!(at(Boundary::Engine), 2);
        assert_eq!(at(Boundary::Client), 2);
        assert_eq!(
            samples(&run, &joined(None), false, Boundary::Engine, true).of(Metric::Tbt).len(),
            4
        );
    }
}
