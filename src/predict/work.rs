//! A step's variables: what its time within a bucket follows.

use crate::model::{AttentionWork, KernelWork, StepSize};

/// Variables of one attention kernel.
const OF_KERNEL: usize = 6;
/// Variables of a step.
pub const VARIABLES: usize = 2 * OF_KERNEL + 1;
/// Those of single tokens; the others are of chunks.
pub const OF_DECODE: usize = OF_KERNEL + 1;

/// The names of the variables: of each attention kernel the key tiles of its busiest slot, its blocks, its
/// keys, the most blocks that a result is put together from, whether any is, and the key tiles of its largest
/// block; and the single tokens.
pub const NAMES: [&str; VARIABLES] = [
    "decode_longest",
    "decode_blocks",
    "decode_keys",
    "decode_parts",
    "decode_merges",
    "decode_largest",
    "decode_sequences",
    "prefill_longest",
    "prefill_blocks",
    "prefill_keys",
    "prefill_parts",
    "prefill_merges",
    "prefill_largest",
];

/// The variables of a step over `sequences` of (tokens computed now, tokens in the cache before).
pub fn variables(
    work: &AttentionWork,
    bucket: StepSize,
    sequences: &[(u32, u32)],
) -> [f64; VARIABLES] {
    let step = work.of(bucket, sequences);
    let of = |kernel: KernelWork| {
        [
            f64::from(kernel.longest),
            f64::from(kernel.blocks),
            kernel.keys as f64,
            f64::from(kernel.parts),
            f64::from(u8::from(kernel.parts > 1)),
            f64::from(kernel.largest),
        ]
    };
    let singles = sequences.iter().filter(|sequence| sequence.0 == 1).count();
    let mut values = [0.0; VARIABLES];
    values[..OF_KERNEL].copy_from_slice(&of(step.decode));
    values[OF_KERNEL] = singles as f64;
    values[OF_DECODE..].copy_from_slice(&of(step.prefill));
    values
}
