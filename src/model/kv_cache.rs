//! The paged KV cache: for each layer, keys and values of all blocks' slots.

use candle_core::{Device, Result, Tensor};

use super::batch::BatchSequence;
use super::{ModelConfig, Placement};

/// Keys and values of all layers.
pub struct KvCache {
    block_tokens: u32,
    /// For each layer, (keys, values) of shape (slots, kv heads, head dim).
    layers: Vec<(Tensor, Tensor)>,
}

impl KvCache {
    /// An empty cache of `blocks` blocks.
    ///
    /// # Errors
    /// candle's own, such as too little memory.
    pub fn new(
        config: &ModelConfig,
        blocks: u32,
        block_tokens: u32,
        placement: &Placement,
    ) -> Result<Self> {
        let slots = blocks as usize * block_tokens as usize;
        let Placement { device, dtype } = placement;
        let zeros = || Tensor::zeros((slots, config.kv_heads, config.head_dim), *dtype, device);
        let layers = (0..config.layers).map(|_| Ok((zeros()?, zeros()?)));
        Ok(Self { block_tokens, layers: layers.collect::<Result<_>>()? })
    }

    /// The slots of a sequence's cached and current tokens, shape (kv,).
    pub(super) fn slots(&self, sequence: &BatchSequence, device: &Device) -> Result<Tensor> {
        let slots: Vec<u32> = (0..sequence.context + sequence.tokens)
            .map(|token| self.slot(sequence, token))
            .collect();
        Tensor::new(slots, device)
    }

    fn slot(&self, sequence: &BatchSequence, token: u32) -> u32 {
        let block = sequence.blocks[(token / self.block_tokens) as usize];
        block * self.block_tokens + token % self.block_tokens
    }

    /// Writes the keys and values of a sequence's current tokens, each of shape
    /// (tokens, kv heads, head dim).
    pub(super) fn write(
        &self,
        layer: usize,
        sequence: &BatchSequence,
        k: &Tensor,
        v: &Tensor,
    ) -> Result<()> {
        let (keys, values) = &self.layers[layer];
        let mut done = 0;
        while done < sequence.tokens {
            let token = sequence.context + done;
            // Slots follow each other up to the end of a block.
            let run = (self.block_tokens - token % self.block_tokens).min(sequence.tokens - done);
            let slot = self.slot(sequence, token) as usize;
            keys.slice_set(&k.narrow(0, done as usize, run as usize)?, 0, slot)?;
            values.slice_set(&v.narrow(0, done as usize, run as usize)?, 0, slot)?;
            done += run;
        }
        Ok(())
    }

    /// Keys and values at `slots`, each of shape (kv, kv heads, head dim).
    pub(super) fn read(&self, layer: usize, slots: &Tensor) -> Result<(Tensor, Tensor)> {
        let (keys, values) = &self.layers[layer];
        Ok((keys.index_select(slots, 0)?, values.index_select(slots, 0)?))
    }
}
