//! What a figure comes to, and which figures can come to anything.

use super::figure::Percentile;

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
    /// 0 ns on both sides: no ratio.
    NotGated,
    /// Load amplifies step-time errors so much that the figure is not gated.
    Amplified,
    /// The case states an amplification that is not the computed one.
    WrongKappa,
    /// The real side's scatter takes up more than half of the tolerance.
    Noisy,
    /// The live run and the profile are of different machines.
    OtherMachine,
}

impl Mark {
    /// The words in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Few => "few",
            Self::SingleRun => "single run",
            Self::OnePrediction => "one prediction",
            Self::NotGated => "not gated",
            Self::Amplified => "not gated: amplified",
            Self::WrongKappa => "kappa is not the stated one",
            Self::Noisy => "noisy",
            Self::OtherMachine => "other machine",
        }
    }
}

/// Processes below which nothing is within.
pub const MIN_PROCESSES: usize = 3;

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
    n >= need.samples && n.saturating_mul(repeats) >= need.samples_times_repeats
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
}
