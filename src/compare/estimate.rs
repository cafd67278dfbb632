//! How far the sim side lies from the real one, and how well that is known. The unit is the process
//! on a measured side and the seed on a predicted one: requests are fixed, so they are no sample.

use super::tolerance::Tolerance;
use super::verdict::Verdict;
use crate::stats::{Mean, student_t, welch_satterthwaite};

/// Of the two-sided interval.
const CONFIDENCE: f64 = 0.95;
/// Wrong reds that a case may have when its error equals its tolerance.
pub(super) const WRONG_RED: f64 = 0.01;

/// A difference of two means of `ln P`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// `d = mean q - mean r`: `ln(sim / real)`.
    pub difference: f64,
    /// `sqrt(s_r^2 / K + s_q^2 / M)`.
    pub standard_error: f64,
    /// Degrees of freedom of the interval (Welch and Satterthwaite); infinite without any spread.
    pub interval_freedom: f64,
    /// Degrees of freedom of the test for outside: those of the side that knows less.
    pub outside_freedom: f64,
}

impl Estimate {
    /// The estimate from the means of `ln P` over real units and over sim units.
    pub fn new(real: &Mean, sim: &Mean) -> Self {
        let least = [real.freedom, sim.freedom].into_iter().flatten().min();
        let or_certain = |freedom: Option<f64>| freedom.unwrap_or(f64::INFINITY);
        Self {
            difference: sim.value - real.value,
            standard_error: (real.variance_of_mean() + sim.variance_of_mean()).sqrt(),
            // A spread that the real side lent to the sim side is one variance, not two.
            interval_freedom: or_certain(match real.freedom {
                Some(freedom) if sim.lent => Some(freedom as f64),
                _ => welch_satterthwaite(real, sim),
            }),
            outside_freedom: or_certain(least.map(|freedom| freedom as f64)),
        }
    }

    /// The 95 % interval of the difference.
    pub fn interval(&self) -> (f64, f64) {
        self.interval_with(self.interval_freedom)
    }

    fn interval_with(&self, freedom: f64) -> (f64, f64) {
        let reach = self.reach(0.5 + CONFIDENCE / 2.0, freedom);
        (self.difference - reach, self.difference + reach)
    }

    /// The same with another difference: `shift` farther, in `ln P`.
    #[must_use]
    pub fn shifted(self, shift: f64) -> Self {
        Self { difference: self.difference + shift, ..self }
    }

    /// `t sqrt(v)`; 0 without any spread.
    fn reach(&self, p: f64, freedom: f64) -> f64 {
        if self.standard_error == 0.0 { 0.0 } else { student_t(p, freedom) * self.standard_error }
    }

    /// The verdict, in a case that gates `gated` figures.
    ///
    /// Within when the whole interval lies inside the tolerance: a wrong green has at most 2.5 %. Outside
    /// when the difference still lies beyond it after a step towards zero that leaves 1 % over all
    /// gated figures. Else undecided.
    pub fn verdict(&self, tolerance: Tolerance, gated: usize) -> Verdict {
        if tolerance.holds(self.difference) {
            let inside = |freedom: f64| {
                let (low, high) = self.interval_with(freedom);
                tolerance.holds(low) && tolerance.holds(high)
            };
            // More degrees of freedom never widen it, and quantiles of whole ones are known already.
            let (fewer, more) = (self.interval_freedom.floor(), self.interval_freedom.ceil());
            let inside = inside(fewer) || (inside(more) && inside(self.interval_freedom));
            return if inside { Verdict::Within } else { Verdict::Undecided };
        }
        let reach = self.reach(1.0 - WRONG_RED / gated.max(1) as f64, self.outside_freedom);
        let moved = self.difference.signum() * (self.difference.abs() - reach).max(0.0);
        if tolerance.holds(moved) { Verdict::Undecided } else { Verdict::Outside }
    }
}

/// `h0 = t(.975, K-1) s_r / sqrt K`: what the real side's own scatter leaves open, in `ln P`. `None`
/// where nothing is known of the scatter.
pub fn noise(real: &Mean) -> Option<f64> {
    let freedom = real.freedom.filter(|&freedom| freedom > 0)?;
    let t = student_t(0.5 + CONFIDENCE / 2.0, freedom as f64);
    Some(t * real.variance_of_mean().sqrt())
}

/// Most processes and seeds that anybody is asked for.
const MOST_PROCESSES: usize = 100;
const MOST_SEEDS: usize = 1000;

/// What would decide a figure that is undecided, if its difference and spreads stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// So many fresh processes, recorded anew.
    Processes(usize),
    /// So many seeds.
    Seeds(usize),
    /// So many fresh processes and seeds.
    Both(usize, usize),
    /// Nothing: the error sits at the tolerance.
    AtTolerance,
    /// Nothing: the scatter between processes is too wide.
    TooNoisy,
    /// A recording: one live process cannot.
    Recording,
}

/// What would decide a figure that `real` and `sim` leave undecided.
pub fn advice(real: &Mean, sim: &Mean, tolerance: Tolerance, gated: usize) -> Advice {
    let decides = |processes: Option<usize>, seeds: Option<usize>| {
        let real = processes.map_or(*real, |n| real.with_units(n));
        let sim = seeds.map_or(*sim, |n| sim.with_units(n));
        Estimate::new(&real, &sim).verdict(tolerance, gated) != Verdict::Undecided
    };
    let more_seeds = sim.freedom.is_some();
    let processes = || real.units + 1..=MOST_PROCESSES;
    // Doubling is close enough for seeds, which cost next to nothing.
    let seeds = || std::iter::successors(Some(sim.units * 2), |n| Some(n * 2));
    let seeds = || seeds().take_while(|&n| more_seeds && n <= MOST_SEEDS);
    let by_seeds = || seeds().find(|&m| decides(None, Some(m))).map(Advice::Seeds);
    if real.lent {
        return by_seeds().unwrap_or(Advice::Recording);
    }
    if let Some(n) = processes().find(|&n| decides(Some(n), None)) {
        return Advice::Processes(n);
    }
    let by_both = || seeds().find(|&m| decides(Some(MOST_PROCESSES), Some(m)));
    let by_both = || by_both().map(|m| Advice::Both(MOST_PROCESSES, m));
    let h0 = noise(&real.with_units(MOST_PROCESSES)).unwrap_or(0.0);
    by_seeds().or_else(by_both).unwrap_or(match tolerance.drowns_in(h0) {
        true => Advice::TooNoisy,
        false => Advice::AtTolerance,
    })
}

/// The smallest number of processes up to 100 with whose noise a tolerance could be held: that for
/// which `2 h0 <= T`.
pub fn processes_for(real: &Mean, tolerance: Tolerance) -> Option<usize> {
    // Where no scatter was seen, none can be told for more of the same.
    real.freedom.filter(|&freedom| freedom > 0)?;
    let quiet =
        |n: &usize| noise(&real.with_units(*n)).is_some_and(|noise| !tolerance.drowns_in(noise));
    (3..=MOST_PROCESSES).find(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tolerance(fraction: f64) -> Tolerance {
        Tolerance::from_fraction(fraction).unwrap()
    }

    #[test]
    fn the_interval_is_welchs() {
        // R 4.3: t.test(c(1, 2, 3, 4, 5), c(2, 2.5, 3.5, 4)) has a mean difference of 0 and
        // df = 6.5967, 95 percent interval -2.000 to 2.000 (sqrt v = 0.8416).
        let real = Mean::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let sim = Mean::of(&[2.0, 2.5, 3.5, 4.0]);
        let estimate = Estimate::new(&real, &sim);
        assert!((estimate.standard_error - (0.5_f64 + 0.833_333_333 / 4.0).sqrt()).abs() < 1e-9);
        assert!((estimate.interval_freedom - 6.68).abs() < 0.2, "{estimate:?}");
        let (low, high) = estimate.interval();
        assert!((low + high).abs() < 1e-9 && (1.9..2.1).contains(&high), "{low} {high}");
    }

    #[test]
    fn without_spread_the_difference_decides() {
        let real = Mean::of(&[0.0; 5]);
        for (ratio, expected) in [(1.0499_f64, Verdict::Within), (1.0501, Verdict::Outside)] {
            let estimate = Estimate::new(&real, &Mean::exact(ratio.ln()));
            assert_eq!(estimate.verdict(tolerance(0.05), 1), expected);
        }
    }

    #[test]
    fn no_number_is_outside() {
        let real = Mean::of(&[0.0, 0.1, 0.2]);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let estimate = Estimate::new(&real, &Mean::exact(value));
            assert_eq!(estimate.verdict(tolerance(0.05), 1), Verdict::Outside, "{value}");
        }
    }

    #[test]
    fn advice_names_the_smallest_number_that_decides() {
        let real = Mean::of(&[-0.02, -0.01, 0.0, 0.01, 0.02]);
        let sim = Mean::exact(0.0);
        let Advice::Processes(n) = advice(&real, &sim, tolerance(0.015), 1) else { panic!() };
        let at = |n| Estimate::new(&real.with_units(n), &sim).verdict(tolerance(0.015), 1);
        assert_eq!((at(n - 1), at(n)), (Verdict::Undecided, Verdict::Within));
        let at_the_tolerance = Mean::exact(0.015_f64.ln_1p());
        assert_eq!(advice(&real, &at_the_tolerance, tolerance(0.015), 1), Advice::AtTolerance);
        let wide = Mean::of(&[-0.3, 0.3, 0.1, -0.1]);
        let quiet = Mean::of(&[0.0, 1e-4, -1e-4]);
        assert!(matches!(advice(&quiet, &wide, tolerance(0.05), 1), Advice::Seeds(_)));
    }

    proptest! {
        #[test]
        fn a_wider_tolerance_never_makes_a_green_red(
            d in -0.2_f64..0.2, se in 0.0_f64..0.1, tol in 0.01_f64..0.5, gated in 1_usize..12,
        ) {
            let estimate = Estimate { difference: d, standard_error: se, interval_freedom: 5.0, outside_freedom: 4.0 };
            let (tight, wide) = (estimate.verdict(tolerance(tol), gated), estimate.verdict(tolerance(tol * 1.5), gated));
            prop_assert!(tight != Verdict::Within || wide == Verdict::Within);
            prop_assert!(wide != Verdict::Outside || tight == Verdict::Outside);
        }
    }
}
