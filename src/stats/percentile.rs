//! Exact percentiles by linear interpolation between order statistics: Hyndman and Fan's type 7
//! (The American Statistician 50, 1996), which is numpy's default.

/// The percentiles `ps` (fractions in 0..=1, ascending) of `values`, found by selection.
/// Reorders `values`. Empty input gives NaN.
pub fn percentiles<const N: usize>(values: &mut [f64], ps: [f64; N]) -> [f64; N] {
    let mut from = 0;
    ps.map(|p| {
        if values.is_empty() {
            return f64::NAN;
        }
        let (low, fraction) = position(values.len(), p);
        // Everything before `from` is already at most what stands there, so the search goes on
        // to the right of it.
        if low >= from {
            values[from..].select_nth_unstable_by(low - from, f64::total_cmp);
            from = low + 1;
        }
        let below = values[low];
        if fraction == 0.0 {
            return below;
        }
        let above = values[low + 1..].iter().copied().fold(f64::INFINITY, f64::min);
        below + (above - below) * fraction
    })
}

/// The percentile `p` of values in ascending order.
pub fn percentile_sorted(values: &[f64], p: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let (low, fraction) = position(values.len(), p);
    if fraction == 0.0 {
        return values[low];
    }
    values[low] + (values[low + 1] - values[low]) * fraction
}

/// Index of the order statistic below the percentile, and how far on to the next it lies.
pub(super) fn position(n: usize, p: f64) -> (usize, f64) {
    let h = (n - 1) as f64 * p.clamp(0.0, 1.0);
    let low = (h.floor() as usize).min(n - 1);
    if low + 1 == n { (low, 0.0) } else { (low, h - low as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn interpolates_as_numpy_does() {
        // numpy.percentile([1, 2, 3, 4], [50, 90, 99]) = 2.5, 3.7, 3.97
        let found = percentiles(&mut [4.0, 1.0, 3.0, 2.0], [0.5, 0.9, 0.99]);
        for (found, expected) in found.into_iter().zip([2.5, 3.7, 3.97]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn one_value_is_every_percentile_and_none_is_nan() {
        assert_eq!(percentiles(&mut [7.0], [0.5, 0.9, 0.99]), [7.0; 3]);
        assert!(percentiles(&mut [], [0.5])[0].is_nan());
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(mut values in prop::collection::vec(0.0_f64..1e9, 1..200)) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let ps = [0.0, 0.5, 0.5, 0.9, 0.99, 1.0];
            let expected = ps.map(|p| percentile_sorted(&sorted, p));
            prop_assert_eq!(percentiles(&mut values, ps), expected);
        }
    }
}
