//! Load amplifies: near saturation a step-time error of 1 % becomes several percent of TTFT. How
//! much, and what that does to a tolerance.

use super::error::CompareError;
use super::figure::{Figure, Metric, Percentile};
use super::join::join;
use super::samples::{log_percentiles, samples};
use super::side::{Kappas, Side};
use super::tolerance::{Tolerance, Tolerances};

/// Up to this amplification a case has to hold its tolerance as it is.
const FREE: f64 = 2.0;
/// How far the stated amplification may lie from the computed one, as a share of that.
const AGREEMENT: f64 = 0.2;
/// Step-time errors, one in so many, whose amplified size a tolerance may grow to: 1 %.
const STEP_ERROR: f64 = 100.0;
/// Widest tolerance that amplification excuses; beyond, the figure is not gated.
const WIDEST: f64 = 0.10;

/// `kappa = dlnP / dln(step time)` of each figure: the mean over seeds of the slope between runs whose
/// steps are `fast_scale` and `slow_scale` times as long as predicted. Both sides are of the same seeds, in order.
///
/// # Errors
/// Sides of unlike requests.
pub fn amplification(
    (fast, fast_scale): (&Side, f64),
    (slow, slow_scale): (&Side, f64),
) -> Result<Kappas, CompareError> {
    let (joined, _) = join(fast, slow, None)?;
    let step = (slow_scale / fast_scale).ln();
    let mut kappas = Kappas::new();
    let take = |side: &Side| -> Vec<_> {
        let of = |run| samples(run, &joined, false, side.boundary, true);
        side.runs.iter().map(of).collect()
    };
    let (fast, slow) = (take(fast), take(slow));
    for metric in Metric::ALL {
        let pairs = log_percentiles(&fast, metric).into_iter().zip(log_percentiles(&slow, metric));
        let slopes: Vec<[f64; 3]> =
            pairs.map(|(fast, slow)| std::array::from_fn(|i| (slow[i] - fast[i]) / step)).collect();
        for (i, percentile) in Percentile::ALL.into_iter().enumerate() {
            let mean = slopes.iter().map(|slope| slope[i]).sum::<f64>() / slopes.len() as f64;
            if mean.is_finite() {
                kappas.insert(Figure { metric, percentile }, mean);
            }
        }
    }
    Ok(kappas)
}

/// The tolerances of a case as the amplification that it states widens them, before anything was computed.
pub fn widened(tolerances: &Tolerances, stated: &[(Figure, f64)]) -> Tolerances {
    let Tolerances::Figures(figures) = tolerances else { return tolerances.clone() };
    let mut figures = figures.clone();
    for (figure, kappa) in stated {
        let most = WIDEST * STEP_ERROR;
        let kappa = kappa.min(most);
        let held = figures.get(figure).map(|&goal| held_to(goal, Some(kappa), kappa));
        match held {
            Some(Held::To(tolerance)) => figures.insert(*figure, tolerance),
            _ => None,
        };
    }
    Tolerances::Figures(figures)
}

/// What amplification makes of a figure's tolerance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Held {
    /// The figure is held to this.
    To(Tolerance),
    /// It is not gated: the load amplifies too much.
    NotGated,
    /// The case states another amplification than there is.
    Wrong,
}

/// What a figure is held to whose case asks for `goal` and states an amplification of `stated`, where
/// `computed` is the true one.
pub(super) fn held_to(goal: Tolerance, stated: Option<f64>, computed: f64) -> Held {
    let Some(stated) = stated else { return Held::To(goal) };
    let agrees = computed > FREE && (stated - computed).abs() <= AGREEMENT * computed;
    if !agrees {
        return Held::Wrong;
    }
    // The true amplification decides what is gated: a stated one may be a fifth too large.
    if computed / STEP_ERROR > WIDEST {
        return Held::NotGated;
    }
    let widest = goal.fraction().max((stated / STEP_ERROR).min(WIDEST));
    Tolerance::from_fraction(widest).map_or(Held::To(goal), Held::To)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(goal: f64, stated: Option<f64>, computed: f64) -> Held {
        held_to(Tolerance::from_fraction(goal).unwrap(), stated, computed)
    }

    #[test]
    fn a_tolerance_widens_only_by_a_stated_and_true_amplification() {
        let to = |fraction| Held::To(Tolerance::from_fraction(fraction).unwrap());
        assert_eq!(held(0.02, None, 4.0), to(0.02));
        assert_eq!(held(0.02, Some(4.0), 4.1), to(0.04));
        assert_eq!(held(0.05, Some(4.1), 4.0), to(0.05));
        assert_eq!(held(0.02, Some(4.9), 4.0), Held::Wrong);
        assert_eq!(held(0.02, Some(3.1), 4.0), Held::Wrong);
        assert_eq!(held(0.02, Some(2.1), 2.0), Held::Wrong);
        assert_eq!(held(0.02, Some(10.0), 10.0), to(0.1));
        assert_eq!(held(0.02, Some(11.9), 10.0), to(0.1));
        assert_eq!(held(0.02, Some(9.9), 10.1), Held::NotGated);
        assert_eq!(held(0.02, Some(3.0), f64::NAN), Held::Wrong);
    }
}
