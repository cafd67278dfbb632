//! What a case would come to if it were recorded and predicted again and again: draws from the scatter that its
//! processes and seeds show, figures together, as they vary together.

use std::collections::BTreeMap;

use crate::compare::{Estimate, Figure, GatedFigure, Verdict};
use crate::stats::{Mean, Random};

/// Draws behind every rate.
const DRAWS: usize = 20_000;
/// Share of draws in which a shift must turn a figure red to be detectable.
const POWER: f64 = 0.8;
/// Where the search for the smallest detectable shift ends, in `ln P`: what e-fold moves is beyond doubt.
const LARGEST: f64 = 3.0;
/// How finely it ends.
const RESOLUTION: f64 = 1e-4;

/// Shares of draws of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// In which a figure is outside.
    pub outside: f64,
    /// In which none is, but one is undecided.
    pub undecided: f64,
}

/// The scatter of a side: for each unit, how far each figure lies from the mean of all units.
struct Scatter {
    /// By unit, then by figure.
    deviations: Vec<Vec<f64>>,
    exact: bool,
}

impl Scatter {
    fn new<'a>(figures: impl Iterator<Item = &'a [f64]>, exact: bool) -> Self {
        let figures: Vec<&[f64]> = figures.collect();
        let units = figures.first().map_or(0, |units| units.len());
        let means: Vec<f64> = figures.iter().map(|units| Mean::of(units).value).collect();
        let of_unit = |unit: usize| {
            figures.iter().zip(&means).map(|(units, mean)| units[unit] - mean).collect()
        };
        Self { deviations: (0..units).map(of_unit).collect(), exact }
    }

    /// As many new units as there were, normal with their covariance: sums of the deviations with normal
    /// weights have it exactly. One mean a figure.
    fn draw(&self, figures: usize, random: &mut Random) -> Vec<Mean> {
        if self.exact {
            return vec![Mean::exact(0.0); figures];
        }
        let n = self.deviations.len();
        let scale = 1.0 / ((n.max(2) - 1) as f64).sqrt();
        let unit = |_| {
            let mut drawn = vec![0.0; figures];
            for deviation in &self.deviations {
                let weight = scale * random.normal();
                drawn.iter_mut().zip(deviation).for_each(|(sum, value)| *sum += weight * value);
            }
            drawn
        };
        let units: Vec<Vec<f64>> = (0..n).map(unit).collect();
        let of_figure = |figure: usize| units.iter().map(|unit| unit[figure]).collect::<Vec<f64>>();
        (0..figures).map(|figure| Mean::of(&of_figure(figure))).collect()
    }
}

/// What `count` new recordings and predictions of gated figures would be estimated at, were the true error zero:
/// by figure, then by draw.
fn draw(gated: &[GatedFigure], count: usize) -> Vec<Vec<Estimate>> {
    let real: Vec<Vec<f64>> = gated.iter().map(GatedFigure::real_units).collect();
    let real = Scatter::new(real.iter().map(Vec::as_slice), false);
    let exact = gated.iter().any(|figure| figure.sim.len() < 2);
    let sim = Scatter::new(gated.iter().map(|figure| figure.sim.as_slice()), exact);
    let mut random = Random::new(0, 0);
    let mut estimates = vec![Vec::with_capacity(count); gated.len()];
    for _ in 0..count {
        let (real, sim) = (real.draw(gated.len(), &mut random), sim.draw(gated.len(), &mut random));
        for (figure, of_figure) in estimates.iter_mut().enumerate() {
            of_figure.push(Estimate::new(&real[figure], &sim[figure]));
        }
    }
    estimates
}

/// The rates of a case whose sim error is zero, and of one whose error is half of every tolerance, the worse of both
/// signs; then the smallest detectable shift of each figure, as a fraction. The case judges `count` figures and
/// distances; the rates are of its figures alone.
pub fn rates(gated: &[GatedFigure], count: usize) -> ([Rates; 2], BTreeMap<Figure, f64>) {
    let drawn = draw(gated, DRAWS);
    let at = |share: f64| {
        let (mut outside, mut undecided) = (0, 0);
        for place in 0..DRAWS {
            let verdict = gated.iter().zip(&drawn).map(|(figure, estimates)| {
                let shift = (share * figure.tolerance.fraction()).ln_1p();
                estimates[place].shifted(shift).verdict(figure.tolerance, count)
            });
            match verdict.max() {
                Some(Verdict::Outside) => outside += 1,
                Some(Verdict::Undecided) => undecided += 1,
                _ => {}
            }
        }
        let share = |count: usize| count as f64 / DRAWS as f64;
        Rates { outside: share(outside), undecided: share(undecided) }
    };
    let smallest = |(figure, estimates): (&GatedFigure, &Vec<Estimate>)| {
        (figure.figure, min_detectable(figure, estimates, count))
    };
    let (up, down) = (at(0.5), at(-0.5));
    let half = Rates {
        outside: up.outside.max(down.outside),
        undecided: up.undecided.max(down.undecided),
    };
    ([at(0.0), half], gated.iter().zip(&drawn).map(smallest).collect())
}

/// The smallest shift, as a fraction, that turns a figure red in 80 % of `estimates`, by bisection; the larger of
/// those of both signs. Infinite where none does.
fn min_detectable(figure: &GatedFigure, estimates: &[Estimate], count: usize) -> f64 {
    let red = |shift: f64| {
        let outside = |estimate: &&Estimate| {
            estimate.shifted(shift).verdict(figure.tolerance, count) == Verdict::Outside
        };
        estimates.iter().filter(outside).count() as f64 >= POWER * estimates.len() as f64
    };
    let of_sign = |sign: f64| {
        if !red(sign * LARGEST) {
            return f64::INFINITY;
        }
        let (mut low, mut high) = (0.0, LARGEST);
        while high - low > RESOLUTION {
            let middle = 0.5 * (low + high);
            if red(sign * middle) { high = middle } else { low = middle }
        }
        (sign * high).exp_m1().abs()
    };
    of_sign(1.0).max(of_sign(-1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Metric, Percentile, Tolerance};

    fn gated(spread: f64, tolerance: f64, metric: Metric) -> GatedFigure {
        let units = [-1.0, -0.5, 0.0, 0.5, 1.0];
        GatedFigure {
            figure: Figure { metric, percentile: Percentile::P50 },
            tolerance: Tolerance::from_fraction(tolerance).unwrap(),
            real: units.iter().map(|unit| vec![spread * unit]).collect(),
            sim: units.iter().map(|unit| 1.0 + 0.1 * spread * unit).collect(),
        }
    }

    #[test]
    fn without_scatter_the_tolerance_itself_is_detectable_and_nothing_is_red() {
        let exact = GatedFigure { sim: vec![0.0], ..gated(0.0, 0.05, Metric::Ttft) };
        let (rates, smallest) = rates(std::slice::from_ref(&exact), 1);
        assert_eq!(rates, [Rates { outside: 0.0, undecided: 0.0 }; 2]);
        assert!((smallest[&exact.figure] - 0.05).abs() < 1e-3, "{smallest:?}");
    }

    #[test]
    fn scatter_makes_small_shifts_invisible_and_tight_tolerances_undecided() {
        let (_, quiet) = rates(&[gated(0.002, 0.02, Metric::Ttft)], 1);
        let (rates, loud) = rates(&[gated(0.02, 0.02, Metric::Ttft)], 1);
        assert!(quiet.values().all(|&shift| (0.02..0.03).contains(&shift)), "{quiet:?}");
        assert!(loud.values().all(|&shift| shift > 0.05), "{loud:?}");
        // The rule promises at most 1 % at the tolerance itself; at zero it is far less.
        assert!(rates[0].outside < 0.01 && rates[0].undecided > 0.2, "{rates:?}");
        assert!(rates[1].undecided > rates[0].undecided, "{rates:?}");
    }

    #[test]
    fn drawn_units_have_the_covariance_of_the_recorded_ones() {
        // Two figures that always move together: so do they in every draw.
        let figures = [gated(0.01, 0.02, Metric::Ttft), gated(0.02, 0.02, Metric::Tbt)];
        let drawn = draw(&figures, 4_000);
        let mut squares = 0.0;
        for (a, b) in drawn[0].iter().zip(&drawn[1]) {
            assert!((2.0 * a.difference - b.difference).abs() < 1e-12);
            squares += a.difference.powi(2);
        }
        // Variance of the mean: s^2 / 5 of the real side and a hundredth of that of the sim side.
        let expected = 1.01 * 0.01_f64.powi(2) * 0.625 / 5.0;
        let found = squares / 4_000.0;
        assert!((found / expected - 1.0).abs() < 0.1, "{found} {expected}");
    }
}
