//! How attention is spread over a GPU: what the kernels are launched with, and the work that a batch's real
//! content gives to the slot that has most of it, which is what their time follows.

use super::ModelConfig;
use super::bucket::StepSize;

/// Rows of a prefill attention tile: tokens times the query heads of one key head.
pub(crate) const TILE_ROWS: u32 = 64;
/// Most query heads that one block of `attention_decode.cu` serves: registers allow no more.
const MOST_HEADS_AT_ONCE: usize = 4;
/// Most parts that attention's keys are split into.
pub(crate) const MOST_DECODE_SPLITS: u32 = 64;
/// Most parts of a prefill attention tile's keys.
pub(crate) const MOST_PREFILL_SPLITS: u32 = 16;
/// Keys of a prefill attention tile.
pub(crate) const TILE_KEYS: u32 = 64;
/// Fewest key tiles that are worth a block of their own, as in `attention_prefill.cu`.
const SPLIT_KEY_TILES: u32 = 4;
/// Blocks of `attention_decode.cu` that fit a multiprocessor at once: more, and some wait for others.
const DECODE_BLOCKS: u32 = 3;
/// Fewest parts, so that long sequences among short ones do not hold up the kernel.
const FEWEST_DECODE_SPLITS: u32 = 4;
/// Blocks of `attention_prefill.cu` for each multiprocessor.
const PREFILL_BLOCKS: u32 = 2;

/// Query heads that one block of `attention_decode.cu` serves.
pub(crate) fn heads_at_once(config: &ModelConfig) -> usize {
    let group = config.heads / config.kv_heads;
    (1..=MOST_HEADS_AT_ONCE.min(group)).rev().find(|n| group.is_multiple_of(*n)).unwrap_or(1)
}

/// Tokens of a prefill attention tile.
pub(crate) fn tile_tokens(config: &ModelConfig) -> u32 {
    TILE_ROWS / (config.heads / config.kv_heads) as u32
}

/// Prefill attention tiles of a bucket: a sequence's last one may be almost empty.
pub(crate) fn tile_count(bucket: StepSize, tile_tokens: u32) -> u32 {
    if !bucket.prefills() {
        return 0;
    }
    bucket.tokens.div_ceil(tile_tokens) + bucket.sequences - 1
}

/// How attention is spread over the GPU in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Splits {
    /// Blocks that one sequence and head part are split over, for single tokens.
    pub decode: u32,
    /// Blocks that one tile and key head are split over, for chunks.
    pub prefill: u32,
}

impl Splits {
    /// Enough blocks for `multiprocessors`.
    pub fn new(config: &ModelConfig, sequences: u32, tiles: u32, multiprocessors: u32) -> Self {
        let parts = (config.heads / heads_at_once(config)) as u32;
        let slots = DECODE_BLOCKS.saturating_mul(multiprocessors);
        let decode = slots / parts.saturating_mul(sequences.max(1));
        let prefill = PREFILL_BLOCKS
            .saturating_mul(multiprocessors)
            .div_ceil((config.kv_heads as u32).saturating_mul(tiles.max(1)));
        Self {
            decode: decode.clamp(FEWEST_DECODE_SPLITS, MOST_DECODE_SPLITS),
            prefill: prefill.clamp(1, MOST_PREFILL_SPLITS),
        }
    }
}

/// What a step gives an attention kernel to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelWork {
    /// Of the slot that has most: key tiles, and one for each block.
    pub longest: u32,
    /// Blocks with keys, of one part of the heads.
    pub blocks: u32,
    /// Most blocks that one result is put together from.
    pub parts: u32,
    /// Keys that are read, tile by tile, of one part of the heads.
    pub keys: u64,
    /// Key tiles of the block that has most.
    pub largest: u32,
}

/// The attention work of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepWork {
    /// Of single tokens.
    pub decode: KernelWork,
    /// Of chunks.
    pub prefill: KernelWork,
}

/// Tells attention work from a step's content.
#[derive(Debug, Clone)]
pub struct AttentionWork {
    config: ModelConfig,
    multiprocessors: u32,
    /// Keys that a block of `attention_decode.cu` takes at a time.
    decode_keys: u32,
    slots: Slots,
}

/// What fits a GPU at once. The parts of the heads are alike, so only one of them is looked at.
#[derive(Debug, Clone, Copy)]
struct Slots {
    decode: u32,
    prefill: u32,
}

impl AttentionWork {
    /// For a model on a GPU of so many multiprocessors.
    pub fn new(config: &ModelConfig, multiprocessors: u32) -> Self {
        let parts = (config.heads / heads_at_once(config)) as u32;
        // 4 warps of 32 lanes, 16 elements of a key for each lane, 4 keys in flight.
        let decode_keys = 4 * 4 * (32 * 16 / config.head_dim.max(16) as u32).max(1);
        Self {
            config: config.clone(),
            multiprocessors,
            decode_keys,
            slots: Slots {
                decode: (DECODE_BLOCKS.saturating_mul(multiprocessors) / parts).max(1),
                prefill: (PREFILL_BLOCKS.saturating_mul(multiprocessors) / config.kv_heads as u32)
                    .max(1),
            },
        }
    }

    /// How many parts the keys of a prefill tile are split into in `bucket`, at most.
    pub fn prefill_splits(&self, bucket: StepSize) -> u32 {
        let tiles = tile_count(bucket, tile_tokens(&self.config));
        Splits::new(&self.config, bucket.sequences, tiles, self.multiprocessors).prefill
    }

    /// The work of a step over sequences of (tokens computed now, tokens in the cache before) in `bucket`.
    pub fn of(&self, bucket: StepSize, sequences: &[(u32, u32)]) -> StepWork {
        let tile_tokens = tile_tokens(&self.config);
        let tiles = tile_count(bucket, tile_tokens);
        let splits = Splits::new(&self.config, bucket.sequences, tiles, self.multiprocessors);
        let size = self.decode_keys;
        let decodes = sequences.iter().filter(|sequence| sequence.0 == 1).map(|&(_, context)| {
            let keys = context.saturating_add(1);
            let share = keys.div_ceil(splits.decode).div_ceil(size);
            Cut { keys, tiles: keys.div_ceil(size), share }
        });
        let prefills = sequences.iter().filter(|sequence| sequence.0 != 1);
        let prefills = prefills.flat_map(|&(tokens, context)| {
            (0..tokens).step_by(tile_tokens as usize).map(move |first| {
                let keys = context.saturating_add((first + tile_tokens).min(tokens));
                let tiles = keys.div_ceil(TILE_KEYS);
                Cut { keys, tiles, share: tiles.div_ceil(splits.prefill).max(SPLIT_KEY_TILES) }
            })
        });
        StepWork {
            decode: kernel_work(decodes, self.slots.decode),
            prefill: kernel_work(prefills, self.slots.prefill),
        }
    }
}

/// Keys that are cut into blocks, all of them as large but the last.
#[derive(Debug, Clone, Copy)]
struct Cut {
    keys: u32,
    /// Tiles of keys.
    tiles: u32,
    /// Tiles of a block.
    share: u32,
}

/// The work of blocks that start in order, each in the slot that is free first.
fn kernel_work(cuts: impl Iterator<Item = Cut> + Clone, slots: u32) -> KernelWork {
    let mut work = KernelWork::default();
    for cut in cuts.clone() {
        let parts = cut.tiles.div_ceil(cut.share);
        work.blocks += parts;
        work.parts = work.parts.max(parts);
        work.largest = work.largest.max(cut.share.min(cut.tiles));
        work.keys += u64::from(cut.keys);
    }
    work.longest = if work.blocks > slots {
        longest(cuts, slots, work.largest)
    } else {
        // Each has a slot of its own.
        work.largest + u32::from(work.blocks > 0)
    };
    work
}

/// When the last block ends, of more blocks than slots: a block takes a tile's time, and one for each of its tiles. Times
/// are few and whole, so slots are counted by when they are free.
fn longest(cuts: impl Iterator<Item = Cut> + Clone, slots: u32, largest: u32) -> u32 {
    let blocks = cuts.flat_map(|cut| {
        (0..cut.tiles).step_by(cut.share as usize).map(move |at| cut.share.min(cut.tiles - at))
    });
    let busy: u64 = blocks.clone().map(|tiles| 1 + u64::from(tiles)).sum();
    // No block starts later than when all slots have been busy all the time.
    let mut free = vec![0_u32; (busy / u64::from(slots.max(1))) as usize + largest as usize + 2];
    free[0] = slots.max(1);
    let (mut now, mut longest) = (0, 0);
    for tiles in blocks {
        while free[now] == 0 {
            now += 1;
        }
        free[now] -= 1;
        let end = now + 1 + tiles as usize;
        free[end] += 1;
        longest = longest.max(end);
    }
    longest as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bucket::StepKind;
    use proptest::prelude::*;

    fn config(heads: usize) -> ModelConfig {
        ModelConfig {
            vocab_size: 1_024,
            hidden_size: 256,
            intermediate_size: 512,
            layers: 2,
            heads,
            kv_heads: 8,
            head_dim: 128,
            max_positions: 40_960,
            rope_theta: 1e6,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            eos: None,
            tokenizer: None,
        }
    }

    fn decode(sequences: u32) -> StepSize {
        StepSize { kind: StepKind::Decode, tokens: sequences, sequences }
    }

    #[test]
    fn a_group_of_heads_is_served_in_equal_parts() {
        for (heads, expected) in [(8, 1), (16, 2), (24, 3), (32, 4), (40, 1), (64, 4)] {
            assert_eq!(heads_at_once(&config(heads)), expected);
        }
    }

    #[test]
    fn a_lone_sequence_is_split_into_runs_of_64_keys() {
        let work = AttentionWork::new(&config(16), 132);
        let of = |context| work.of(decode(1), &[(1, context)]).decode;
        assert_eq!(of(63), KernelWork { longest: 2, blocks: 1, parts: 1, keys: 64, largest: 1 });
        assert_eq!(of(64), KernelWork { longest: 2, blocks: 2, parts: 2, keys: 65, largest: 1 });
        // 49 parts at most: 8,000 keys give them three runs each.
        assert_eq!(
            of(7_999),
            KernelWork { longest: 4, blocks: 42, parts: 42, keys: 8_000, largest: 3 }
        );
    }

    #[test]
    fn more_blocks_than_slots_wait_for_each_other() {
        let work = AttentionWork::new(&config(16), 132);
        // 49 slots for the blocks of one part of the heads.
        let of = |n: usize| work.of(decode(64), &vec![(1, 10); n]).decode.longest;
        assert_eq!([of(49), of(50), of(64)], [2, 4, 4]);
    }

    proptest! {
        #[test]
        fn the_busiest_slot_has_at_least_its_share_and_at_most_everything(
            sequences in prop::collection::vec((1_u32..90, 0_u32..3_000), 1..40)
        ) {
            let size = StepSize {
                kind: StepKind::Mixed,
                tokens: sequences.iter().map(|s| s.0).sum::<u32>().max(16),
                sequences: sequences.len() as u32,
            };
            let work = AttentionWork::new(&config(16), 132).of(size, &sequences);
            for (kernel, slots) in [(work.decode, 49), (work.prefill, 33)] {
                prop_assert!(kernel.longest <= 64 * 94 * 40 + kernel.blocks);
                prop_assert!(u64::from(kernel.longest) * 64 * slots >= kernel.keys);
            }
            let singles = sequences.iter().filter(|s| s.0 == 1).map(|s| u64::from(s.1) + 1);
            prop_assert_eq!(work.decode.keys, singles.sum::<u64>());
        }
    }
}
