//! The comparison itself: checks, joins, reduces and judges.

use std::collections::BTreeMap;

use super::checks;
use super::distance::{DistanceResult, distances};
use super::error::CompareError;
use super::figure::{Figure, Metric};
use super::join::{Structure, join, plan_difference};
use super::result::{FigureResult, figures};
use super::samples::{Samples, log_percentiles, samples};
use super::side::{Role, Rules, Side, SideSummary, Spreads};
use super::tolerance::{Tolerance, Tolerances};
use super::verdict::{Mark, Verdict};
use super::{estimate, result};
use crate::stats::outlier;

/// Share of clean recordings in which a repeat may be called an outlier.
const OUTLIER_LEVEL: f64 = 0.01;

/// What a whole comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseVerdict {
    /// No tolerance, and statuses and token counts agree.
    StructureOnly,
    /// The worst verdict of its figures and its structure.
    Judged(Verdict),
}

impl CaseVerdict {
    /// The words in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StructureOnly => "structure only",
            Self::Judged(verdict) => verdict.as_str(),
        }
    }
}

/// Two sides compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The real side.
    pub real: SideSummary,
    /// The sim side.
    pub sim: SideSummary,
    /// Every figure that both sides have, in table order.
    pub figures: Vec<FigureResult>,
    /// Distances: those that are gated, or all where they were asked for.
    pub distances: Vec<DistanceResult>,
    /// Metrics that cannot be compared, with the reason.
    pub unavailable: Vec<(Metric, String)>,
    /// Requests on which runs disagree.
    pub structure: Structure,
    /// Requests that take part.
    pub requests: usize,
    /// Requests not `ok` on both sides, alike in every run: they take no part.
    pub not_ok: usize,
    /// Requests whose sim tokens were cut to the real count.
    pub cut: usize,
    /// Requests of one token, which have no TPOT.
    pub of_one_token: usize,
    /// Requests without a token, which have no TTFT.
    pub without_token: usize,
    /// Samples of each real run.
    pub real_samples: Vec<Samples>,
    /// Samples of each sim run.
    pub sim_samples: Vec<Samples>,
    /// Real repeats that stand out from the others, and in which figures. They count all the same.
    pub outliers: Vec<(String, Vec<Figure>)>,
    /// Why unlike boundaries were let through.
    pub boundary_mismatch: Option<String>,
    /// Whether there was anything to hold it to.
    tolerances: bool,
}

impl Comparison {
    /// The figure called `figure`.
    pub fn figure(&self, figure: Figure) -> Option<&FigureResult> {
        self.figures.iter().find(|result| result.figure == figure)
    }

    /// The verdict on the whole; without tolerances it rests on structure alone.
    pub fn verdict(&self) -> CaseVerdict {
        if !self.structure.agrees() {
            return CaseVerdict::Judged(Verdict::Outside);
        }
        if !self.tolerances {
            return CaseVerdict::StructureOnly;
        }
        let distances = self.distances.iter().filter_map(|d| d.verdict);
        let worst = self.figures.iter().filter_map(|f| f.verdict).chain(distances).max();
        CaseVerdict::Judged(worst.unwrap_or(Verdict::Undecided))
    }

    /// What its judged figures were held to.
    pub fn gated(&self) -> Tolerances {
        let judged = self.figures.iter().filter(|f| f.verdict.is_some());
        let held: BTreeMap<Figure, Tolerance> =
            judged.filter_map(|f| Some((f.figure, f.tolerance?))).collect();
        if held.is_empty() { Tolerances::None } else { Tolerances::Figures(held) }
    }

    /// The real side's spread, to judge another real side of the same engine by.
    pub fn spreads(&self) -> Spreads {
        Spreads {
            means: self.figures.iter().map(|f| (f.figure, f.real)).collect(),
            repeats: self.real.repeats,
        }
    }
}

/// Compares the sim side with the real one.
///
/// # Errors
/// Sides that served different workloads or were timed at unlike boundaries, copies among the real
/// repeats, and tolerances that nothing can be held to.
pub fn compare(real: &Side, sim: &Side, rules: &Rules) -> Result<Comparison, CompareError> {
    let (joined, mut structure) = join(real, sim, rules.ignore_eos)?;
    if rules.same_plans {
        structure.plan = plan_difference(real, sim);
    }
    let boundary_mismatch = checks::boundaries(real, sim, rules)?;
    checks::copies(real, sim)?;
    checks::hashes(real, sim)?;
    let tolerances = !rules.tolerances.is_none() || !rules.distances.is_empty();
    if tolerances {
        checks::seeds(sim)?;
    }
    let unavailable: Vec<(Metric, String)> =
        checks::no_gaps(real, sim).map(|reason| (Metric::Tbt, reason)).into_iter().collect();
    let gaps = unavailable.is_empty();
    let take = |side: &Side, cut: bool| -> Vec<Samples> {
        side.runs.iter().map(|run| samples(run, &joined, cut, side.boundary, gaps)).collect()
    };
    let (real_samples, sim_samples) = (take(real, false), take(sim, true));
    let first = &real_samples[0];
    let mut comparison = Comparison {
        requests: joined.len(),
        not_ok: real.runs[0].requests.len()
            - joined.len()
            - structure.status.len()
            - structure.tokens.len(),
        cut: joined.iter().filter(|j| j.cut.is_some()).count(),
        of_one_token: first.of_one_token,
        without_token: first.without_token,
        real: real.summary(Role::Real),
        sim: sim.summary(Role::Sim),
        figures: Vec::new(),
        distances: Vec::new(),
        unavailable,
        structure,
        outliers: outliers(real, &real_samples),
        real_samples,
        sim_samples,
        boundary_mismatch,
        tolerances,
    };
    comparison.figures = figures(&comparison, real, sim, rules)?;
    // Where requests differ, there is nothing to hold each against itself.
    if comparison.structure.agrees() {
        let judged = comparison.figures.iter().filter(|f| f.verdict.is_some()).count();
        let gated = judged + rules.distances.len();
        let (wanted, all) = (&rules.distances, rules.all_distances);
        comparison.distances = distances(&comparison, (real, sim), wanted, all, gated)?;
    }
    check_gated(&comparison, rules)?;
    Ok(comparison)
}

/// Repeats that stand out, each with the figures in which they do.
fn outliers(side: &Side, samples: &[Samples]) -> Vec<(String, Vec<Figure>)> {
    let mut found: Vec<(String, Vec<Figure>)> =
        side.labels.iter().map(|label| (label.clone(), Vec::new())).collect();
    for metric in Metric::ALL {
        let logs = log_percentiles(samples, metric);
        for figure in Figure::of(metric) {
            let values: Vec<f64> = logs.iter().map(|p| p[figure.percentile as usize]).collect();
            if let Some(place) = outlier(&values, OUTLIER_LEVEL) {
                found[place].1.push(figure);
            }
        }
    }
    found.retain(|(_, figures)| !figures.is_empty());
    found
}

/// A tolerance that judges nothing would be a check that cannot fail.
fn check_gated(comparison: &Comparison, rules: &Rules) -> Result<(), CompareError> {
    if rules.tolerances.is_none() || !comparison.structure.agrees() {
        return Ok(());
    }
    if let Tolerances::Figures(named) = &rules.tolerances {
        for figure in named.keys() {
            if comparison.figure(*figure).is_none() {
                let known = comparison.unavailable.iter().find(|(m, _)| *m == figure.metric);
                let reason = known.map_or_else(
                    || "no request has enough tokens for it".to_owned(),
                    |(_, reason)| reason.clone(),
                );
                return Err(CompareError::Unavailable { metric: figure.metric, reason });
            }
        }
    }
    if comparison.figures.iter().any(|f| f.verdict.is_some()) {
        return Ok(());
    }
    let any = |mark| comparison.figures.iter().any(|f| f.marks.contains(&mark));
    if any(Mark::Amplified) {
        return Err(CompareError::AllAmplified);
    }
    if any(Mark::NotGated) {
        return Err(CompareError::AllZero);
    }
    let samples = comparison.figures.iter().map(|f| f.n).max().unwrap_or(0);
    Err(CompareError::NothingGated { samples, repeats: comparison.real.repeats })
}

/// Checks that `requests` requests in each of `repeats` repeats can carry the tolerances on figures of
/// whole requests. How many samples TBT has is known only once it was served.
///
/// # Errors
/// [`CompareError::Ineligible`] for the first that they cannot.
pub fn can_carry(
    tolerances: &Tolerances,
    requests: usize,
    repeats: usize,
) -> Result<(), CompareError> {
    let Tolerances::Figures(figures) = tolerances else { return Ok(()) };
    let of_requests = figures.keys().filter(|figure| figure.metric != Metric::Tbt);
    for &figure in of_requests {
        result::check_eligible(figure, requests, repeats)?;
    }
    Ok(())
}

/// A tolerance that the real side's own scatter leaves too little of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TooNoisy {
    /// The figure.
    pub figure: Figure,
    /// What its scatter leaves open, in `ln P`.
    pub noise: f64,
    /// What it should be held to.
    pub tolerance: Tolerance,
    /// Processes with which it could be, if 100 are enough.
    pub processes: Option<usize>,
}

/// Samples of each run of a side by itself.
pub(super) fn samples_alone(
    side: &Side,
    ignore_eos: Option<bool>,
) -> Result<Vec<Samples>, CompareError> {
    let (joined, _) = join(side, side, ignore_eos)?;
    let gaps = checks::no_gaps(side, side).is_none();
    let take = |run| samples(run, &joined, false, side.boundary, gaps);
    Ok(side.runs.iter().map(take).collect())
}

/// The tolerances that `real` is too noisy for: those with `2 h0 > T`.
///
/// # Errors
/// Runs of unlike workloads.
pub fn too_noisy(real: &Side, rules: &Rules) -> Result<Vec<TooNoisy>, CompareError> {
    let samples = samples_alone(real, rules.ignore_eos)?;
    let mut noisy = Vec::new();
    for figure in Metric::ALL.into_iter().flat_map(Figure::of) {
        let Some(tolerance) = rules.tolerances.of(figure) else { continue };
        let (mean, _) = result::side_mean(real, Role::Real, &samples, figure);
        let Some(noise) = estimate::noise(&mean).filter(|&h0| tolerance.drowns_in(h0)) else {
            continue;
        };
        let processes = estimate::processes_for(&mean, tolerance);
        noisy.push(TooNoisy { figure, noise, tolerance, processes });
    }
    Ok(noisy)
}
