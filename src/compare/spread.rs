//! How well a real side agrees with itself, figure by figure: what a simulator can be held to at best.

use super::error::CompareError;
use super::figure::{Figure, Metric};
use super::result::side_mean;
use super::samples::{Samples, log_percentiles};
use super::side::{Role, Side};
use super::tolerance::{Tolerance, Tolerances};
use super::verdict::eligible;
use super::{comparison, estimate};
use crate::stats::Components;

/// The scatter of one figure over the processes and repeats of a real side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The figure.
    pub figure: Figure,
    /// Geometric mean over processes, ns.
    pub real_ns: f64,
    /// Independent samples in one repeat.
    pub n: usize,
    /// Whether they are enough to judge it by.
    pub eligible: bool,
    /// Standard deviations of `ln P` within and between processes.
    pub components: Option<Components>,
    /// `h0`: what the scatter leaves open, in `ln P`.
    pub noise: Option<f64>,
    /// What it is, or should be, held to.
    pub tolerance: Tolerance,
    /// Processes with which its noise takes up half the tolerance at most, if 100 are enough.
    pub processes: Option<usize>,
}

/// The spread of every figure of `real`.
///
/// # Errors
/// Runs of unlike workloads.
pub fn spreads(
    real: &Side,
    tolerances: &Tolerances,
    ignore_eos: Option<bool>,
) -> Result<Vec<Spread>, CompareError> {
    let samples = comparison::samples_alone(real, ignore_eos)?;
    let of = |metric| Figure::of(metric).map(move |figure| (metric, figure));
    let figures = Metric::ALL.into_iter().flat_map(of);
    let known = |(metric, figure): &(Metric, Figure)| {
        samples.iter().all(|s| s.percentiles(*metric)[figure.percentile as usize] > 0.0)
    };
    Ok(figures
        .filter(known)
        .map(|(_, figure)| spread(real, &samples, figure, tolerances))
        .collect())
}

fn spread(real: &Side, samples: &[Samples], figure: Figure, tolerances: &Tolerances) -> Spread {
    let place = figure.percentile as usize;
    let logs = log_percentiles(samples, figure.metric);
    let group = |runs: Vec<usize>| runs.into_iter().map(|run| logs[run][place]).collect();
    let groups: Vec<Vec<f64>> = real.processes(Role::Real).into_iter().map(group).collect();
    let (mean, real_ns) = side_mean(real, Role::Real, samples, figure);
    let tolerance = tolerances.of(figure).unwrap_or_else(|| Tolerance::goal(figure.percentile));
    let n = samples.iter().map(|s| s.independent(figure.metric)).min().unwrap_or(0);
    Spread {
        figure,
        real_ns,
        n,
        eligible: eligible(figure.percentile, n, real.runs.len()),
        components: Components::of(&groups),
        noise: estimate::noise(&mean),
        tolerance,
        processes: estimate::processes_for(&mean, tolerance),
    }
}
