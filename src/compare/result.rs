//! One figure of both sides: its means, its estimate and its verdict.

use super::comparison::Comparison;
use super::error::CompareError;
use super::estimate::{Advice, Estimate, advice, noise};
use super::figure::{Figure, Metric};
use super::kappa::{Held, held_to};
use super::samples::Samples;
use super::side::{Role, Rules, Side};
use super::tolerance::Tolerance;
use super::verdict::{MIN_PROCESSES, Mark, Verdict, eligible, need};
use crate::stats::{Mean, geometric_mean};

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureResult {
    /// What it is.
    pub figure: Figure,
    /// Geometric mean over the real processes, ns.
    pub real_ns: f64,
    /// Geometric mean over the sim's seeds, ns.
    pub sim_ns: f64,
    /// `ln P` of the real side, over K processes.
    pub real: Mean,
    /// `ln P` of the sim side, over M seeds.
    pub sim: Mean,
    /// Samples in the smallest repeat of either side that are independent.
    pub n: usize,
    /// `ln` of the error with its interval, where the spread of both sides is known.
    pub estimate: Option<Estimate>,
    /// What the real side's own scatter leaves open (`h0`), in `ln P`.
    pub noise: Option<f64>,
    /// `dlnP / dln(step time)`, where the sim could be run again.
    pub kappa: Option<f64>,
    /// What it is held to, amplification included.
    pub tolerance: Option<Tolerance>,
    /// What it comes to; `None` where nothing judges it.
    pub verdict: Option<Verdict>,
    /// What would decide an undecided one.
    pub advice: Option<Advice>,
    /// What to know beside it.
    pub marks: Vec<Mark>,
}

impl FigureResult {
    /// Signed error of the sim against the real side, as a fraction.
    pub fn error(&self) -> f64 {
        if self.sim_ns == self.real_ns { 0.0 } else { self.sim_ns / self.real_ns - 1.0 }
    }

    /// The error's 95 % interval, as fractions.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.estimate?.interval();
        Some((low.exp_m1(), high.exp_m1()))
    }
}

/// Every figure that both sides have, judged.
pub(super) fn figures(
    comparison: &Comparison,
    real: &Side,
    sim: &Side,
    rules: &Rules,
) -> Result<Vec<FigureResult>, CompareError> {
    let mut results = Vec::new();
    for metric in Metric::ALL {
        if comparison.unavailable.iter().any(|(m, _)| *m == metric) {
            continue;
        }
        let all = comparison.real_samples.iter().chain(&comparison.sim_samples);
        let n = all.map(|s| s.independent(metric)).min().unwrap_or(0);
        if n == 0 {
            continue;
        }
        for figure in Figure::of(metric) {
            results.push(unjudged(figure, n, comparison, (real, sim), rules));
        }
    }
    let mut judged = Vec::new();
    for (place, result) in results.iter_mut().enumerate() {
        if gate(result, comparison, rules)? {
            judged.push(place);
        }
    }
    for &place in &judged {
        judge(&mut results[place], judged.len() + rules.distances.len(), sim, rules);
    }
    Ok(results)
}

/// The mean of `ln P` over the processes of a side (or its runs, where they are of none), and their
/// geometric mean in ns.
pub(super) fn side_mean(
    side: &Side,
    role: Role,
    samples: &[Samples],
    figure: Figure,
) -> (Mean, f64) {
    let place = figure.percentile as usize;
    // A zero among the repeats makes the mean zero, as a product would.
    let mean = |values: &[f64]| if values.contains(&0.0) { 0.0 } else { geometric_mean(values) };
    let per_run: Vec<f64> = samples.iter().map(|s| s.percentiles(figure.metric)[place]).collect();
    let of_process =
        |runs: &Vec<usize>| mean(&runs.iter().map(|&r| per_run[r]).collect::<Vec<_>>());
    let units: Vec<f64> = side.processes(role).iter().map(of_process).collect();
    let logs: Vec<f64> = units.iter().map(|unit| unit.ln()).collect();
    (Mean::of(&logs), mean(&units))
}

fn unjudged(
    figure: Figure,
    n: usize,
    comparison: &Comparison,
    (real_side, sim_side): (&Side, &Side),
    rules: &Rules,
) -> FigureResult {
    let (mut real, real_ns) = side_mean(real_side, Role::Real, &comparison.real_samples, figure);
    let (mut sim, sim_ns) = side_mean(sim_side, Role::Sim, &comparison.sim_samples, figure);
    let lent = rules.lent.as_ref().and_then(|lent| lent.means.get(&figure));
    if let Some(lent) = lent.filter(|lent| lent.units >= MIN_PROCESSES) {
        real = real.with_variance_of(lent);
    }
    if real.units == 1 && real_side.is_exact() {
        real = Mean::exact(real.value);
    }
    if rules.lend_to_sim && real.units >= MIN_PROCESSES {
        sim = sim.with_variance_of(&real);
    } else if sim.units == 1 && !sim_side.measured() {
        sim = Mean::exact(sim.value);
    }
    let known = |mean: &Mean| mean.freedom != Some(0);
    let finite = real.value.is_finite() && sim.value.is_finite();
    FigureResult {
        figure,
        real_ns,
        sim_ns,
        n,
        estimate: (known(&real) && known(&sim) && finite).then(|| Estimate::new(&real, &sim)),
        noise: noise(&real).filter(|h0| h0.is_finite()),
        kappa: rules.kappa.as_ref().and_then(|kappa| kappa.get(&figure)).copied(),
        tolerance: rules.tolerances.of(figure),
        real,
        sim,
        verdict: None,
        advice: None,
        marks: Vec::new(),
    }
}

/// Whether the figure takes part in the verdict; if not, its marks say why.
fn gate(
    result: &mut FigureResult,
    comparison: &Comparison,
    rules: &Rules,
) -> Result<bool, CompareError> {
    let Some(goal) = result.tolerance else { return Ok(false) };
    let figure = result.figure;
    if result.real_ns == 0.0 && result.sim_ns == 0.0 && all_zero(comparison, figure) {
        result.marks.push(Mark::NotGated);
        return Ok(false);
    }
    // A recording that lends its spread has shown how its percentiles scatter.
    let lent = rules.lent.as_ref().map_or(0, |lent| lent.repeats);
    let repeats = comparison.real.repeats.max(lent);
    let exempt = rules.judge_few || single_run(&result.real);
    if !exempt && !eligible(figure.percentile, result.n, repeats) {
        // Where structure differs there are other things to say.
        if rules.tolerances.names(figure) && comparison.structure.agrees() {
            check_eligible(figure, result.n, repeats)?;
        }
        result.marks.push(Mark::Few);
        return Ok(false);
    }
    let stated = rules.stated_kappa.get(&figure).copied();
    let computed = match (&rules.kappa, stated) {
        (None, Some(_)) => return Err(CompareError::KappaUnknown { figure }),
        _ => result.kappa.unwrap_or(f64::NAN),
    };
    match held_to(goal, stated, computed) {
        Held::To(tolerance) => result.tolerance = Some(tolerance),
        Held::Wrong => result.marks.push(Mark::WrongKappa),
        Held::NotGated => {
            result.marks.push(Mark::Amplified);
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a figure that a case names can be judged from `n` samples in each of `repeats` repeats.
pub(super) fn check_eligible(figure: Figure, n: usize, repeats: usize) -> Result<(), CompareError> {
    if eligible(figure.percentile, n, repeats) {
        return Ok(());
    }
    let need = need(figure.percentile);
    let (need_n, need_total) = (need.samples, need.samples_times_repeats);
    Err(CompareError::Ineligible { figure, n, repeats, need_n, need_total })
}

fn all_zero(comparison: &Comparison, figure: Figure) -> bool {
    let runs = comparison.real_samples.iter().chain(&comparison.sim_samples);
    runs.into_iter().all(|s| s.percentiles(figure.metric)[figure.percentile as usize] == 0.0)
}

/// Too few processes to have a spread of their own, and nobody lent them one.
fn single_run(mean: &Mean) -> bool {
    mean.units < MIN_PROCESSES && !mean.lent && mean.freedom.is_some()
}

fn judge(result: &mut FigureResult, gated: usize, sim_side: &Side, rules: &Rules) {
    let Some(tolerance) = result.tolerance else { return };
    let single = single_run(&result.real) || (sim_side.measured() && single_run(&result.sim));
    let mut marks = Vec::new();
    if single {
        marks.push(Mark::SingleRun);
    }
    if result.sim.freedom.is_none() {
        marks.push(Mark::OnePrediction);
    }
    if result.noise.is_some_and(|h0| tolerance.drowns_in(h0)) && !single {
        marks.push(Mark::Noisy);
    }
    let difference = result.sim.value - result.real.value;
    let verdict = match result.estimate.filter(|_| !single) {
        _ if result.marks.contains(&Mark::WrongKappa) => Verdict::Outside,
        Some(estimate) => estimate.verdict(tolerance, gated),
        // Also where a zero on one side leaves no ratio.
        None if !tolerance.holds(difference) => Verdict::Outside,
        None => Verdict::Undecided,
    };
    if verdict == Verdict::Undecided && !single {
        result.advice = Some(advice(&result.real, &result.sim, tolerance, gated));
    }
    result.verdict = Some(if rules.other_machine {
        marks.push(Mark::OtherMachine);
        result.advice = None;
        Verdict::Undecided
    } else {
        verdict
    });
    result.marks.append(&mut marks);
}
