//! The sizes that steps on a GPU are padded to. A captured graph has fixed sizes, so every step runs in
//! the smallest bucket that holds it; launched one by one, kernels run over the same buckets.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::batch::Batch;

/// What kinds of sequences a step has; decides which attention kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepKind {
    /// One token each.
    Decode,
    /// Chunks of several tokens.
    Prefill,
    /// Both.
    Mixed,
}

/// The size of a step, exact or padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepSize {
    /// What it consists of.
    pub kind: StepKind,
    /// Packed tokens.
    pub tokens: u32,
    /// Sequences.
    pub sequences: u32,
}

impl StepSize {
    /// The exact size of a batch.
    pub fn of(batch: &Batch) -> Self {
        Self::of_tokens(batch.sequences.iter().map(|sequence| sequence.tokens))
    }

    /// The exact size of a step over sequences of so many tokens each.
    pub fn of_tokens(tokens: impl Iterator<Item = u32>) -> Self {
        let (mut sequences, mut singles, mut all) = (0, 0, 0_u32);
        for tokens in tokens {
            sequences += 1;
            singles += u32::from(tokens == 1);
            all = all.saturating_add(tokens);
        }
        let kind = match singles {
            0 => StepKind::Prefill,
            n if n == sequences => StepKind::Decode,
            _ => StepKind::Mixed,
        };
        Self { kind, tokens: all, sequences }
    }

    /// Whether sequences of one token take part.
    pub fn decodes(&self) -> bool {
        self.kind != StepKind::Prefill
    }

    /// Whether a step of size `step` may be padded to this one.
    pub fn holds(self, step: Self) -> bool {
        self.kind == step.kind && self.tokens >= step.tokens && self.sequences >= step.sequences
    }

    /// Whether sequences of several tokens take part.
    pub fn prefills(&self) -> bool {
        self.kind != StepKind::Decode
    }
}

impl fmt::Display for StepSize {
    /// As in the column `bucket` of `step_metrics.csv`: `decode-8`, `mixed-512x16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, sequences, .. } = self;
        match self.kind {
            StepKind::Decode => write!(f, "decode-{sequences}"),
            StepKind::Prefill => write!(f, "prefill-{tokens}x{sequences}"),
            StepKind::Mixed => write!(f, "mixed-{tokens}x{sequences}"),
        }
    }
}

/// A word that names no size.
#[derive(Debug, Error)]
#[error("`{0}` is no size of a step: expected decode-8, prefill-512x1 or mixed-512x16")]
pub struct StepSizeError(String);

impl FromStr for StepSize {
    type Err = StepSizeError;

    fn from_str(text: &str) -> Result<Self, StepSizeError> {
        let size = || {
            let (kind, numbers) = text.split_once('-')?;
            let kind = match kind {
                "decode" => {
                    let sequences = numbers.parse().ok()?;
                    return Some(Self { kind: StepKind::Decode, tokens: sequences, sequences });
                }
                "prefill" => StepKind::Prefill,
                "mixed" => StepKind::Mixed,
                _ => return None,
            };
            let (tokens, sequences) = numbers.split_once('x')?;
            Some(Self { kind, tokens: tokens.parse().ok()?, sequences: sequences.parse().ok()? })
        };
        let whole = |size: &Self| {
            (1..1 << 24).contains(&size.tokens)
                && size.sequences > 0
                && size.sequences <= size.tokens
        };
        size().filter(whole).ok_or_else(|| StepSizeError(text.to_owned()))
    }
}

/// All buckets of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets(Vec<StepSize>);

impl Buckets {
    /// Buckets for every step of at most `max_tokens` tokens and `max_sequences` sequences.
    pub fn new(max_tokens: u32, max_sequences: u32) -> Self {
        let most = max_sequences.min(max_tokens);
        let decode = |sequences| StepSize { kind: StepKind::Decode, tokens: sequences, sequences };
        let mut all: Vec<StepSize> = halves(1, most).into_iter().map(decode).collect();
        for kind in [StepKind::Prefill, StepKind::Mixed] {
            for tokens in halves(FEWEST_TOKENS, max_tokens) {
                // A chunk has two tokens or more, and one of the mixed sequences is a chunk.
                let (fewest, most_here) = match kind {
                    StepKind::Prefill => (1, tokens / 2),
                    _ => (2, tokens.saturating_sub(1)),
                };
                let most_here = most_here.min(max_sequences);
                let sizes = quarters(most_here).into_iter().filter(|&s| s >= fewest);
                all.extend(sizes.map(|sequences| StepSize { kind, tokens, sequences }));
            }
        }
        Self(all)
    }

    /// All of them.
    pub fn all(&self) -> &[StepSize] {
        &self.0
    }

    /// The place of the smallest bucket that holds a step; `None` where the step is larger than those that
    /// the buckets were made for.
    pub fn fitting(&self, step: StepSize) -> Option<usize> {
        let held = self.0.iter().enumerate().filter(|(_, bucket)| bucket.holds(step));
        held.min_by_key(|(_, b)| (b.tokens, b.sequences)).map(|(place, _)| place)
    }
}

/// Tokens of the smallest bucket with a chunk.
const FEWEST_TOKENS: u32 = 16;

/// Powers of two and, from 16 on, one size half way between each two: from `from` up to `max`, which is
/// the last. Half a size of padding is at most a third.
fn halves(from: u32, max: u32) -> Vec<u32> {
    let powers = (0..31).map(|k| 1_u32 << k);
    let sizes = powers.flat_map(|n| [Some(n), (n >= 16).then_some(n + n / 2)]).flatten();
    let mut sizes: Vec<u32> = sizes.filter(|&n| n >= from && n < max).collect();
    sizes.push(max);
    sizes
}

/// 1, 4, 16, ... and `max`: what sequences cost in a bucket of many tokens is little.
fn quarters(max: u32) -> Vec<u32> {
    let mut sizes: Vec<u32> = (0..16).map(|k| 1_u32 << (2 * k)).filter(|&n| n < max).collect();
    sizes.extend((max > 0).then_some(max));
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BatchSequence;
    use proptest::prelude::*;

    fn batch(tokens: &[u32]) -> Batch {
        let sequence =
            |&tokens: &u32| BatchSequence { tokens, context: 0, blocks: vec![], emits: true };
        Batch {
            token_ids: vec![0; tokens.iter().sum::<u32>() as usize],
            sequences: tokens.iter().map(sequence).collect(),
        }
    }

    proptest! {
        #[test]
        fn every_step_within_the_limits_has_a_bucket_that_holds_it(
            chunks in prop::collection::vec(1_u32..200, 1..40), spare in 0_u32..50, more in 0_u32..9
        ) {
            let step = StepSize::of(&batch(&chunks));
            let buckets = Buckets::new(step.tokens + spare, step.sequences + more);
            let bucket = buckets.all()[buckets.fitting(step).unwrap()];
            prop_assert!(bucket.tokens >= step.tokens && bucket.sequences >= step.sequences);
            prop_assert!(bucket.tokens <= step.tokens + spare && bucket.kind == step.kind);
        }

        #[test]
        fn a_step_beyond_the_limits_has_none(tokens in 1_u32..600, sequences in 1_u32..40) {
            let buckets = Buckets::new(tokens, sequences);
            prop_assert_eq!(buckets.fitting(StepSize::of(&batch(&[tokens + 1, 2]))), None);
            prop_assert_eq!(buckets.fitting(StepSize::of(&batch(&vec![1; sequences as usize + 1]))), None);
        }
    }

    #[test]
    fn buckets_are_named_by_what_they_hold() {
        let buckets = Buckets::new(512, 128);
        let name = |tokens: &[u32]| {
            buckets.all()[buckets.fitting(StepSize::of(&batch(tokens))).unwrap()].to_string()
        };
        assert_eq!(name(&[1; 33]), "decode-48");
        assert_eq!(name(&[300]), "prefill-384x1");
        assert_eq!(name(&[1, 1, 300]), "mixed-384x4");
    }

    #[test]
    fn sizes_read_back_as_they_were_written() {
        for size in Buckets::new(512, 128).all() {
            assert_eq!(size.to_string().parse::<StepSize>().unwrap(), *size);
        }
        for word in ["", "decode", "mixed-512", "mixed-x1", "prefill-1x-1", "idle-3"] {
            assert!(word.parse::<StepSize>().is_err(), "{word}");
        }
    }

    #[test]
    fn few_buckets_are_enough() {
        assert!(Buckets::new(512, 128).all().len() < 110, "{}", Buckets::new(512, 128).all().len());
    }
}
