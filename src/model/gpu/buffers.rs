//! The GPU memory that steps work in: allocated once, large enough for every bucket.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::addresses::Address;
use super::layout::Layout;
use crate::model::attention_work::{Splits, TILE_ROWS};
use crate::model::{ModelConfig, ModelError};

/// All buffers. Shapes are of the largest bucket.
pub(super) struct Buffers {
    /// Batch description, words.
    pub description: Buffer<u32>,
    /// Residual stream, (tokens, hidden).
    pub x: Buffer<u16>,
    /// Normed rows, (tokens, hidden).
    pub normed: Buffer<u16>,
    /// Queries, keys, values, (tokens, heads + 2 kv heads, head dim).
    pub qkv: Buffer<u16>,
    /// Attention's outputs, (tokens, heads, head dim).
    pub attended: Buffer<u16>,
    /// Gates and ups, (tokens, 2, intermediate).
    pub gate_up: Buffer<u16>,
    /// Activations, (tokens, intermediate).
    pub active: Buffer<u16>,
    /// (rows, vocabulary).
    pub logits: Buffer<u16>,
    /// (rows,).
    pub tokens: Buffer<u32>,
    /// Attention's parts, f32.
    pub parts: Buffer<f32>,
    /// Maximum and sum of each part's row, f32 pairs.
    pub sums: Buffer<f32>,
    /// Arrivals of blocks that share a result; 0 between kernels.
    pub counters: Buffer<u32>,
    /// The best logit of each row so far; 0 between kernels.
    pub best: Buffer<u64>,
    /// Keys of all layers, (layers, blocks, kv heads, block tokens, head dim).
    pub keys: Buffer<u16>,
    /// Values, alike.
    pub values: Buffer<u16>,
}

/// Memory, and where it begins.
pub(super) struct Buffer<T> {
    pub slice: CudaSlice<T>,
    pub at: Address,
}

impl<T: candle_core::cuda_backend::cudarc::driver::DeviceRepr> Buffer<T> {
    fn new(stream: &Arc<CudaStream>, length: usize) -> Result<Self, ModelError>
    where
        T: candle_core::cuda_backend::cudarc::driver::ValidAsZeroBits,
    {
        let slice = stream.alloc_zeros::<T>(length.max(1))?;
        let at = slice.device_ptr(stream).0;
        Ok(Self { slice, at })
    }
}

impl Buffers {
    /// Buffers for all of `layouts`, and a cache of `slots` tokens.
    pub fn new(
        stream: &Arc<CudaStream>,
        config: &ModelConfig,
        layouts: &[(Layout, Splits)],
        slots: usize,
    ) -> Result<Self, ModelError> {
        let most = |of: &dyn Fn(&(Layout, Splits)) -> u64| {
            layouts.iter().map(of).max().unwrap_or(0) as usize
        };
        let tokens = most(&|(l, _)| u64::from(l.bucket().tokens));
        let rows = most(&|(l, _)| u64::from(l.bucket().sequences));
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let decode_parts = most(&|(l, s)| {
            u64::from(l.bucket().sequences) * config.heads as u64 * u64::from(s.decode)
        });
        let prefill_parts = most(&|(l, s)| {
            let tiles = u64::from(l.tile_count()) * config.kv_heads as u64;
            tiles * u64::from(s.prefill) * u64::from(TILE_ROWS)
        });
        let parts = decode_parts.max(prefill_parts);
        let counters = most(&|(l, _)| {
            u64::from(l.bucket().sequences.max(l.tile_count())) * config.heads as u64
        });
        Ok(Self {
            description: Buffer::new(stream, most(&|(l, _)| u64::from(l.words)))?,
            x: Buffer::new(stream, tokens * hidden)?,
            normed: Buffer::new(stream, tokens * hidden)?,
            qkv: Buffer::new(stream, tokens * (q + 2 * kv))?,
            attended: Buffer::new(stream, tokens * q)?,
            gate_up: Buffer::new(stream, tokens * 2 * wide)?,
            active: Buffer::new(stream, tokens * wide)?,
            logits: Buffer::new(stream, rows * config.vocab_size)?,
            tokens: Buffer::new(stream, rows)?,
            parts: Buffer::new(stream, parts * config.head_dim)?,
            sums: Buffer::new(stream, parts * 2)?,
            counters: Buffer::new(stream, counters)?,
            best: Buffer::new(stream, rows)?,
            keys: Buffer::new(stream, config.layers * slots * kv)?,
            values: Buffer::new(stream, config.layers * slots * kv)?,
        })
    }
}
