//! Times of single ops: loops over the layers' real weights.

use std::time::Instant;

use candle_core::{DType, Result, Tensor};

use super::powers_up_to;
use crate::collect::{Progress, Ranges};
use crate::model::{Batch, BatchSequence, KvCache, Op, Qwen3, Shape, StepInput};
use crate::profile::OpEntry;
use crate::stats::percentile_sorted;

/// Loops for each entry, after one that is not counted.
const REPEATS: u32 = 9;

/// Measures every op over its own variables.
pub(super) fn measure(
    model: &Qwen3,
    ranges: Ranges,
    progress: Progress<'_>,
) -> Result<Vec<OpEntry>> {
    let tokens = powers_up_to(ranges.max_tokens);
    let rows = powers_up_to(ranges.max_sequences.max(1));
    let contexts: Vec<u32> = std::iter::once(0)
        .chain(powers_up_to(ranges.max_context))
        .filter(|&c| c == 0 || c >= 8 || c == ranges.max_context)
        .collect();
    let total = (tokens.len() * (1 + contexts.len()) + rows.len()) as u64;
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress("profile: ops", done, total);
    };
    let longest = ranges.max_tokens + ranges.max_context;
    let blocks = longest.div_ceil(ranges.kv_block_tokens);
    let cache = KvCache::new(&model.config, blocks, ranges.kv_block_tokens, model.placement())?;
    let bench = Bench { model, cache, blocks };
    let mut entries = Vec::new();
    for &tokens in &tokens {
        entries.extend(bench.matrix_ops(tokens)?);
        step();
        for &context in &contexts {
            entries.extend(bench.sequence_ops(tokens, context)?);
            step();
        }
    }
    for &rows in &rows {
        entries.extend(bench.row_ops(rows)?);
        step();
    }
    Ok(entries)
}

struct Bench<'a> {
    model: &'a Qwen3,
    cache: KvCache,
    blocks: u32,
}

impl Bench<'_> {
    fn batch(&self, tokens: u32, context: u32) -> Batch {
        let vocabulary = self.model.config.vocab_size as u32;
        // Spread over the vocabulary, as real text is.
        let token_ids = (0..tokens).map(|i| i.wrapping_mul(2_654_435_761) % vocabulary).collect();
        let blocks = (0..self.blocks).collect();
        Batch { token_ids, sequences: vec![BatchSequence { tokens, context, blocks, emits: true }] }
    }

    fn input(&self, tokens: u32, context: u32) -> Result<StepInput> {
        self.model.prepare(self.batch(tokens, context), &self.cache)
    }

    fn random(&self, rows: u32, width: usize) -> Result<Tensor> {
        Tensor::randn(0_f32, 1.0, (rows as usize, width), self.model.device())?.to_dtype(DType::F32)
    }

    /// Ops whose time depends on the tokens of a step.
    fn matrix_ops(&self, tokens: u32) -> Result<Vec<OpEntry>> {
        let (model, config) = (self.model, &self.model.config);
        let input = self.input(tokens, 0)?;
        let (cos, sin) = model.angles(&input)?;
        let x = self.random(tokens, config.hidden_size)?;
        let heads = self.random(tokens, config.heads * config.head_dim)?;
        let wide = self.random(tokens, 2 * config.intermediate_size)?;
        let narrow = self.random(tokens, config.intermediate_size)?;
        let per_layer = |op, run: &dyn Fn(usize) -> Result<()>| {
            self.time(op, Shape::Rows(tokens), config.layers, run)
        };
        Ok(vec![
            self.time(Op::Embed, Shape::Rows(tokens), 1, &|_| {
                model.embed(&input)?;
                model.angles(&input).map(drop)
            })?,
            per_layer(Op::InputNorm, &|l| model.input_norm(l, &x).map(drop))?,
            per_layer(Op::Qkv, &|l| model.qkv(l, &x).map(drop))?,
            {
                let qkv = model.qkv(0, &x)?;
                per_layer(Op::QkNormRope, &|l| model.qk_norm_rope(l, &qkv, &cos, &sin).map(drop))?
            },
            per_layer(Op::OutProj, &|l| model.out_proj(l, &heads, &x).map(drop))?,
            per_layer(Op::PostNorm, &|l| model.post_norm(l, &x).map(drop))?,
            per_layer(Op::GateUp, &|l| model.gate_up(l, &x).map(drop))?,
            per_layer(Op::SiluMul, &|_| model.silu_mul(&wide).map(drop))?,
            per_layer(Op::Down, &|l| model.down(l, &narrow, &x).map(drop))?,
        ])
    }

    /// Ops whose time depends on one sequence's tokens and context.
    fn sequence_ops(&self, tokens: u32, context: u32) -> Result<Vec<OpEntry>> {
        let (model, shape) = (self.model, Shape::Sequence { tokens, context });
        let input = self.input(tokens, context)?;
        let qkv = model.qkv(0, &self.random(tokens, model.config.hidden_size)?)?;
        let layers = model.config.layers;
        Ok(vec![
            self.time(Op::Prepare, shape, 1, &|_| self.input(tokens, context).map(drop))?,
            self.time(Op::KvWrite, shape, layers, &|l| {
                model.kv_write(l, &input, &qkv, &self.cache)
            })?,
            self.time(Op::Attention, shape, layers, &|l| {
                model.attention(l, &input, &qkv, &self.cache).map(drop)
            })?,
        ])
    }

    /// Ops whose time depends on the sequences that want a token.
    fn row_ops(&self, rows: u32) -> Result<Vec<OpEntry>> {
        let model = self.model;
        let x = self.random(rows, model.config.hidden_size)?;
        let places = Tensor::arange(0, rows, model.device())?;
        let logits = model.lm_head(&x)?;
        let shape = Shape::Rows(rows);
        Ok(vec![
            self.time(Op::FinalNorm, shape, 1, &|_| model.final_norm(&x, &places).map(drop))?,
            self.time(Op::LmHead, shape, 1, &|_| model.lm_head(&x).map(drop))?,
            self.time(Op::Argmax, shape, 1, &|_| model.argmax(&logits).map(drop))?,
        ])
    }

    /// The time of one call, over loops of `calls` calls each.
    fn time(
        &self,
        op: Op,
        shape: Shape,
        calls: usize,
        run: &dyn Fn(usize) -> Result<()>,
    ) -> Result<OpEntry> {
        let mut times = Vec::with_capacity(REPEATS as usize);
        for repeat in 0..=REPEATS {
            let start = Instant::now();
            for layer in 0..calls {
                run(layer)?;
            }
            if repeat > 0 {
                times.push(start.elapsed().as_nanos() as f64 / calls as f64);
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        // An op that the clock cannot see still takes time.
        let at = |p: f64| (percentile_sorted(&times, p).round() as u64).max(1);
        let (median_ns, p10_ns, p90_ns) = (at(0.5), at(0.1), at(0.9));
        Ok(OpEntry { op, shape, median_ns, p10_ns, p90_ns, samples: REPEATS })
    }
}
