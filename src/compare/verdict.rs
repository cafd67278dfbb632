//! The verdict on one figure. Until intervals decide, it is the point estimate against the
//! tolerance; with fewer than three processes it can be red but never green.

use super::figure::Percentile;
use super::tolerance::Tolerance;

/// What a figure, or a case, comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The sides agree within the tolerance.
    Within,
    /// The data cannot tell.
    Undecided,
    /// They do not agree.
    Outside,
}

impl Verdict {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Undecided => "undecided",
            Self::Outside => "outside",
        }
    }
}

/// What a reader must know beside a figure's verdict, or instead of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Too few samples for a verdict on this percentile.
    Few,
    /// Fewer than three processes: never within.
    SingleRun,
    /// One prediction, deterministic or imported.
    OnePrediction,
    /// Decided by the point estimate, without an interval.
    PointEstimate,
    /// 0 ns on both sides: no ratio.
    NotGated,
}

impl Mark {
    /// The words in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Few => "few",
            Self::SingleRun => "single run",
            Self::OnePrediction => "one prediction",
            Self::PointEstimate => "point estimate",
            Self::NotGated => "not gated",
        }
    }
}

/// Processes below which nothing is within.
pub(super) const MIN_PROCESSES: usize = 3;

/// How many samples a percentile needs: `n (1-p) >= 3` and `n R (1-p) >= 15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    pub samples: usize,
    pub samples_times_repeats: usize,
}

pub(super) fn need(percentile: Percentile) -> Need {
    let tail = percentile.tail_per_hundred();
    Need { samples: 300_usize.div_ceil(tail), samples_times_repeats: 1500_usize.div_ceil(tail) }
}

/// Whether `n` samples in each of `repeats` repeats carry a verdict on `percentile`.
pub(super) fn eligible(percentile: Percentile, n: usize, repeats: usize) -> bool {
    let need = need(percentile);
    n >= need.samples && n * repeats >= need.samples_times_repeats
}

/// The verdict on a log ratio sim / real from `processes` real processes.
pub(super) fn judge(log_ratio: f64, tolerance: Tolerance, processes: usize) -> Verdict {
    match (tolerance.holds(log_ratio), processes < MIN_PROCESSES) {
        (false, _) => Verdict::Outside,
        (true, true) => Verdict::Undecided,
        (true, false) => Verdict::Within,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_samples_in_its_tail() {
        assert!(eligible(Percentile::P99, 300, 5));
        assert!(!eligible(Percentile::P99, 299, 50));
        assert!(!eligible(Percentile::P99, 300, 4));
        assert!(eligible(Percentile::P50, 6, 5));
        assert!(!eligible(Percentile::P50, 8, 1));
    }

    #[test]
    fn a_single_run_can_be_red_but_never_green() {
        let five = Tolerance::from_fraction(0.05).unwrap();
        assert_eq!(judge(0.0, five, 2), Verdict::Undecided);
        assert_eq!(judge(0.0, five, 3), Verdict::Within);
        assert_eq!(judge(0.1, five, 1), Verdict::Outside);
        assert_eq!(judge(f64::INFINITY, five, 5), Verdict::Outside);
        assert_eq!(judge(f64::NAN, five, 5), Verdict::Outside);
    }
}
