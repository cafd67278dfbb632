//! Qwen3's forward pass over packed tokens, op by op. Each public op is a function of its own, so that
//! the profile times the very code that serves.

use std::path::Path;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::rope_thd;

use super::batch::{Batch, BatchSequence};
use super::kv_cache::KvCache;
use super::layers::Weights;
use super::{ModelConfig, ModelError, Placement};

/// A Qwen3 model.
pub struct Qwen3 {
    /// Its architecture.
    pub config: ModelConfig,
    placement: Placement,
    weights: Weights,
    cos: Tensor,
    sin: Tensor,
}

/// A batch on the device: what every layer needs of it.
pub struct StepInput {
    batch: Batch,
    token_ids: Tensor,
    positions: Tensor,
    /// For each sequence, the slots of its keys.
    slots: Vec<Tensor>,
    /// For each sequence of more than one token, what it may not see.
    masks: Vec<Option<Tensor>>,
    /// Packed places of the tokens whose next one is wanted.
    rows: Option<Tensor>,
}

/// Queries (tokens, heads, dim), keys and values (tokens, kv heads, dim).
pub struct Qkv {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

impl Qwen3 {
    /// Puts weights to their places. `folder` is used in messages.
    ///
    /// # Errors
    /// Weights that are missing or of another shape.
    pub fn new(
        config: &ModelConfig,
        weights: &VarBuilder<'_>,
        folder: &Path,
    ) -> std::result::Result<Self, ModelError> {
        let placement = Placement { device: weights.device().clone(), dtype: weights.dtype() };
        let weights = Weights::new(config, weights, folder)?;
        let (cos, sin) = rope_tables(config, &placement)?;
        Ok(Self { config: config.clone(), placement, weights, cos, sin })
    }

    /// Where it lies.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.placement.device
    }

    /// Describes a batch to the device.
    ///
    /// # Errors
    /// candle's own.
    pub fn prepare(&self, batch: Batch, cache: &KvCache) -> Result<StepInput> {
        let mut positions = Vec::with_capacity(batch.token_ids.len());
        let mut rows = Vec::new();
        for sequence in &batch.sequences {
            positions.extend(sequence.context..sequence.context + sequence.tokens);
            if sequence.emits {
                rows.push(positions.len() as u32 - 1);
            }
        }
        let slots =
            batch.sequences.iter().map(|s| cache.slots(s, self.device())).collect::<Result<_>>()?;
        let masks = batch.sequences.iter().map(|s| self.mask(s)).collect::<Result<_>>()?;
        Ok(StepInput {
            token_ids: Tensor::new(&batch.token_ids[..], self.device())?,
            positions: Tensor::new(positions, self.device())?,
            slots,
            masks,
            rows: if rows.is_empty() { None } else { Some(Tensor::new(rows, self.device())?) },
            batch,
        })
    }

    /// Minus infinity where a token would look ahead, shape (tokens, kv).
    fn mask(&self, sequence: &BatchSequence) -> Result<Option<Tensor>> {
        if sequence.tokens == 1 {
            return Ok(None);
        }
        let (tokens, context) = (sequence.tokens as usize, sequence.context as usize);
        let kv = context + tokens;
        let hidden = |i: usize| if i % kv > context + i / kv { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..tokens * kv).map(hidden).collect();
        let mask = Tensor::from_vec(mask, (tokens, kv), self.device())?;
        Ok(Some(mask.to_dtype(self.placement.dtype)?))
    }

    /// The next token of each sequence that wants one, in batch order.
    ///
    /// # Errors
    /// candle's own.
    pub fn forward(&self, input: &StepInput, cache: &KvCache) -> Result<Vec<u32>> {
        match self.logits(input, cache)? {
            Some(logits) => self.argmax(&logits),
            None => Ok(Vec::new()),
        }
    }

    /// The logits of each sequence that wants its next token, shape (rows, vocabulary).
    ///
    /// # Errors
    /// candle's own.
    pub fn logits(&self, input: &StepInput, cache: &KvCache) -> Result<Option<Tensor>> {
        let mut x = self.embed(input)?;
        let (cos, sin) = self.angles(input)?;
        for layer in 0..self.weights.layers.len() {
            let h = self.input_norm(layer, &x)?;
            let qkv = self.qkv(layer, &h)?;
            let qkv = self.qk_norm_rope(layer, &qkv, &cos, &sin)?;
            self.kv_write(layer, input, &qkv, cache)?;
            let h = self.attention(layer, input, &qkv, cache)?;
            x = self.out_proj(layer, &h, &x)?;
            let h = self.post_norm(layer, &x)?;
            let h = self.gate_up(layer, &h)?;
            let h = self.silu_mul(&h)?;
            x = self.down(layer, &h, &x)?;
        }
        let Some(rows) = &input.rows else { return Ok(None) };
        Ok(Some(self.lm_head(&self.final_norm(&x, rows)?)?))
    }

    /// Embeddings of the packed tokens, shape (tokens, hidden).
    pub(crate) fn embed(&self, input: &StepInput) -> Result<Tensor> {
        self.weights.embed.index_select(&input.token_ids, 0)
    }

    /// Cosines and sines of the packed tokens' positions, each of shape (tokens, head dim / 2).
    pub(crate) fn angles(&self, input: &StepInput) -> Result<(Tensor, Tensor)> {
        let at = |table: &Tensor| table.index_select(&input.positions, 0);
        Ok((at(&self.cos)?, at(&self.sin)?))
    }

    fn rms(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        rms_norm(x, weight, self.config.rms_norm_eps as f32)
    }

    pub(crate) fn input_norm(&self, layer: usize, x: &Tensor) -> Result<Tensor> {
        self.rms(x, &self.weights.layers[layer].input_norm)
    }

    pub(crate) fn qkv(&self, layer: usize, h: &Tensor) -> Result<Qkv> {
        let (tokens, _) = h.dims2()?;
        let (heads, kv_heads, dim) =
            (self.config.heads, self.config.kv_heads, self.config.head_dim);
        let qkv = h.matmul(&self.weights.layers[layer].qkv.t()?)?;
        let part = |from: usize, heads: usize| {
            qkv.narrow(1, from * dim, heads * dim)?.contiguous()?.reshape((tokens, heads, dim))
        };
        Ok(Qkv {
            q: part(0, heads)?,
            k: part(heads, kv_heads)?,
            v: part(heads + kv_heads, kv_heads)?,
        })
    }

    pub(crate) fn qk_norm_rope(
        &self,
        layer: usize,
        qkv: &Qkv,
        cos: &Tensor,
        sin: &Tensor,
    ) -> Result<Qkv> {
        let layer = &self.weights.layers[layer];
        let turn = |x: &Tensor, norm: &Tensor| {
            rope_thd(&self.rms(x, norm)?.unsqueeze(0)?, cos, sin)?.squeeze(0)
        };
        Ok(Qkv {
            q: turn(&qkv.q, &layer.q_norm)?,
            k: turn(&qkv.k, &layer.k_norm)?,
            v: qkv.v.clone(),
        })
    }

    pub(crate) fn kv_write(
        &self,
        layer: usize,
        input: &StepInput,
        qkv: &Qkv,
        cache: &KvCache,
    ) -> Result<()> {
        let mut from = 0;
        for sequence in &input.batch.sequences {
            let tokens = sequence.tokens as usize;
            cache.write(
                layer,
                sequence,
                &qkv.k.narrow(0, from, tokens)?,
                &qkv.v.narrow(0, from, tokens)?,
            )?;
            from += tokens;
        }
        Ok(())
    }

    /// Attention of every sequence over its own blocks, shape (tokens, heads x dim).
    pub(crate) fn attention(
        &self,
        layer: usize,
        input: &StepInput,
        qkv: &Qkv,
        cache: &KvCache,
    ) -> Result<Tensor> {
        let mut from = 0;
        let mut outputs = Vec::with_capacity(input.batch.sequences.len());
        for (i, sequence) in input.batch.sequences.iter().enumerate() {
            let tokens = sequence.tokens as usize;
            let q = qkv.q.narrow(0, from, tokens)?;
            let (k, v) = cache.read(layer, &input.slots[i])?;
            outputs.push(self.attend(&q, &k, &v, input.masks[i].as_ref())?);
            from += tokens;
        }
        match &outputs[..] {
            [only] => Ok(only.clone()),
            _ => Tensor::cat(&outputs, 0),
        }
    }

    /// One sequence: q (tokens, heads, dim), k and v (kv, kv heads, dim) to (tokens, heads x dim). The
    /// query heads of one key head stand together, so they are one matrix product.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (tokens, heads, dim) = q.dims3()?;
        let kv_heads = self.config.kv_heads;
        let (group, kv) = (heads / kv_heads, k.dim(0)?);
        let q = q.transpose(0, 1)?.contiguous()?.reshape((kv_heads, group * tokens, dim))?;
        let k = k.transpose(0, 1)?.transpose(1, 2)?.contiguous()?;
        let v = v.transpose(0, 1)?.contiguous()?;
        let mut scores = (q.matmul(&k)? * (1.0 / (dim as f64).sqrt()))?;
        if let Some(mask) = mask {
            let shaped = scores.reshape((kv_heads, group, tokens, kv))?;
            scores = shaped.broadcast_add(mask)?.reshape((kv_heads, group * tokens, kv))?;
        }
        let output = softmax_last_dim(&scores)?.matmul(&v)?;
        output
            .reshape((heads, tokens, dim))?
            .transpose(0, 1)?
            .contiguous()?
            .reshape((tokens, heads * dim))
    }

    pub(crate) fn out_proj(&self, layer: usize, h: &Tensor, residual: &Tensor) -> Result<Tensor> {
        h.matmul(&self.weights.layers[layer].out_proj.t()?)? + residual
    }

    pub(crate) fn post_norm(&self, layer: usize, x: &Tensor) -> Result<Tensor> {
        self.rms(x, &self.weights.layers[layer].post_norm)
    }

    pub(crate) fn gate_up(&self, layer: usize, h: &Tensor) -> Result<Tensor> {
        h.matmul(&self.weights.layers[layer].gate_up.t()?)
    }

    pub(crate) fn silu_mul(&self, h: &Tensor) -> Result<Tensor> {
        let width = self.config.intermediate_size;
        let (gate, up) = (h.narrow(D::Minus1, 0, width)?, h.narrow(D::Minus1, width, width)?);
        silu(&gate.contiguous()?)? * up.contiguous()?
    }

    pub(crate) fn down(&self, layer: usize, h: &Tensor, residual: &Tensor) -> Result<Tensor> {
        h.matmul(&self.weights.layers[layer].down.t()?)? + residual
    }

    /// The norm of the packed places `rows`, shape (rows, hidden).
    pub(crate) fn final_norm(&self, x: &Tensor, rows: &Tensor) -> Result<Tensor> {
        self.rms(&x.index_select(rows, 0)?, &self.weights.norm)
    }

    pub(crate) fn lm_head(&self, h: &Tensor) -> Result<Tensor> {
        h.matmul(&self.weights.lm_head.t()?)
    }

    /// One argmax for all rows, and one copy to the host.
    pub(crate) fn argmax(&self, logits: &Tensor) -> Result<Vec<u32>> {
        logits.argmax(D::Minus1)?.to_vec1()
    }
}

/// Cosines and sines by position, each of shape (rows, head dim / 2).
fn rope_tables(config: &ModelConfig, placement: &Placement) -> Result<(Tensor, Tensor)> {
    let Placement { device, dtype } = placement;
    let half = config.head_dim / 2;
    let frequency =
        |i: usize| 1.0 / config.rope_theta.powf(2.0 * i as f64 / config.head_dim as f64);
    let frequencies: Vec<f32> = (0..half).map(|i| frequency(i) as f32).collect();
    let frequencies = Tensor::from_vec(frequencies, (1, half), device)?;
    // Twice the positions that are served: a profile pairs the longest chunk with the longest context.
    let rows = 2 * config.max_positions;
    let positions = Tensor::arange(0, rows, device)?.to_dtype(DType::F32)?;
    let angles = positions.reshape((rows as usize, 1))?.matmul(&frequencies)?;
    Ok((angles.cos()?.to_dtype(*dtype)?, angles.sin()?.to_dtype(*dtype)?))
}
