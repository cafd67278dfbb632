//! Numbers without domain words: percentiles, means and how well they are known. Every room may use them.

mod bound;
mod components;
mod distance;
mod passes;
mod percentile;
mod random;
mod spread;

pub use bound::at_most;
pub use components::Components;
pub use distance::{kolmogorov, wasserstein};
pub use passes::percentiles_in_passes;
pub use percentile::{percentile_sorted, percentiles};
pub use random::Random;
pub use spread::{Mean, outlier, student_t, welch_satterthwaite};

/// Geometric mean of positive values; NaN for none.
///
/// Scaled by the first value, so that the mean of equal values is that value to the last bit.
pub fn geometric_mean(values: &[f64]) -> f64 {
    let Some(&first) = values.first() else { return f64::NAN };
    let sum: f64 = values.iter().map(|v| (v / first).ln()).sum();
    first * (sum / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_mean_of_one_value_is_that_value() {
        assert_eq!(geometric_mean(&[17_283_962.5]), 17_283_962.5);
    }

    proptest! {
        #[test]
        fn geometric_means_lie_between_the_extremes(values in prop::collection::vec(1.0_f64..1e12, 1..20)) {
            let mean = geometric_mean(&values);
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            prop_assert!(mean >= low * (1.0 - 1e-12) && mean <= high * (1.0 + 1e-12));
        }
    }
}
