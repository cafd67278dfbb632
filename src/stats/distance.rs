//! How far two samples lie apart as wholes.

/// The Wasserstein-1 distance: the area between the two empirical distribution functions, in the unit of the
/// values. Both in ascending order; NaN where one is empty.
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let mut area = 0.0;
    walk(a, b, |share_a, share_b, width| area += (share_a - share_b).abs() * width);
    if a.is_empty() || b.is_empty() { f64::NAN } else { area }
}

/// The Kolmogorov-Smirnov statistic: the largest difference of the two empirical distribution functions, 0
/// to 1. Both in ascending order; NaN where one is empty.
pub fn kolmogorov(a: &[f64], b: &[f64]) -> f64 {
    let mut largest = 0.0_f64;
    walk(a, b, |share_a, share_b, _| largest = largest.max((share_a - share_b).abs()));
    if a.is_empty() || b.is_empty() { f64::NAN } else { largest }
}

/// Calls `visit` for every distinct value with the shares of both samples up to it, and the distance to the next
/// value.
fn walk(a: &[f64], b: &[f64], mut visit: impl FnMut(f64, f64, f64)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let head = |values: &[f64], at: usize| values.get(at).copied().unwrap_or(f64::INFINITY);
        let here = head(a, i).min(head(b, j));
        let (was_i, was_j) = (i, j);
        while i < a.len() && a[i] <= here {
            i += 1;
        }
        while j < b.len() && b[j] <= here {
            j += 1;
        }
        if (i, j) == (was_i, was_j) {
            // No number compares with nothing: there is no distance to tell.
            return visit(f64::NAN, 0.0, 0.0);
        }
        let next = head(a, i).min(head(b, j));
        let width = if next.is_finite() { next - here } else { 0.0 };
        visit(i as f64 / a.len() as f64, j as f64 / b.len() as f64, width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distances_are_those_of_scipy() {
        // scipy.stats.wasserstein_distance([0, 1, 3], [5, 6, 8]) = 5; ([0, 1], [0, 1, 3]) = 5/6;
        // ks_2samp([0, 1, 3], [5, 6, 8]).statistic = 1; ([0, 1], [0, 1, 3]) = 1/3.
        let (a, b) = ([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]);
        assert!((wasserstein(&a, &b) - 5.0).abs() < 1e-12);
        assert!((wasserstein(&a[..2], &a) - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(kolmogorov(&a, &b), 1.0);
        assert!((kolmogorov(&a[..2], &a) - 1.0 / 3.0).abs() < 1e-12);
        assert!(wasserstein(&[], &a).is_nan() && kolmogorov(&a, &[]).is_nan());
    }

    fn sorted() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.0_f64..100.0, 1..40).prop_map(|mut values| {
            values.sort_by(f64::total_cmp);
            values
        })
    }

    proptest! {
        #[test]
        fn both_are_metrics_and_a_shift_moves_the_first_by_itself(
            a in sorted(), b in sorted(), c in sorted(), shift in 0.0_f64..50.0
        ) {
            for distance in [wasserstein, kolmogorov] {
                prop_assert_eq!(distance(&a, &a), 0.0);
                prop_assert!((distance(&a, &b) - distance(&b, &a)).abs() < 1e-9);
                prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c) + 1e-9);
            }
            let moved: Vec<f64> = a.iter().map(|value| value + shift).collect();
            prop_assert!((wasserstein(&a, &moved) - shift).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&kolmogorov(&a, &b)));
        }

        #[test]
        fn of_equally_many_values_it_is_the_mean_distance_in_order(a in sorted(), b in sorted()) {
            let n = a.len().min(b.len());
            let mean = a.iter().zip(&b).take(n).map(|(x, y)| (x - y).abs()).sum::<f64>() / n as f64;
            prop_assert!((wasserstein(&a[..n], &b[..n]) - mean).abs() < 1e-9);
        }
    }
}
