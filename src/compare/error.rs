//! Why two sides cannot be compared.

use thiserror::Error;

use super::distance::Distance;
use super::figure::{Figure, Metric};
use crate::run::Boundary;

/// Why two sides cannot be compared, or a case not be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// A side without runs.
    #[error("the {side} side has no run")]
    NoRuns {
        /// `real` or `sim`.
        side: &'static str,
    },
    /// A request that one run lacks.
    #[error("{}", one_sided(ids, present, absent))]
    OneSided {
        /// The requests.
        ids: Vec<u64>,
        /// The run that has them.
        present: String,
        /// The run that lacks them.
        absent: String,
    },
    /// Runs of unlike workloads.
    #[error(
        "request {request_id} has {column} {left} in {left_run} but {right} in {right_run}: the runs served different workloads"
    )]
    Workload {
        /// The request.
        request_id: u64,
        /// The column that differs.
        column: &'static str,
        /// The run compared with.
        left_run: String,
        /// Its value.
        left: u64,
        /// The run that differs.
        right_run: String,
        /// Its value.
        right: u64,
    },
    /// Timestamps taken in unlike places.
    #[error(
        "the real side was timed at the {real}, the sim side at the {sim}: unlike boundaries are not comparable (a case may say `allow_boundary_mismatch: \"<reason>\"`)"
    )]
    Boundary {
        /// Of the real side.
        real: Boundary,
        /// Of the sim side.
        sim: Boundary,
    },
    /// A run that stands there twice.
    #[error("{}", copies(first, second))]
    Copies {
        /// A run.
        first: String,
        /// Its copy.
        second: String,
    },
    /// Runs that name unlike workloads, settings or models.
    #[error(
        "{left_run} and {right_run} are of another {what}: their hashes are {left} and {right}; run both with the same"
    )]
    Hashes {
        /// What differs.
        what: &'static str,
        /// A run.
        left_run: String,
        /// Its hash.
        left: String,
        /// Another run.
        right_run: String,
        /// Its hash.
        right: String,
    },
    /// A seeded simulator with too few seeds to tell their spread.
    #[error(
        "{run} is one of {seeds} seeds of a seeded simulator: simulate at least 3, so that their spread is known"
    )]
    FewSeeds {
        /// A run.
        run: String,
        /// How many there are.
        seeds: usize,
    },
    /// An amplification stated for a sim that cannot be run again.
    #[error(
        "the case states `kappa` for {figure}, but its sim side cannot be run again with other step times: leave `kappa` out"
    )]
    KappaUnknown {
        /// The figure.
        figure: Figure,
    },
    /// Figures of zeros only.
    #[error(
        "every figure with a tolerance is 0 ns in every run: there is no ratio to judge; drop the tolerance, or time at another boundary"
    )]
    AllZero,
    /// Figures whose amplification lies beyond what a tolerance can excuse.
    #[error(
        "no figure is gated: the load amplifies step-time errors more than tenfold on all that have a tolerance; gate another figure, or serve less load"
    )]
    AllAmplified,
    /// No request is usable.
    #[error("no request is `ok` in every run: there is nothing to compare")]
    NothingOk,
    /// A tolerance on a metric that a side does not have.
    #[error("the case has a tolerance on {}, but {reason}", metric.as_str())]
    Unavailable {
        /// The metric.
        metric: Metric,
        /// Why it is not there.
        reason: String,
    },
    /// A tolerance on a percentile that the samples cannot carry.
    #[error("{}", ineligible(*figure, *n, *repeats, *need_n, *need_total))]
    Ineligible {
        /// The figure.
        figure: Figure,
        /// Samples a repeat.
        n: usize,
        /// Repeats.
        repeats: usize,
        /// Samples a repeat that it needs.
        need_n: usize,
        /// Samples over all repeats that it needs.
        need_total: usize,
    },
    /// A tolerance on a distance that the runs do not tell.
    #[error(
        "the case has a tolerance on the distance {distance}, but the runs of a side have no samples for it: it takes token times, and for queueing steps and plans; drop the tolerance"
    )]
    NoDistance {
        /// The distance.
        distance: Distance,
    },
    /// A tolerance on a distance that real repeats do not keep among themselves.
    #[error(
        "the case holds {distance} to {:.3} %, but 5 % of the real repeats lie farther than {:.3} % from the others: widen the tolerance beyond that", tolerance * 100.0, band * 100.0
    )]
    BelowBand {
        /// The distance.
        distance: Distance,
        /// What it is held to.
        tolerance: f64,
        /// The 95 % point of the reference band.
        band: f64,
    },
    /// A tolerance, but no figure that it could judge.
    #[error(
        "there is a tolerance but nothing to judge by it: {samples} samples in {repeats} repeats are too few for any percentile (p50 needs 6 samples and 30 over all repeats); record more requests or repeats"
    )]
    NothingGated {
        /// Most samples of any metric.
        samples: usize,
        /// Repeats.
        repeats: usize,
    },
    /// A request cut to the real count without the token times that this takes.
    #[error(
        "request {request_id} stopped after {real} tokens on the real side but has {sim} in {run}, which has no token times to cut it by: add token_metrics.csv, or simulate the actual lengths"
    )]
    CannotCut {
        /// The request.
        request_id: u64,
        /// Tokens on the real side.
        real: u32,
        /// Tokens on the sim side.
        sim: u32,
        /// The run.
        run: String,
    },
}

fn copies(first: &str, second: &str) -> String {
    if first == second {
        return format!("{first} stands there twice: name each run once, on one side");
    }
    format!(
        "{first} and {second} have the same times to the nanosecond: they are copies, not repeats; remove one"
    )
}

fn one_sided(ids: &[u64], present: &str, absent: &str) -> String {
    let what = if ids.len() == 1 { "request" } else { "requests" };
    format!("{what} {} in {present} but not in {absent}", list(ids))
}

/// Ids for people: the first ten, and how many more.
pub(crate) fn list(ids: &[u64]) -> String {
    let shown: Vec<String> = ids.iter().take(10).map(u64::to_string).collect();
    match ids.len().saturating_sub(10) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn ineligible(
    figure: Figure,
    n: usize,
    repeats: usize,
    need_n: usize,
    need_total: usize,
) -> String {
    let what = match figure.metric {
        Metric::Tbt => "distinct token times",
        _ => "requests",
    };
    let need = if n < need_n {
        format!("{need_n} {what} in each repeat")
    } else {
        format!("{need_total} {what} over all repeats, that is {} repeats", need_total.div_ceil(n))
    };
    format!(
        "the case has a tolerance on {figure}, which needs {need}; it has {n} in each of {repeats} repeats: add more, or drop the tolerance"
    )
}
