//! What measured steps compute: every bucket's least and most, and random mixtures between them.

use crate::model::{Batch, BatchSequence, Buckets, StepKind, StepSize};
use crate::profile::Content;
use crate::stats::Random;

/// What a measured engine can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Longest context before a step.
    pub max_context: u32,
    /// KV blocks.
    pub blocks: u32,
    /// Tokens of a KV block.
    pub block_tokens: u32,
}

impl Capacity {
    /// Whether the KV blocks hold a content.
    fn holds(&self, content: &Content) -> bool {
        let blocks = |&(tokens, context): &(u32, u32)| {
            u64::from((tokens + context).div_ceil(self.block_tokens))
        };
        content.0.iter().map(blocks).sum::<u64>() <= u64::from(self.blocks)
    }
}

/// The sizes that fall into one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    bucket: StepSize,
    fewest_tokens: u32,
    fewest_sequences: u32,
}

impl Range {
    /// Those of `bucket`, one of `buckets`.
    pub fn of(bucket: StepSize, buckets: &Buckets) -> Self {
        let alike = || buckets.all().iter().filter(move |b| b.kind == bucket.kind);
        let tokens = alike().map(|b| b.tokens).filter(|&tokens| tokens < bucket.tokens).max();
        let narrower = alike().filter(|b| b.tokens == bucket.tokens);
        let sequences = narrower.map(|b| b.sequences).filter(|&n| n < bucket.sequences).max();
        let least = match bucket.kind {
            StepKind::Decode => 1,
            StepKind::Prefill => 2,
            StepKind::Mixed => 3,
        };
        let fewest_tokens = tokens.map_or(least, |tokens| tokens + 1);
        let fewest_sequences = match bucket.kind {
            StepKind::Decode => fewest_tokens,
            StepKind::Prefill => sequences.map_or(1, |n| n + 1),
            StepKind::Mixed => sequences.map_or(2, |n| n + 1),
        };
        // What so many sequences need at least.
        let needed = match bucket.kind {
            StepKind::Decode => fewest_sequences,
            StepKind::Prefill => 2 * fewest_sequences,
            StepKind::Mixed => fewest_sequences + 1,
        };
        Self { bucket, fewest_tokens: fewest_tokens.max(needed), fewest_sequences }
    }

    /// Its least: few and short sequences.
    pub fn least(&self) -> Content {
        let sequences = self.fewest_sequences;
        self.build(self.fewest_tokens, sequences, self.fewest_chunks(sequences), &mut |_| 0)
    }

    /// Its corners: fewest and most tokens, sequences and chunks, at the start of every prompt and as far into it
    /// as the KV blocks allow; and for mixtures one chunk far into its prompt beside short sequences, and one at
    /// its start beside long ones.
    pub fn corners(&self, capacity: Capacity) -> Vec<Content> {
        let mut corners = Vec::new();
        for tokens in [self.fewest_tokens, self.bucket.tokens] {
            for sequences in [self.fewest_sequences, self.most_sequences(tokens)] {
                let most_chunks = self.most_chunks(tokens, sequences);
                for chunks in [self.fewest_chunks(sequences), most_chunks] {
                    for context in [0, capacity.max_context] {
                        corners.push(shrink(context, capacity, |context| {
                            self.build(tokens, sequences, chunks, &mut |_| context)
                        }));
                    }
                }
            }
        }
        if self.bucket.kind == StepKind::Mixed {
            corners.extend(self.lopsided(capacity));
        }
        let mut seen = std::collections::HashSet::new();
        corners.retain(|content| seen.insert(content.clone()));
        corners
    }

    /// One chunk far into its prompt beside short sequences, and one at its start beside long ones.
    pub fn lopsided(&self, capacity: Capacity) -> [Content; 2] {
        let StepSize { tokens, sequences, .. } = self.bucket;
        let build = |of_chunk: u32, of_others: u32| {
            self.build(tokens, sequences, 1, &mut |i| if i == 0 { of_chunk } else { of_others })
        };
        let deep = shrink(capacity.max_context, capacity, |context| build(context, 16));
        let wide = shrink(capacity.max_context, capacity, |context| build(0, context));
        [deep, wide]
    }

    /// As many sequences as there may be, each with `context` tokens in the cache or as many as fit.
    pub fn full(&self, context: u32, capacity: Capacity) -> Content {
        let StepSize { tokens, sequences, .. } = self.bucket;
        let chunks = self.fewest_chunks(sequences);
        shrink(context, capacity, |context| self.build(tokens, sequences, chunks, &mut |_| context))
    }

    /// Most sequences of so many tokens.
    fn most_sequences(&self, tokens: u32) -> u32 {
        let most = match self.bucket.kind {
            StepKind::Decode => tokens,
            StepKind::Prefill => tokens / 2,
            StepKind::Mixed => tokens - 1,
        };
        self.bucket.sequences.min(most)
    }

    /// Most chunks among so many sequences: each has two tokens at least.
    fn most_chunks(&self, tokens: u32, sequences: u32) -> u32 {
        match self.bucket.kind {
            StepKind::Decode => 0,
            StepKind::Prefill => sequences,
            StepKind::Mixed => (tokens - sequences).min(sequences - 1).max(1),
        }
    }

    fn fewest_chunks(&self, sequences: u32) -> u32 {
        match self.bucket.kind {
            StepKind::Decode => 0,
            StepKind::Prefill => sequences,
            StepKind::Mixed => 1,
        }
    }

    /// A random one: mostly contexts around a common length, sometimes all alike, sometimes a few long ones
    /// among many short ones; mostly one prompt's chunk or few, mostly from its start.
    pub fn draw(&self, capacity: Capacity, random: &mut Random) -> Content {
        let StepSize { kind, .. } = self.bucket;
        let tokens = between(self.fewest_tokens, self.bucket.tokens, random);
        let sequences = match kind {
            StepKind::Decode => tokens,
            _ => between(self.fewest_sequences, self.most_sequences(tokens), random),
        };
        let chunks = match kind {
            StepKind::Decode => 0,
            StepKind::Prefill => sequences,
            StepKind::Mixed => {
                let few = 1 + random.below(4) as u32;
                let wanted = [1, 1, few, between(1, 16, random)][random.below(4) as usize];
                wanted.min(self.most_chunks(tokens, sequences))
            }
        };
        // Tiny contexts are rare in service.
        let least = if random.unit() < 0.15 { 1 } else { 48 };
        let center = log_uniform(least.min(capacity.max_context), capacity.max_context, random);
        let style = random.unit();
        let from_start = random.unit() < 0.7;
        let mut factors = Vec::new();
        for i in 0..sequences {
            factors.push(match style {
                _ if i < chunks && from_start => 0.0,
                ..0.2 => 1.0,
                ..0.4 if random.unit() < 0.2 => 8.0,
                ..0.4 => 0.5,
                _ => libm::exp(0.6 * random.normal()),
            });
        }
        shrink(center, capacity, |center| {
            self.build(tokens, sequences, chunks, &mut |i| {
                let context = f64::from(center) * factors[i as usize];
                (context as u32).min(capacity.max_context)
            })
        })
    }

    /// `sequences` of them with `tokens` in all, of which the first `chunks` share what the others, of one
    /// token each, leave. `context` tells the tokens in the cache of each.
    fn build(
        &self,
        tokens: u32,
        sequences: u32,
        chunks: u32,
        context: &mut dyn FnMut(u32) -> u32,
    ) -> Content {
        let rest = tokens - (sequences - chunks);
        let share = |i: u32| match i < chunks {
            true => rest / chunks + u32::from(i < rest % chunks),
            false => 1,
        };
        let mut content: Vec<(u32, u32)> = (0..sequences).map(|i| (share(i), context(i))).collect();
        // Decodes come first in a batch, as the engine plans them.
        content.rotate_left(chunks as usize);
        Content(content)
    }
}

/// The content at the largest context up to `context` that the KV blocks hold.
fn shrink(context: u32, capacity: Capacity, content: impl Fn(u32) -> Content) -> Content {
    let mut context = context;
    loop {
        let found = content(context);
        if context == 0 || capacity.holds(&found) {
            return found;
        }
        context -= (context / 16).max(1);
    }
}

fn between(low: u32, high: u32, random: &mut Random) -> u32 {
    let high = high.max(low);
    // The full bucket more often than chance would have it.
    match random.unit() < 0.15 {
        true => high,
        false => low + random.below(u64::from(high - low) + 1) as u32,
    }
}

fn log_uniform(low: u32, high: u32, random: &mut Random) -> u32 {
    let (low, high) = (f64::from(low), f64::from(high.max(low)));
    (low * libm::pow(high / low, random.unit())) as u32
}

/// The batch of a content, its sequences in the blocks `places`, as they come.
pub(super) fn batch(content: &Content, block_tokens: u32, places: &[u32]) -> Batch {
    let mut batch = Batch::default();
    let mut next = 0;
    for &(tokens, context) in &content.0 {
        let held = (context + tokens).div_ceil(block_tokens) as usize;
        batch.token_ids.extend((0..tokens).map(|i| 1 + i % 1_000));
        let blocks = places[next..next + held].to_vec();
        batch.sequences.push(BatchSequence { tokens, context, blocks, emits: true });
        next += held;
    }
    batch
}

/// All blocks in random order, as an engine that has served for a while hands them out.
pub(super) fn places(blocks: u32, random: &mut Random) -> Vec<u32> {
    let mut places: Vec<u32> = (0..blocks).collect();
    random.shuffle(&mut places);
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPACITY: Capacity = Capacity { max_context: 8_192, blocks: 10_000, block_tokens: 16 };

    proptest! {
        #[test]
        fn every_content_falls_into_its_bucket_and_fits_the_cache(
            seed in 0_u64..1_000, tokens in 16_u32..600, sequences in 1_u32..130
        ) {
            let buckets = Buckets::new(tokens, sequences);
            let mut random = Random::new(seed, 0);
            for &bucket in buckets.all() {
                let range = Range::of(bucket, &buckets);
                let mut contents = range.corners(CAPACITY);
                contents.extend([range.least(), range.full(600, CAPACITY)]);
                contents.extend((0..4).map(|_| range.draw(CAPACITY, &mut random)));
                for content in contents {
                    let size = StepSize::of_tokens(content.0.iter().map(|s| s.0));
                    let place = buckets.fitting(size).map(|place| buckets.all()[place]);
                    prop_assert_eq!(place, Some(bucket), "{}", content);
                    prop_assert!(CAPACITY.holds(&content), "{}", content);
                }
            }
        }
    }

    #[test]
    fn sequences_of_a_batch_have_blocks_of_their_own() {
        let content = Content(vec![(1, 40), (1, 3), (20, 0)]);
        let batch = batch(&content, 16, &places(20, &mut Random::new(0, 0)));
        let mut blocks: Vec<u32> = batch.sequences.iter().flat_map(|s| s.blocks.clone()).collect();
        assert_eq!(blocks.len(), 3 + 1 + 2);
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!(blocks.len(), 6);
        assert_eq!(batch.fault(100, (20, 16), 1_001), None);
    }
}
