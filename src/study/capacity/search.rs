//! The search: the highest rate at which the targets hold.
//!
//! Rates are tried on a ladder around the one that it begins at: `start x (1 + precision)^k` for whole `k`. It
//! moves by doublings up or halvings down until a rate that meets the targets lies below one that does not, and then
//! halves the number of rungs between the two until they are neighbours.
//!
//! What is found is a rate `r` that was tried and meets the targets, where `r x (1 + precision)` was tried and does
//! not. Latency need not rise with the rate everywhere: one batch may happen to fall better at a higher one. Where it
//! does not, there may be other rates of that kind, and the search finds the one that lies on its path.

/// Most doublings above the rate that a search begins at: a factor of 1e9.
pub const DOUBLINGS: u32 = 30;
/// Most halvings below it: a factor of 1e6. Lower, a run would span years.
pub const HALVINGS: u32 = 20;

/// How close the search comes: the ratio of neighbouring rates, less 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision(f64);

impl Precision {
    /// From 0.01 % to 100 %; `None` beyond.
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        (1e-4..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// The rate `rungs` above `start`.
    fn rate(self, start: f64, rungs: i64) -> f64 {
        // The portable function: rates are the same on every machine.
        start * libm::pow(1.0 + self.0, rungs as f64)
    }

    /// The rungs of a doubling: of the powers of `1 + precision`, the least that is 2 or more.
    fn doubling(self) -> i64 {
        (std::f64::consts::LN_2 / libm::log1p(self.0)).ceil().max(1.0) as i64
    }

    /// Most rates that a search tries.
    pub fn most_simulations(self) -> u32 {
        // The first, the doublings, and one for each halving of a doubling's rungs.
        1 + DOUBLINGS.max(HALVINGS) + self.doubling().ilog2() + 1
    }
}

/// What a search comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The rate meets the targets, and the next one does not.
    Found,
    /// The targets hold at every rate tried, and this is the highest.
    Unbounded,
    /// The targets hold at no rate tried, and this is the lowest.
    Never,
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// What it comes to.
    pub outcome: Outcome,
    /// The rate, per second.
    pub rate: f64,
    /// What was found there.
    pub at_rate: T,
    /// Rates that were tried.
    pub simulations: u32,
}

/// Searches from `start`, per second, above 0. `meets` says whether a rate meets the targets, and what was found
/// there.
///
/// # Errors
/// The first of `meets`.
pub fn search<T, E>(
    start: f64,
    precision: Precision,
    mut meets: impl FnMut(f64) -> Result<(bool, T), E>,
) -> Result<Answer<T>, E> {
    let mut simulations = 0;
    let mut try_rung = |rung: i64| {
        simulations += 1;
        let rate = precision.rate(start, rung);
        meets(rate).map(|(held, found)| (held, rate, found))
    };
    let (up, mut rate, mut at_rate) = try_rung(0)?;
    let step = if up { precision.doubling() } else { -precision.doubling() };
    // The last rung that was like the first, and the first that was not.
    let (mut like, mut unlike) = (0, None);
    for n in 1..=i64::from(if up { DOUBLINGS } else { HALVINGS }) {
        let (held, r, found) = try_rung(n * step)?;
        if held != up {
            if held {
                (rate, at_rate) = (r, found);
            }
            unlike = Some(n * step);
            break;
        }
        (like, rate, at_rate) = (n * step, r, found);
    }
    let Some(unlike) = unlike else {
        let outcome = if up { Outcome::Unbounded } else { Outcome::Never };
        return Ok(Answer { outcome, rate, at_rate, simulations });
    };
    let (mut low, mut high) = (like.min(unlike), like.max(unlike));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let (held, r, found) = try_rung(middle)?;
        if held {
            (low, rate, at_rate) = (middle, r, found);
        } else {
            high = middle;
        }
    }
    Ok(Answer { outcome: Outcome::Found, rate, at_rate, simulations })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn precision(fraction: f64) -> Precision {
        Precision::from_fraction(fraction).unwrap()
    }

    fn found(start: f64, p: Precision, mut meets: impl FnMut(f64) -> bool) -> Answer<f64> {
        search(start, p, |rate| Ok::<_, Infallible>((meets(rate), rate))).unwrap()
    }

    #[test]
    fn what_has_no_bound_says_how_far_it_was_tried() {
        let p = precision(0.01);
        let always = found(1.0, p, |_| true);
        assert_eq!((always.outcome, always.simulations), (Outcome::Unbounded, 1 + DOUBLINGS));
        assert!(always.rate > 1e9, "{always:?}");
        let never = found(1.0, p, |_| false);
        assert_eq!((never.outcome, never.simulations), (Outcome::Never, 1 + HALVINGS));
        assert!(never.rate < 1e-6 * 1.1, "{never:?}");
    }

    #[test]
    fn an_error_ends_the_search() {
        let result = search(1.0, precision(0.01), |rate| match rate {
            r if r > 3.0 => Err("too fast"),
            _ => Ok((true, ())),
        });
        assert_eq!(result.unwrap_err(), "too fast");
    }

    #[test]
    fn a_precision_is_neither_none_nor_a_factor_beyond_two() {
        for fraction in [0.0, 1e-9, 1.1, f64::NAN] {
            assert_eq!(Precision::from_fraction(fraction), None, "{fraction}");
        }
    }

    proptest! {
        #[test]
        fn a_step_is_found_within_the_precision(
            start in 1e-2_f64..1e3, log_ratio in -12.0_f64..18.0, fraction in 1e-3_f64..1.0,
        ) {
            let p = precision(fraction);
            let edge = start * log_ratio.exp();
            let answer = found(start, p, |rate| rate <= edge);
            prop_assert_eq!(answer.outcome, Outcome::Found);
            prop_assert!(answer.rate <= edge && edge < answer.rate * (1.0 + fraction) * (1.0 + 1e-9));
            prop_assert_eq!(answer.at_rate, answer.rate);
            prop_assert!(answer.simulations <= p.most_simulations());
        }

        #[test]
        fn without_order_the_rate_meets_and_the_next_one_tried_does_not(
            start in 1e-2_f64..1e3, seed in any::<u64>(), fraction in 1e-3_f64..1.0,
        ) {
            // Meets or not as a hash of the rate says: no order at all.
            let holds = |rate: f64| {
                (rate.to_bits() ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).count_ones().is_multiple_of(2)
            };
            let mut tried = Vec::new();
            let answer = found(start, precision(fraction), |rate| {
                tried.push(rate);
                holds(rate)
            });
            prop_assert_eq!(tried.len(), answer.simulations as usize);
            if answer.outcome == Outcome::Found {
                prop_assert!(tried.contains(&answer.rate) && holds(answer.rate));
                let next = answer.rate * (1.0 + fraction);
                let neighbour = tried.iter().find(|rate| (*rate / next - 1.0).abs() < 1e-9);
                prop_assert!(neighbour.is_some_and(|rate| !holds(*rate)));
            }
        }
    }
}
