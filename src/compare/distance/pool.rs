//! Runs taken together, and how far two such pools lie apart.

use super::{Distance, Kind};
use crate::compare::samples::Samples;
use crate::run::Run;
use crate::stats::{Mean, kolmogorov, percentile_sorted, percentiles, wasserstein};

/// Quantiles that are compared, in percent.
const QUANTILES: std::ops::RangeInclusive<u32> = 1..=99;
/// Gaps longer than so many real medians are stalls.
const STALL: f64 = 3.0;

/// Runs taken together.
#[derive(Default)]
pub(super) struct Pool {
    /// Ascending.
    values: Vec<f64>,
    /// For [`Kind::Requests`], of each request the mean of `ln` of its value over the runs.
    requests: Vec<f64>,
    /// For [`Kind::Queueing`], the mean delay, ns.
    queueing: Option<f64>,
}

impl Pool {
    /// The runs' samples as far as `distance` needs them; `None` where a run lacks them.
    pub fn of(distance: Distance, runs: &[(&Samples, &Run)]) -> Option<Self> {
        let mut pool = Self::default();
        match distance.kind {
            Kind::Queueing => {
                let delays: Option<Vec<f64>> =
                    runs.iter().map(|(_, run)| run.mean_queueing_ns()).collect();
                pool.queueing = delays.filter(|d| !d.is_empty()).map(|d| Mean::of(&d).value);
                pool.queueing?;
            }
            Kind::Requests => {
                let n = runs.first()?.0.of(distance.metric).len();
                pool.requests = vec![0.0; n];
                for (samples, _) in runs {
                    let values = samples.of(distance.metric);
                    if values.len() != n {
                        return None;
                    }
                    for (sum, value) in pool.requests.iter_mut().zip(values) {
                        *sum += value.ln() / runs.len() as f64;
                    }
                }
            }
            _ => {
                for (samples, _) in runs {
                    match distance.kind {
                        Kind::Totals => pool.values.extend(samples.totals()),
                        _ => pool.values.extend(samples.of(distance.metric)),
                    }
                }
                pool.values.sort_unstable_by(f64::total_cmp);
            }
        }
        let nothing = pool.values.is_empty() && pool.requests.is_empty() && pool.queueing.is_none();
        (!nothing).then_some(pool)
    }

    /// Share of values beyond `limit`.
    fn beyond(&self, limit: f64) -> f64 {
        let up_to = self.values.partition_point(|&value| value <= limit);
        (self.values.len() - up_to) as f64 / self.values.len() as f64
    }
}

/// What distances are measured against: numbers of the real side as a whole.
pub(super) struct Scale {
    /// The mean that a distance in time is a share of, ns.
    pub mean: f64,
    /// The median gap, ns.
    pub median: f64,
}

/// The distance of two pools, as a fraction.
pub(super) fn between(kind: Kind, a: &Pool, b: &Pool, scale: &Scale) -> f64 {
    match kind {
        Kind::Wasserstein | Kind::Totals => wasserstein(&a.values, &b.values) / scale.mean,
        Kind::Kolmogorov => kolmogorov(&a.values, &b.values),
        Kind::Quantiles => {
            let at = |pool: &Pool, percent: u32| {
                percentile_sorted(&pool.values, f64::from(percent) / 100.0)
            };
            let off = |percent| match (at(a, percent), at(b, percent)) {
                (real, sim) if real == sim => 0.0,
                (real, sim) => (sim / real - 1.0).abs(),
            };
            QUANTILES.map(off).fold(0.0, f64::max)
        }
        Kind::Requests => {
            let off = a.requests.iter().zip(&b.requests).map(|(real, sim)| (sim - real).abs());
            off.filter(|off| !off.is_nan()).fold(0.0, f64::max).exp_m1()
        }
        Kind::Stalls => {
            let limit = STALL * scale.median;
            (a.beyond(limit) - b.beyond(limit)).abs()
        }
        Kind::Queueing => {
            let delay = |pool: &Pool| pool.queueing.unwrap_or(f64::NAN);
            (delay(a) - delay(b)).abs() / scale.mean
        }
    }
}

impl Scale {
    /// That of the real side's `runs`.
    pub fn of(distance: Distance, runs: &[(&Samples, &Run)]) -> Self {
        let mut values: Vec<f64> = match distance.kind {
            Kind::Totals => runs.iter().flat_map(|(samples, _)| samples.totals()).collect(),
            _ => {
                runs.iter().flat_map(|(samples, _)| samples.of(distance.metric)).copied().collect()
            }
        };
        let mean = Mean::of(&values).value;
        Self { mean, median: percentiles(&mut values, [0.5])[0] }
    }
}
