//! Distances between whole distributions, and between requests one by one: what percentiles cannot see, such as
//! two requests with each other's results. Printed beside the percentiles; a case may hold any of them to a
//! tolerance.
//!
//! `D_k` is the distance of real repeat k to all seeds of the sim side together. What is judged is its mean over
//! processes; how far each repeat lies from the other processes' repeats is the reference band.

use std::collections::BTreeMap;
use std::fmt;

use super::comparison::Comparison;
use super::error::CompareError;
use super::estimate::WRONG_RED;
use super::figure::Metric;
use super::side::Side;
use super::verdict::{MIN_PROCESSES, Verdict};
use crate::stats::{Mean, percentiles, student_t};

mod pool;

use pool::{Pool, Scale, between};

/// What is measured between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Wasserstein-1, as a share of the real mean.
    Wasserstein,
    /// Kolmogorov-Smirnov: the largest difference of shares.
    Kolmogorov,
    /// The worst quantile from 1 to 99 %, relative.
    Quantiles,
    /// The worst request, relative: each with itself.
    Requests,
    /// Wasserstein-1 of the requests' whole time for their tokens, as a share of its real mean.
    Totals,
    /// Gaps longer than three real medians: the difference of their shares.
    Stalls,
    /// Mean time from arrival to a request's first step, the difference as a share of the real mean TTFT.
    Queueing,
}

impl Kind {
    /// All of them, by name.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Wasserstein, "wasserstein"),
        (Self::Kolmogorov, "kolmogorov"),
        (Self::Quantiles, "quantiles"),
        (Self::Requests, "requests"),
        (Self::Totals, "totals"),
        (Self::Stalls, "stalls"),
        (Self::Queueing, "queueing"),
    ];
}

/// A kind of distance of a metric, written `ttft.wasserstein`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Distance {
    /// Of what.
    pub metric: Metric,
    /// Which.
    pub kind: Kind,
}

impl Distance {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |metric| Kind::ALL.into_iter().map(move |(kind, _)| Self { metric, kind });
        Metric::ALL.into_iter().flat_map(of).filter(|distance| distance.exists())
    }

    /// Whether the metric has such a distance.
    pub fn exists(self) -> bool {
        match self.kind {
            Kind::Wasserstein | Kind::Kolmogorov | Kind::Quantiles => true,
            Kind::Requests => self.metric != Metric::Tbt,
            Kind::Totals | Kind::Stalls => self.metric == Metric::Tbt,
            Kind::Queueing => self.metric == Metric::Ttft,
        }
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Kind::ALL.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, n)| n);
        write!(f, "{}.{name}", self.metric.as_str())
    }
}

/// One distance of two sides.
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceResult {
    /// Which.
    pub distance: Distance,
    /// Mean over the real processes, as a fraction.
    pub value: f64,
    /// The same in ns, where it is a time.
    pub ns: Option<f64>,
    /// Processes behind it.
    pub processes: usize,
    /// The end of its one-sided 97.5 % interval; `None` for fewer than three processes.
    pub high: Option<f64>,
    /// The 95 % point of the reference band: how far real repeats lie from the other processes' repeats.
    pub band: Option<f64>,
    /// What it is held to.
    pub tolerance: Option<f64>,
    /// What it comes to; `None` where nothing judges it.
    pub verdict: Option<Verdict>,
}

/// Of the interval.
const CONFIDENCE: f64 = 0.975;
/// Of the band, where a tolerance has to begin.
const BAND: f64 = 0.95;

/// Every distance that `tolerances` name, and all others too where `all` are wanted, of sides whose structure
/// agrees. `gated` figures and distances share the wrong reds that a case may have.
///
/// # Errors
/// A tolerance on a distance that a side lacks, or below what the real side's own repeats differ by.
pub(super) fn distances(
    comparison: &Comparison,
    (real, sim): (&Side, &Side),
    tolerances: &BTreeMap<Distance, f64>,
    all: bool,
    gated: usize,
) -> Result<Vec<DistanceResult>, CompareError> {
    let mut found = Vec::new();
    for distance in Distance::all() {
        let tolerance = tolerances.get(&distance).copied();
        if !all && tolerance.is_none() {
            continue;
        }
        let measured = measure(comparison, (real, sim), distance);
        match (measured, tolerance) {
            (Some(measured), _) => found.push(judge(distance, measured, tolerance, gated)?),
            (None, Some(_)) => return Err(CompareError::NoDistance { distance }),
            (None, None) => {}
        }
    }
    Ok(found)
}

/// Distances of one kind.
struct Measured {
    /// To the sim side, by process.
    units: Vec<f64>,
    /// To the other processes' repeats, by repeat.
    band: Vec<f64>,
    /// What the unit 1 is in ns, where it is a time.
    ns: Option<f64>,
}

fn measure(
    comparison: &Comparison,
    (real, sim): (&Side, &Side),
    distance: Distance,
) -> Option<Measured> {
    let sims: Vec<_> = comparison.sim_samples.iter().zip(&sim.runs).collect();
    let pooled_sim = Pool::of(distance, &sims)?;
    let at = |run: &usize| (&comparison.real_samples[*run], &real.runs[*run]);
    // Of some repeats only percentiles are kept.
    let whole: Vec<Vec<usize>> = (comparison.real.by_process.iter())
        .map(|runs| {
            let has = |run: &&usize| !at(run).0.of(distance.metric).is_empty();
            runs.iter().filter(has).copied().collect()
        })
        .filter(|runs: &Vec<usize>| !runs.is_empty())
        .collect();
    let all: Vec<_> = whole.iter().flatten().map(at).collect();
    let scale = Scale::of(distance, &all);
    let mut units = Vec::new();
    let mut band = Vec::new();
    for (process, runs) in whole.iter().enumerate() {
        let others: Vec<_> = (whole.iter().enumerate())
            .filter(|(other, _)| *other != process)
            .flat_map(|(_, runs)| runs.iter().map(at))
            .collect();
        let others = Pool::of(distance, &others);
        let mut own = Vec::new();
        for run in runs {
            let one = Pool::of(distance, &[at(run)])?;
            own.push(between(distance.kind, &one, &pooled_sim, &scale));
            band.extend(others.as_ref().map(|others| between(distance.kind, &one, others, &scale)));
        }
        units.push(Mean::of(&own).value);
    }
    let in_time = matches!(distance.kind, Kind::Wasserstein | Kind::Totals | Kind::Queueing);
    let known = !units.is_empty() && units.iter().all(|unit| !unit.is_nan());
    known.then_some(Measured { units, band, ns: in_time.then_some(scale.mean) })
}

fn judge(
    distance: Distance,
    mut measured: Measured,
    tolerance: Option<f64>,
    gated: usize,
) -> Result<DistanceResult, CompareError> {
    let mean = Mean::of(&measured.units);
    let band = percentiles(&mut measured.band, [BAND])[0];
    let band = Some(band).filter(|band| band.is_finite());
    if let (Some(tolerance), Some(band)) = (tolerance, band)
        && tolerance < band
    {
        return Err(CompareError::BelowBand { distance, tolerance, band });
    }
    let freedom = mean.units as f64 - 1.0;
    let reach = |p: f64| match mean.variance_of_mean().sqrt() {
        0.0 => 0.0,
        error => student_t(p, freedom) * error,
    };
    // Infinite where one side alone is 0: there is no ratio.
    let known = mean.units >= MIN_PROCESSES && mean.value.is_finite();
    let high = known.then(|| mean.value + reach(CONFIDENCE));
    let verdict = tolerance.map(|tolerance| match high {
        Some(high) if high <= tolerance => Verdict::Within,
        Some(_) if mean.value - reach(1.0 - WRONG_RED / gated.max(1) as f64) > tolerance => {
            Verdict::Outside
        }
        None if mean.value > tolerance => Verdict::Outside,
        _ => Verdict::Undecided,
    });
    Ok(DistanceResult {
        distance,
        value: mean.value,
        ns: measured.ns.map(|ns| ns * mean.value),
        processes: mean.units,
        high,
        band,
        tolerance,
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Origin, Rules, compare};
    use crate::run::{Boundary, RequestRecord, Run, TokenTimes};

    /// A run whose request i has a TTFT of `ttft(i)` us and gaps of `gap(i)` us.
    fn run(ttft: impl Fn(u64) -> u64, gap: impl Fn(u64) -> u64) -> Run {
        let times = |i: u64| -> Vec<u64> {
            (0..5).map(|token| i * 1_000_000 + 1_000 * (ttft(i) + token * gap(i))).collect()
        };
        let times: Vec<Vec<u64>> = (0..20).map(times).collect();
        let request = |(i, times): (u64, &Vec<u64>)| RequestRecord {
            request_id: i,
            arrival_ns: i * 1_000_000,
            first_token_ns: times.first().copied(),
            completion_ns: times.last().copied(),
            decode_tokens: 5,
            decode_tokens_actual: 5,
            ..RequestRecord::default()
        };
        Run {
            requests: (0..).zip(&times).map(request).collect(),
            tokens: Some(TokenTimes::from_requests(&times)),
            ..Run::default()
        }
    }

    fn side(origin: Origin, runs: Vec<Run>) -> Side {
        Side {
            labels: (0..runs.len()).map(|k| format!("{origin:?} {k}")).collect(),
            runs,
            boundary: Boundary::Engine,
            origin,
        }
    }

    /// Five repeats that differ by 1 us in every TTFT.
    fn real() -> Side {
        side(
            Origin::Recorded,
            (0..5).map(|k| run(move |i| 1_000 + 100 * i + k, |i| 50 + i)).collect(),
        )
    }

    fn named(name: &str) -> Distance {
        Distance::all().find(|distance| distance.to_string() == name).unwrap()
    }

    fn results(sim: Run, tolerances: &[(&str, f64)]) -> Result<Vec<DistanceResult>, CompareError> {
        let rules = Rules {
            distances: tolerances.iter().map(|(d, t)| (named(d), *t)).collect(),
            all_distances: true,
            ..Rules::default()
        };
        let comparison = compare(&real(), &side(Origin::Computed, vec![sim]), &rules)?;
        Ok(comparison.distances)
    }

    fn value(results: &[DistanceResult], name: &str) -> f64 {
        results.iter().find(|r| r.distance.to_string() == name).unwrap().value
    }

    #[test]
    fn swapped_requests_move_no_distribution_but_their_own_distance() {
        // Requests 3 and 17 with each other's results.
        let other = |i: u64| match i {
            3 => 17,
            17 => 3,
            i => i,
        };
        let swapped = results(run(|i| 1_002 + 100 * other(i), |i| 50 + other(i)), &[]).unwrap();
        assert!(value(&swapped, "ttft.wasserstein") < 0.001, "{swapped:#?}");
        assert!(value(&swapped, "tbt.wasserstein") < 1e-9 && value(&swapped, "tbt.totals") < 1e-9);
        assert!((value(&swapped, "ttft.requests") - (2_702.0 / 1_302.0 - 1.0)).abs() < 0.01);
    }

    #[test]
    fn compressed_totals_keep_the_gaps_and_are_seen_by_the_totals() {
        // Every request has the gaps of request i, i + 5, i + 10, i + 15: 20 values, each four times.
        let mut compressed = run(|i| 1_002 + 100 * i, |_| 0);
        let times: Vec<Vec<u64>> = (0..20_u64)
            .map(|i| {
                let first = compressed.requests[i as usize].first_token_ns.unwrap();
                let gaps = (0..4).map(|k| 1_000 * (50 + (i + 5 * k) % 20));
                let later = gaps.scan(first, |at, gap| {
                    *at += gap;
                    Some(*at)
                });
                std::iter::once(first).chain(later).collect()
            })
            .collect();
        for (request, times) in compressed.requests.iter_mut().zip(&times) {
            request.completion_ns = times.last().copied();
        }
        compressed.tokens = Some(TokenTimes::from_requests(&times));
        let found = results(compressed, &[]).unwrap();
        assert!(value(&found, "tbt.wasserstein") < 1e-9, "{found:#?}");
        assert!(value(&found, "tbt.totals") > 0.05, "{found:#?}");
    }

    #[test]
    fn a_shift_is_its_share_of_the_mean_and_the_band_is_the_repeats_own() {
        let found = results(run(|i| 1_102 + 100 * i, |i| 50 + i), &[]).unwrap();
        let mean = 1_002.0 + 950.0;
        let wasserstein =
            found.iter().find(|r| r.distance.to_string() == "ttft.wasserstein").unwrap();
        assert!((wasserstein.value - 100.0 / mean).abs() < 1e-6, "{wasserstein:?}");
        assert!((wasserstein.ns.unwrap() - 100_000.0).abs() < 1.0, "{wasserstein:?}");
        // A repeat lies 2.5 us from the mean of the others at most.
        assert!(wasserstein.band.unwrap() < 3.0 / mean, "{wasserstein:?}");
        assert!(value(&found, "tbt.stalls") == 0.0 && value(&found, "tbt.kolmogorov") == 0.0);
        // Nothing is known of steps.
        assert!(found.iter().all(|r| r.distance.kind != Kind::Queueing));
    }

    #[test]
    fn a_tolerance_is_judged_by_its_interval_and_refused_below_the_band() {
        let sim = || run(|i| 1_102 + 100 * i, |i| 50 + i);
        for (tolerance, verdict) in [(0.1, Verdict::Within), (0.02, Verdict::Outside)] {
            let found = results(sim(), &[("ttft.wasserstein", tolerance)]).unwrap();
            let judged: Vec<_> = found.iter().filter_map(|r| r.verdict).collect();
            assert_eq!(judged, [verdict]);
        }
        let refused = results(sim(), &[("ttft.wasserstein", 0.0001)]).unwrap_err().to_string();
        assert!(
            refused.contains("ttft.wasserstein") && refused.contains("real repeats"),
            "{refused}"
        );
        let lacking = results(sim(), &[("ttft.queueing", 0.1)]).unwrap_err().to_string();
        assert!(lacking.contains("ttft.queueing"), "{lacking}");
    }

    #[test]
    fn a_zero_on_one_side_is_outside_of_any_tolerance() {
        let sim = || run(|i| 1_002 + 100 * i, |_| 0);
        let found = results(sim(), &[("tbt.quantiles", 50.0), ("tpot.requests", 50.0)]).unwrap();
        let judged: Vec<_> = found.iter().filter_map(|r| r.verdict).collect();
        // Every gap of the sim is 0: a quantile is off by 100 %, the ratio of a request is none.
        assert_eq!(judged, [Verdict::Within, Verdict::Outside]);
    }

    #[test]
    fn names_are_of_one_distance_and_a_metric_has_only_its_own() {
        let names: std::collections::BTreeSet<String> =
            Distance::all().map(|distance| distance.to_string()).collect();
        assert_eq!(names.len(), Distance::all().count());
        assert!(!names.contains("tbt.requests") && !names.contains("ttft.totals"));
    }
}
