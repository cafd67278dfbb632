//! Where the gap between prediction and truth comes from. One part of the prediction after another is replaced by
//! what a repeat with timed steps recorded, in every order; a part's share is the mean of what replacing it
//! changed (Shapley, Contributions to the Theory of Games II, 1953).

use crate::backend::{BackendError, Native};
use crate::compare::{Figure, Metric, Percentile, Tolerance, Tolerances, samples_of};
use crate::engine::{Detail, VirtualClock, serve};
use crate::run::Run;
use crate::stats::percentiles;
use crate::workload::Workload;

mod hybrid;
mod truth;

use hybrid::Hybrid;
use truth::Truth;

/// A part of the prediction that the recorded truth can replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Which requests each step serves.
    Plans,
    /// How long the GPU works.
    Gpu,
    /// How long the host does, before, beside and after the GPU.
    Host,
    /// When a step begins once there is work for it.
    Queueing,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plans, Self::Gpu, Self::Host, Self::Queueing];

    /// A name for readers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plans => "plan composition",
            Self::Gpu => "GPU time",
            Self::Host => "host spans",
            Self::Queueing => "queueing",
        }
    }
}

/// The parts that are known: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known(u8);

impl Known {
    fn has(self, part: Part) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    fn with(self, part: Part) -> Self {
        Self(self.0 | (1 << part as u8))
    }

    fn without(self, part: Part) -> Self {
        Self(self.0 & !(1 << part as u8))
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..1 << Part::ALL.len()).map(Self)
    }
}

/// Where the error of one figure comes from. Shares are differences of logarithms: about relative ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The figure.
    pub figure: Figure,
    /// ln of the simulated figure over the recorded one.
    pub error: f64,
    /// What each part contributes to it, by [`Part::ALL`].
    pub shares: [f64; 4],
    /// How wrong the figure still is when each part is the only one that is not known.
    pub alone: [f64; 4],
    /// What remains when all parts are known, less what timing costs: the traced repeat against the others.
    pub remainder: f64,
    /// ln of the figure with all parts known, as they were, over the traced repeat's.
    pub reproduced: f64,
}

impl Explained {
    /// The part that an error beyond `limit` comes from; `None` for a smaller error. It is the one that leaves
    /// most of the error when all others are known: plans also follow from times, so that a share of theirs may
    /// be what wrong times did.
    pub fn culprit(&self, limit: f64) -> Option<Part> {
        if !self.error.is_finite() || self.error.abs() <= limit {
            return None;
        }
        let left = |part: &Part| self.alone[*part as usize].abs();
        Part::ALL.into_iter().max_by(|a, b| left(a).total_cmp(&left(b)))
    }
}

/// The part that most figures' errors come from, as far as they lie beyond what `tolerances` allow; `None` where
/// none does. Where a case gates something, nothing else of it is blamed: it may be too noisy to tell.
pub fn culprit(explained: &[Explained], tolerances: &Tolerances) -> Option<Part> {
    let named = explained.iter().filter_map(|e| e.culprit(blamed_beyond(e, explained, tolerances)));
    let mut counts = [0; Part::ALL.len()];
    named.for_each(|part| counts[part as usize] += 1);
    let left = |part: Part| -> f64 { explained.iter().map(|e| e.alone[part as usize].abs()).sum() };
    // Of parts that are named equally often, the one that leaves more of the error.
    let order = |a: &Part, b: &Part| {
        counts[*a as usize].cmp(&counts[*b as usize]).then(left(*a).total_cmp(&left(*b)))
    };
    Part::ALL.into_iter().max_by(order).filter(|part| counts[*part as usize] > 0)
}

/// The error of `one` of the `explained` figures beyond which a part is blamed for it.
pub fn blamed_beyond(one: &Explained, explained: &[Explained], tolerances: &Tolerances) -> f64 {
    let gated = explained.iter().any(|e| tolerances.of(e.figure).is_some());
    let goal = (!gated).then(|| Tolerance::goal(one.figure.percentile));
    tolerances.of(one.figure).or(goal).map_or(f64::INFINITY, Tolerance::fraction)
}

/// The figures that are explained.
const METRICS: [Metric; 2] = [Metric::Ttft, Metric::Tbt];

/// What is explained, and by what.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The simulator whose error is explained.
    pub native: &'a Native,
    /// The same without a fault: what is recorded is taken apart by it.
    pub intact: &'a Native,
    /// What both serve.
    pub workload: &'a Workload,
    /// The repeat whose steps were timed on the GPU.
    pub traced: &'a Run,
    /// The recording's other repeats.
    pub recorded: &'a [Run],
    /// Simulations for each combination of known parts.
    pub seeds: u32,
}

impl Evidence<'_> {
    /// What timing a step on the GPU costs the host, ns: it is issued together with the step.
    fn tracing_ns(&self) -> f64 {
        let median = |runs: &[Run]| {
            let steps = runs.iter().flat_map(|run| &run.steps);
            let mut launches: Vec<f64> = steps.map(|step| step.launch_ns as f64).collect();
            percentiles(&mut launches, [0.5])[0]
        };
        let cost = median(std::slice::from_ref(self.traced)) - median(self.recorded);
        if cost > 0.0 { cost } else { 0.0 }
    }
}

/// Explains the error of a simulator, figure by figure.
///
/// # Errors
/// A step that cannot be predicted, or a repeat whose steps were not timed.
pub fn explain(evidence: Evidence<'_>) -> Result<Vec<Explained>, BackendError> {
    let Evidence { traced, native, intact, .. } = evidence;
    let as_recorded = Truth::new(traced, native.gpu()?, intact.gpu()?)?;
    let truth = as_recorded.less_tracing(evidence.tracing_ns());
    let mut values = Vec::new();
    for known in Known::all() {
        values.push(value(evidence, &truth, known)?);
    }
    let again = value(evidence, &as_recorded, Known(15))?;
    let of_trace = figures(traced);
    let recorded = log_figures(evidence.recorded);
    let mut all = Vec::new();
    for (place, (figure, traced)) in of_trace.into_iter().enumerate() {
        let at = |known: Known| values[usize::from(known.0)][place];
        let (simulated, complete) = (at(Known(0)), at(Known(15)));
        if recorded[place].is_finite() {
            all.push(Explained {
                figure,
                error: simulated - recorded[place],
                shares: Part::ALL.map(|part| -shapley(part, &at)),
                alone: Part::ALL.map(|part| at(Known(15).without(part)) - complete),
                remainder: complete - recorded[place],
                reproduced: again[place] - traced,
            });
        }
    }
    Ok(all)
}

/// The mean over runs of ln of every explained figure.
fn log_figures(runs: &[Run]) -> Vec<f64> {
    let mut sums = vec![0.0; METRICS.len() * Percentile::ALL.len()];
    for run in runs {
        for (sum, (_, value)) in sums.iter_mut().zip(figures(run)) {
            *sum += value / runs.len() as f64;
        }
    }
    sums
}

/// What making `part` known changes, the mean over all orders in which parts become known.
fn shapley(part: Part, value: &dyn Fn(Known) -> f64) -> f64 {
    let parts = Part::ALL.len();
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    let without = Known::all().filter(|known| !known.has(part));
    without
        .map(|known| {
            let size = known.0.count_ones() as usize;
            let orders = factorial(size) * factorial(parts - 1 - size) / factorial(parts);
            orders * (value(known.with(part)) - value(known))
        })
        .sum()
}

/// ln of every figure with some parts known, the mean over seeds.
fn value(evidence: Evidence<'_>, truth: &Truth, known: Known) -> Result<Vec<f64>, BackendError> {
    let Evidence { native, workload, traced, seeds, .. } = evidence;
    let failed = |error: String| BackendError::Failed(error);
    // Nothing is drawn where GPU and host are known.
    let drawn = !(known.has(Part::Gpu) && known.has(Part::Host));
    let mut runs = Vec::new();
    for seed in 0..if drawn { u64::from(seeds.max(1)) } else { 1 } {
        let run = if known.has(Part::Plans) {
            let hybrid = Hybrid::new(truth, native.gpu()?, known, seed);
            hybrid.replay(traced).map_err(|error| failed(error.to_string()))?
        } else {
            let mut hybrid = Hybrid::new(truth, native.gpu()?, known, seed);
            let mut clock = VirtualClock::default();
            let (engine, limits) = (native.scheduler(), native.limits());
            serve(workload, engine, limits, Detail::Steps, &mut hybrid, &mut clock)
                .map_err(|error| failed(error.to_string()))?
                .run
        };
        runs.push(run);
    }
    Ok(log_figures(&runs))
}

/// ln of the explained figures of a run.
fn figures(run: &Run) -> Vec<(Figure, f64)> {
    let samples = samples_of(run);
    let of = |metric: Metric| {
        let values = samples.percentiles(metric);
        Percentile::ALL
            .into_iter()
            .zip(values)
            .map(move |(percentile, value)| (Figure { metric, percentile }, value.ln()))
    };
    METRICS.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up_to_the_whole_and_a_part_without_effect_has_none(
            values in prop::array::uniform8(-1.0_f64..1.0)
        ) {
            // Queueing, the highest bit, changes nothing.
            let value = |known: Known| values[usize::from(known.0 & 7)];
            let shares = Part::ALL.map(|part| shapley(part, &value));
            prop_assert!((shares.iter().sum::<f64>() - (values[7] - values[0])).abs() < 1e-12);
            prop_assert!(shares[3].abs() < 1e-12);
        }
    }

    #[test]
    fn the_culprit_is_what_leaves_most_of_the_error() {
        let figure = Figure { metric: Metric::Tbt, percentile: Percentile::ALL[0] };
        let explained = |error, alone| Explained {
            figure,
            error,
            shares: alone,
            alone,
            remainder: 0.0,
            reproduced: 0.0,
        };
        assert_eq!(explained(-0.1, [0.05, -0.15, 0.0, 0.0]).culprit(0.02), Some(Part::Gpu));
        assert_eq!(explained(0.01, [0.05, -0.04, 0.0, 0.0]).culprit(0.02), None);
    }
}
