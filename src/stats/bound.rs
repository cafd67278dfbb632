//! What a count of events says of their rate.

use statrs::distribution::{Beta, ContinuousCDF as _};

/// Of the bound.
const CONFIDENCE: f64 = 0.95;

/// The largest rate that `events` in `trials` leave likely at 95 %: the one-sided bound of Clopper and Pearson
/// (Biometrika 26, 1934); 1 without trials.
pub fn at_most(events: usize, trials: usize) -> f64 {
    if events >= trials {
        return 1.0;
    }
    let bound = Beta::new(events as f64 + 1.0, (trials - events) as f64);
    bound.map_or(1.0, |beta| beta.inverse_cdf(CONFIDENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // R 4.3: binom.test(k, n, alternative = "less", conf.level = 0.95)$conf.int[2]
        for (events, trials, expected) in
            [(0, 299, 0.009_969), (0, 10, 0.258_866), (1, 20, 0.216_109)]
        {
            let found = at_most(events, trials);
            assert!((found - expected).abs() < 2e-5, "{events}/{trials}: {found}");
        }
        assert!(at_most(0, 298) > 0.01 && at_most(0, 299) < 0.01);
        assert_eq!(at_most(0, 0), 1.0);
        assert_eq!(at_most(3, 3), 1.0);
    }
}
