//! How far the simulated side may lie from the real one.

use std::collections::BTreeMap;

use super::figure::{Figure, Percentile};

/// A relative tolerance, as a fraction above 0 and below 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Tolerance(f64);

impl Tolerance {
    /// What a simulator should be held to where nothing else is said: 2, 3 and 5 % at p50, p90 and p99.
    pub fn goal(percentile: Percentile) -> Self {
        match percentile {
            Percentile::P50 => Self(0.02),
            Percentile::P90 => Self(0.03),
            Percentile::P99 => Self(0.05),
        }
    }

    /// A tolerance from its fraction (0.05 for 5 %), if it lies above 0 and below 1.
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        (fraction > 0.0 && fraction < 1.0).then_some(Self(fraction))
    }

    /// As a fraction.
    pub fn fraction(self) -> f64 {
        self.0
    }

    /// Whether noise of `h0` in `ln P` leaves too little of it: `2 h0 > T`, at the nearer bound.
    pub fn drowns_in(self, h0: f64) -> bool {
        2.0 * h0 > self.0.ln_1p()
    }

    /// Whether a log ratio sim / real lies inside: `ln(1 - tol) <= d <= ln(1 + tol)`.
    pub fn holds(self, log_ratio: f64) -> bool {
        (-self.0).ln_1p() <= log_ratio && log_ratio <= self.0.ln_1p()
    }
}

/// Which figures are gated, and how tightly.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Tolerances {
    /// None: no verdict on any figure.
    #[default]
    None,
    /// One for every figure that both sides have and that is eligible.
    Blanket(Tolerance),
    /// These figures; one that cannot be judged is an error.
    Figures(BTreeMap<Figure, Tolerance>),
}

impl Tolerances {
    /// The tolerance on `figure`.
    pub fn of(&self, figure: Figure) -> Option<Tolerance> {
        match self {
            Self::None => None,
            Self::Blanket(tolerance) => Some(*tolerance),
            Self::Figures(figures) => figures.get(&figure).copied(),
        }
    }

    /// Whether `figure` is gated by its own name.
    pub(super) fn names(&self, figure: Figure) -> bool {
        matches!(self, Self::Figures(figures) if figures.contains_key(&figure))
    }

    /// Whether nothing is gated.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_fraction_between_0_and_1() {
        for refused in [0.0, -0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Tolerance::from_fraction(refused), None);
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_ratio() {
        let five = Tolerance::from_fraction(0.05).unwrap();
        for (ratio, expected) in
            [(1.0499_f64, true), (1.0501, false), (0.9501, true), (0.9499, false)]
        {
            assert_eq!(five.holds(ratio.ln()), expected, "{ratio}");
        }
    }
}
