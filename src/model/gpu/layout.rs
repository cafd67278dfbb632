//! The description of a batch as the kernels read it: one run of 32-bit words, the same places for every
//! batch of a bucket, sent to the GPU in one copy.

use crate::model::attention_work::tile_count;
use crate::model::bucket::StepSize;
use crate::model::{Batch, BatchSequence};

/// Words that `attention_decode.cu` reads for each sequence.
const SEQUENCE_WORDS: u32 = 3;
/// Words that `attention_prefill.cu` reads for each tile.
const TILE_WORDS: u32 = 4;
/// The slot of a token that is padding: -1.
const NO_SLOT: u32 = u32::MAX;

/// What a description is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Tokens of a KV block.
    pub block_tokens: u32,
    /// KV blocks in all.
    pub blocks: u32,
    /// Longest context.
    pub max_positions: u32,
    /// Tokens of a prefill attention tile.
    pub tile_tokens: u32,
}

/// Where the parts of a bucket's description begin, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    bucket: StepSize,
    sizes: Sizes,
    pub token_ids: u32,
    pub positions: u32,
    pub slots: u32,
    /// Packed places of the tokens whose next one is wanted.
    pub rows: u32,
    pub sequences: u32,
    pub tiles: u32,
    pub tables: u32,
    /// All words.
    pub words: u32,
}

impl Layout {
    pub fn new(bucket: StepSize, sizes: Sizes) -> Self {
        let StepSize { tokens, sequences, .. } = bucket;
        let mut words = 0;
        let mut next = |count: u32| {
            let begin = words;
            words += count;
            begin
        };
        let [token_ids, positions, slots] = [next(tokens), next(tokens), next(tokens)];
        let rows = next(sequences);
        let sequence_words = if bucket.decodes() { sequences * SEQUENCE_WORDS } else { 0 };
        let sequence_start = next(sequence_words);
        let tiles = next(tile_count(bucket, sizes.tile_tokens) * TILE_WORDS);
        let most = sizes.max_positions.div_ceil(sizes.block_tokens);
        let tables = next(sizes.blocks.min(sequences.saturating_mul(most)));
        Self {
            bucket,
            sizes,
            token_ids,
            positions,
            slots,
            rows,
            sequences: sequence_start,
            tiles,
            tables,
            words,
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> StepSize {
        self.bucket
    }

    /// Prefill attention tiles of the bucket.
    pub fn tile_count(&self) -> u32 {
        tile_count(self.bucket, self.sizes.tile_tokens)
    }

    /// Writes the description of `batch`, which fits the bucket and has no fault. Returns how many of the
    /// bucket's rows are wanted.
    pub fn fill(&self, batch: &Batch, words: &mut [u32]) -> usize {
        let StepSize { tokens, sequences, .. } = self.bucket;
        let part = |from: u32, count: u32| from as usize..(from + count) as usize;
        // Whatever is not written below is padding.
        words[part(self.token_ids, 2 * tokens)].fill(0);
        words[part(self.slots, tokens)].fill(NO_SLOT);
        words[part(self.rows, sequences)].fill(0);
        words[self.sequences as usize..self.tables as usize].fill(0);
        words[..batch.token_ids.len()].copy_from_slice(&batch.token_ids);
        let (mut token, mut rows, mut single, mut tile, mut table) = (0, 0, 0, 0, 0);
        for sequence in &batch.sequences {
            let BatchSequence { tokens, context, emits, .. } = *sequence;
            for i in 0..tokens {
                words[(self.positions + token + i) as usize] = context + i;
                words[(self.slots + token + i) as usize] = self.slot(sequence, context + i);
            }
            if tokens == 1 {
                let at = (self.sequences + single * SEQUENCE_WORDS) as usize;
                words[at..at + 3].copy_from_slice(&[token, context + 1, table]);
                single += 1;
            } else {
                for first in (0..tokens).step_by(self.sizes.tile_tokens as usize) {
                    let count = self.sizes.tile_tokens.min(tokens - first);
                    let at = (self.tiles + tile * TILE_WORDS) as usize;
                    words[at..at + 4].copy_from_slice(&[
                        token + first,
                        count,
                        context + first,
                        table,
                    ]);
                    tile += 1;
                }
            }
            let held = (context + tokens).div_ceil(self.sizes.block_tokens);
            words[part(self.tables + table, held)]
                .copy_from_slice(&sequence.blocks[..held as usize]);
            table += held;
            token += tokens;
            if emits {
                words[(self.rows + rows) as usize] = token - 1;
                rows += 1;
            }
        }
        rows as usize
    }

    fn slot(&self, sequence: &BatchSequence, position: u32) -> u32 {
        let size = self.sizes.block_tokens;
        sequence.blocks[(position / size) as usize] * size + position % size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Buckets;
    use proptest::prelude::*;

    const SIZES: Sizes =
        Sizes { block_tokens: 4, blocks: 4_000, max_positions: 200, tile_tokens: 8 };

    /// Sequences of (tokens, context), each with blocks of its own.
    fn batch(sequences: &[(u32, u32)]) -> Batch {
        let mut next = 0;
        let mut batch = Batch::default();
        for (i, &(tokens, context)) in sequences.iter().enumerate() {
            let held = (context + tokens).div_ceil(SIZES.block_tokens);
            batch.token_ids.extend((0..tokens).map(|t| t * 7 + i as u32));
            batch.sequences.push(BatchSequence {
                tokens,
                context,
                blocks: (next..next + held).rev().collect(),
                emits: i % 2 == 0,
            });
            next += held;
        }
        batch
    }

    proptest! {
        #[test]
        fn every_token_is_described_once_and_nothing_overlaps(
            sequences in prop::collection::vec((1_u32..40, 0_u32..100), 1..20)
        ) {
            let batch = batch(&sequences);
            let size = StepSize::of(&batch);
            let buckets = Buckets::new(size.tokens + 5, size.sequences + 2);
            let bucket = buckets.all()[buckets.fitting(size).unwrap()];
            let layout = Layout::new(bucket, SIZES);
            let mut words = vec![0xdead_beef; layout.words as usize];
            let rows = layout.fill(&batch, &mut words);
            prop_assert_eq!(rows as u32, batch.rows());
            // Keys seen by each packed token, through the tiles and the single sequences.
            let mut seen = vec![0; size.tokens as usize];
            let singles = if bucket.decodes() { bucket.sequences } else { 0 };
            for i in 0..singles {
                let at = (layout.sequences + 3 * i) as usize;
                if words[at + 1] > 0 {
                    seen[words[at] as usize] += words[at + 1];
                }
            }
            for i in 0..layout.tile_count() {
                let at = (layout.tiles + 4 * i) as usize;
                for t in 0..words[at + 1] {
                    seen[(words[at] + t) as usize] += words[at + 2] + t + 1;
                }
            }
            let positions = &words[layout.positions as usize..][..size.tokens as usize];
            prop_assert_eq!(seen, positions.iter().map(|p| p + 1).collect::<Vec<_>>());
            let mut slots = words[layout.slots as usize..][..size.tokens as usize].to_vec();
            slots.sort_unstable();
            slots.dedup();
            prop_assert_eq!(slots.len(), size.tokens as usize);
            let padding = &words[(layout.slots + size.tokens) as usize..layout.rows as usize];
            prop_assert!(padding.iter().all(|&slot| slot == NO_SLOT));
        }
    }
}
