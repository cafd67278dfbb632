//! Which points are worth a look: those that no other point beats.

/// For each point (cost, gain), whether it is on the Pareto front: no other point costs at most as much and gains at
/// least as much without being its equal. Points that are equal are on it together; one that holds NaN never is.
pub fn on_front(points: &[(f64, f64)]) -> Vec<bool> {
    let beats = |a: &(f64, f64), b: &(f64, f64)| a.0 <= b.0 && a.1 >= b.1 && a != b;
    let known = |point: &(f64, f64)| !point.0.is_nan() && !point.1.is_nan();
    points
        .iter()
        .map(|point| known(point) && !points.iter().any(|other| beats(other, point)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_front_rises_with_cost_and_keeps_equals() {
        let points = [(1.0, 10.0), (2.0, 9.0), (2.0, 15.0), (2.0, 15.0), (4.0, 15.0), (8.0, 20.0)];
        assert_eq!(on_front(&points), [true, false, true, true, false, true]);
        assert_eq!(on_front(&[(f64::NAN, 1.0), (1.0, 1.0)]), [false, true]);
    }

    proptest! {
        #[test]
        fn every_point_off_the_front_is_beaten_by_one_on_it(
            points in prop::collection::vec((0_u8..8, 0_u8..8), 1..40),
        ) {
            let points: Vec<(f64, f64)> =
                points.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).collect();
            let front = on_front(&points);
            let chosen: Vec<(f64, f64)> =
                points.iter().zip(&front).filter(|(_, on)| **on).map(|(p, _)| *p).collect();
            prop_assert!(!chosen.is_empty());
            for (point, on) in points.iter().zip(&front) {
                let beaten = chosen.iter().any(|c| c.0 <= point.0 && c.1 >= point.1 && c != point);
                prop_assert_eq!(*on, !beaten);
            }
        }

        #[test]
        fn along_the_front_more_cost_is_more_gain(
            points in prop::collection::vec((0.0_f64..8.0, 0.0_f64..8.0), 1..40),
        ) {
            let front = on_front(&points);
            let mut chosen: Vec<(f64, f64)> =
                points.iter().zip(&front).filter(|(_, on)| **on).map(|(p, _)| *p).collect();
            chosen.sort_by(|a, b| a.0.total_cmp(&b.0));
            chosen.dedup();
            prop_assert!(chosen.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
    }
}
