//! Means of few independent units, how well they are known, and Student's t.

use std::cell::RefCell;
use std::collections::HashMap;

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// The mean of independent units and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Variance of one unit, `s^2`; 0 for an exact value.
    pub variance: f64,
    /// Units behind the mean.
    pub units: usize,
    /// Degrees of freedom behind the variance; `None` where there is none to know.
    pub freedom: Option<usize>,
    /// Whether the variance was known before the units were.
    pub lent: bool,
}

impl Mean {
    /// A value without spread, such as one of a deterministic calculation.
    pub fn exact(value: f64) -> Self {
        Self { value, variance: 0.0, units: 1, freedom: None, lent: false }
    }

    /// The mean of `units`, with their own variance. One unit alone tells nothing of it.
    pub fn of(units: &[f64]) -> Self {
        let n = units.len();
        let value = units.iter().sum::<f64>() / n as f64;
        let squares: f64 = units.iter().map(|unit| (unit - value).powi(2)).sum();
        let variance = if n > 1 { squares / (n - 1) as f64 } else { 0.0 };
        Self { value, variance, units: n, freedom: Some(n.saturating_sub(1)), lent: false }
    }

    /// The same mean with a variance known from elsewhere.
    #[must_use]
    pub fn with_variance_of(self, other: &Self) -> Self {
        Self { variance: other.variance, freedom: other.freedom, lent: true, ..self }
    }

    /// As it would stand with `units` units of the same value and variance.
    #[must_use]
    pub fn with_units(self, units: usize) -> Self {
        let own = |freedom| if self.lent { freedom } else { units.saturating_sub(1) };
        Self { units, freedom: self.freedom.map(own), ..self }
    }

    /// Variance of the mean, `s^2 / n`.
    pub fn variance_of_mean(&self) -> f64 {
        self.variance / self.units as f64
    }
}

/// Degrees of freedom of the difference of two means (Welch, Biometrika 34, 1947; Satterthwaite,
/// Biometrics 2, 1946). A variance of 0 drops its term; `None` where both are 0.
pub fn welch_satterthwaite(a: &Mean, b: &Mean) -> Option<f64> {
    let term = |mean: &Mean| {
        let of_mean = mean.variance_of_mean();
        let freedom = mean.freedom.filter(|_| of_mean > 0.0)?;
        Some((of_mean, of_mean.powi(2) / freedom as f64))
    };
    let terms: Vec<(f64, f64)> = [a, b].into_iter().filter_map(term).collect();
    let (sum, squares) = terms.iter().fold((0.0, 0.0), |(v, s), (a, b)| (v + a, s + b));
    (!terms.is_empty()).then(|| sum.powi(2) / squares)
}

thread_local! {
    /// Quantiles for whole degrees of freedom, by the bits of (p, freedom): there are few, each is asked for
    /// again and again, and finding one takes a search.
    static QUANTILES: RefCell<HashMap<(u64, u64), f64>> = RefCell::default();
}

/// The quantile `p` of Student's t with `freedom` degrees of freedom; infinite for none.
pub fn student_t(p: f64, freedom: f64) -> f64 {
    if freedom.fract() != 0.0 {
        return quantile(p, freedom);
    }
    QUANTILES.with_borrow_mut(|known| {
        *known.entry((p.to_bits(), freedom.to_bits())).or_insert_with(|| quantile(p, freedom))
    })
}

fn quantile(p: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(distribution) if freedom > 0.0 && (0.0..=1.0).contains(&p) => {
            distribution.inverse_cdf(p)
        }
        _ => f64::INFINITY,
    }
}

/// The one of `values` that Grubbs' test takes for an outlier at level `alpha` (Technometrics 11,
/// 1969): its place. At least four values are needed.
pub fn outlier(values: &[f64], alpha: f64) -> Option<usize> {
    let n = values.len();
    let mean = Mean::of(values);
    if n < 4 || mean.variance <= 0.0 {
        return None;
    }
    let far = |value: &f64| (value - mean.value).abs() / mean.variance.sqrt();
    let (place, worst) =
        values.iter().map(far).enumerate().max_by(|a, b| f64::total_cmp(&a.1, &b.1))?;
    let count = n as f64;
    let t2 = student_t(1.0 - alpha / (2.0 * count), count - 2.0).powi(2);
    let critical = (count - 1.0) / count.sqrt() * (t2 / (count - 2.0 + t2)).sqrt();
    (worst > critical).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // R 4.3, qt().
        for (p, freedom, expected) in [
            (0.975, 4.0, 2.776_445_105),
            (0.975, 1.0, 12.706_204_736),
            (0.975, 9.0, 2.262_157_163),
            (0.99, 4.0, 3.746_947_388),
            (0.975, 30.0, 2.042_272_456),
            (0.975, 100.0, 1.983_971_519),
            (0.99, 19.0, 2.539_483_191),
        ] {
            let found = student_t(p, freedom);
            assert!((found - expected).abs() < 1e-5, "{p} {freedom}: {found}");
        }
        assert_eq!(student_t(0.975, 0.0), f64::INFINITY);
        assert_eq!(student_t(0.975, f64::NAN), f64::INFINITY);
    }

    #[test]
    fn an_outlier_is_found_and_ordinary_values_are_not() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.1: 245.57 stands out at 5 %.
        let mass = [199.31, 199.53, 200.19, 200.82, 201.92, 201.95, 202.18, 245.57];
        assert_eq!(outlier(&mass, 0.05), Some(7));
        assert_eq!(outlier(&mass[..7], 0.05), None);
        assert_eq!(outlier(&[1.0; 8], 0.05), None);
    }

    proptest! {
        #[test]
        fn welch_lies_between_the_smaller_freedom_and_their_sum(
            a in prop::collection::vec(-1.0_f64..1.0, 2..20),
            b in prop::collection::vec(-1.0_f64..1.0, 2..20),
        ) {
            let (a, b) = (Mean::of(&a), Mean::of(&b));
            prop_assume!(a.variance > 1e-9 && b.variance > 1e-9);
            let freedom = welch_satterthwaite(&a, &b).unwrap();
            let (low, high) = (a.units.min(b.units) - 1, a.units + b.units - 2);
            prop_assert!(freedom >= low as f64 - 1e-9 && freedom <= high as f64 + 1e-9);
        }

        #[test]
        fn quantiles_rise_with_p_and_fall_with_freedom(p in 0.6_f64..0.99, freedom in 1.0_f64..200.0) {
            prop_assert!(student_t(p, freedom) < student_t(p + 0.005, freedom));
            prop_assert!(student_t(p, freedom) > student_t(p, freedom + 1.0));
        }
    }
}
