//! The comparison itself: checks, joins, reduces and judges.

use super::checks;
use super::error::CompareError;
use super::figure::{Figure, Metric, Percentile};
use super::join::{Structure, join, plan_difference};
use super::samples::{Samples, samples};
use super::side::{Rules, Side, SideSummary};
use super::tolerance::{Tolerance, Tolerances};
use super::verdict::{MIN_PROCESSES, Mark, Verdict, eligible, judge, need};
use crate::stats::{geometric_mean, percentiles};

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureResult {
    /// What it is.
    pub figure: Figure,
    /// Geometric mean over the real repeats, ns.
    pub real_ns: f64,
    /// Geometric mean over the sim repeats, ns.
    pub sim_ns: f64,
    /// Samples in the smallest repeat of either side that are independent.
    pub n: usize,
    /// What it is held to.
    pub tolerance: Option<Tolerance>,
    /// What it comes to; `None` where nothing judges it.
    pub verdict: Option<Verdict>,
    /// What to know beside it.
    pub marks: Vec<Mark>,
}

impl FigureResult {
    /// Signed error of the sim against the real side, as a fraction.
    pub fn error(&self) -> f64 {
        if self.sim_ns == self.real_ns { 0.0 } else { self.sim_ns / self.real_ns - 1.0 }
    }
}

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
        let worst = self.figures.iter().filter_map(|f| f.verdict).max();
        CaseVerdict::Judged(worst.unwrap_or(Verdict::Undecided))
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
        real: real.summary(),
        sim: sim.summary(),
        figures: Vec::new(),
        unavailable,
        structure,
        real_samples,
        sim_samples,
        boundary_mismatch,
        tolerances: !rules.tolerances.is_none(),
    };
    comparison.figures = figures(&comparison, rules)?;
    check_gated(&comparison, rules)?;
    Ok(comparison)
}

fn figures(comparison: &Comparison, rules: &Rules) -> Result<Vec<FigureResult>, CompareError> {
    let mut results = Vec::new();
    for metric in Metric::ALL {
        if comparison.unavailable.iter().any(|(m, _)| *m == metric) {
            continue;
        }
        let real = per_run(&comparison.real_samples, metric);
        let sim = per_run(&comparison.sim_samples, metric);
        let all = comparison.real_samples.iter().chain(&comparison.sim_samples);
        let n = all.map(|s| s.independent(metric)).min().unwrap_or(0);
        for (i, percentile) in Percentile::ALL.into_iter().enumerate() {
            let of = |runs: &[[f64; 3]]| runs.iter().map(|p| p[i]).collect::<Vec<f64>>();
            if n == 0 {
                continue;
            }
            let figure = Figure { metric, percentile };
            results.push(figure_result(figure, &of(&real), &of(&sim), n, comparison, rules)?);
        }
    }
    Ok(results)
}

/// p50, p90 and p99 of each run.
fn per_run(runs: &[Samples], metric: Metric) -> Vec<[f64; 3]> {
    let ps = Percentile::ALL.map(Percentile::fraction);
    runs.iter().map(|samples| percentiles(&mut samples.of(metric).to_vec(), ps)).collect()
}

fn figure_result(
    figure: Figure,
    real: &[f64],
    sim: &[f64],
    n: usize,
    comparison: &Comparison,
    rules: &Rules,
) -> Result<FigureResult, CompareError> {
    // A zero among the repeats makes the mean zero, as a product would.
    let mean = |values: &[f64]| if values.contains(&0.0) { 0.0 } else { geometric_mean(values) };
    let all_zero = real.iter().chain(sim).all(|value| *value == 0.0);
    let any_zero = real.iter().chain(sim).any(|value| *value == 0.0);
    let mut result = FigureResult {
        figure,
        real_ns: mean(real),
        sim_ns: mean(sim),
        n,
        tolerance: rules.tolerances.of(figure),
        verdict: None,
        marks: Vec::new(),
    };
    let Some(tolerance) = result.tolerance else { return Ok(result) };
    let (repeats, processes) = (comparison.real.repeats, comparison.real.processes);
    let single = processes < MIN_PROCESSES;
    if all_zero {
        result.marks.push(Mark::NotGated);
        return Ok(result);
    }
    if !eligible(figure.percentile, n, repeats) && !single && !rules.judge_few {
        if rules.tolerances.names(figure) {
            let need = need(figure.percentile);
            return Err(CompareError::Ineligible {
                figure,
                n,
                repeats,
                need_n: need.samples,
                need_total: need.samples_times_repeats,
            });
        }
        result.marks.push(Mark::Few);
        return Ok(result);
    }
    result.marks.push(if single { Mark::SingleRun } else { Mark::PointEstimate });
    if comparison.sim.repeats == 1 {
        result.marks.push(Mark::OnePrediction);
    }
    // Zeros have no ratio; some beside other values are never agreement.
    let log_ratio = if any_zero { f64::INFINITY } else { (result.sim_ns / result.real_ns).ln() };
    result.verdict = Some(judge(log_ratio, tolerance, processes));
    Ok(result)
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
    let judged = comparison.figures.iter().any(|f| f.verdict.is_some());
    if !judged {
        if comparison.figures.iter().any(|f| f.marks.contains(&Mark::NotGated)) {
            return Err(CompareError::AllZero);
        }
        let samples = comparison.figures.iter().map(|f| f.n).max().unwrap_or(0);
        return Err(CompareError::NothingGated { samples, repeats: comparison.real.repeats });
    }
    Ok(())
}
