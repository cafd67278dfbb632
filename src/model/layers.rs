//! The weights of a model, fused as the forward passes use them.

use std::path::Path;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{ModelConfig, ModelError};

/// All weights. Matrices are stored as (out, in) and used transposed.
pub(super) struct Weights {
    pub embed: Tensor,
    pub layers: Vec<Layer>,
    pub norm: Tensor,
    pub lm_head: Tensor,
}

/// Those of one layer.
pub(super) struct Layer {
    pub input_norm: Tensor,
    pub qkv: Tensor,
    pub q_norm: Tensor,
    pub k_norm: Tensor,
    pub out_proj: Tensor,
    pub post_norm: Tensor,
    pub gate_up: Tensor,
    pub down: Tensor,
}

impl Weights {
    /// Puts weights to their places. `folder` is used in messages.
    pub fn new(
        config: &ModelConfig,
        weights: &VarBuilder<'_>,
        folder: &Path,
    ) -> std::result::Result<Self, ModelError> {
        Self::assemble(config, weights).map_err(|error| ModelError::Weights {
            path: folder.to_owned(),
            problem: error.to_string(),
        })
    }

    fn assemble(config: &ModelConfig, weights: &VarBuilder<'_>) -> Result<Self> {
        let hidden = config.hidden_size;
        let embed = weights.get((config.vocab_size, hidden), "model.embed_tokens.weight")?;
        let lm_head = if config.tie_word_embeddings {
            embed.clone()
        } else {
            weights.get((config.vocab_size, hidden), "lm_head.weight")?
        };
        let layers = (0..config.layers)
            .map(|i| Layer::new(config, &weights.pp(format!("model.layers.{i}"))))
            .collect::<Result<_>>()?;
        Ok(Self { embed, layers, norm: weights.get(hidden, "model.norm.weight")?, lm_head })
    }
}

impl Layer {
    fn new(config: &ModelConfig, weights: &VarBuilder<'_>) -> Result<Self> {
        let hidden = config.hidden_size;
        let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
        let matrix =
            |name: &str, rows, columns| weights.get((rows, columns), &format!("{name}.weight"));
        let vector = |name: &str, size: usize| weights.get(size, &format!("{name}.weight"));
        let qkv = Tensor::cat(
            &[
                matrix("self_attn.q_proj", q, hidden)?,
                matrix("self_attn.k_proj", kv, hidden)?,
                matrix("self_attn.v_proj", kv, hidden)?,
            ],
            0,
        )?;
        let gate_up = Tensor::cat(
            &[
                matrix("mlp.gate_proj", config.intermediate_size, hidden)?,
                matrix("mlp.up_proj", config.intermediate_size, hidden)?,
            ],
            0,
        )?;
        Ok(Self {
            input_norm: vector("input_layernorm", hidden)?,
            qkv,
            q_norm: vector("self_attn.q_norm", config.head_dim)?,
            k_norm: vector("self_attn.k_norm", config.head_dim)?,
            out_proj: matrix("self_attn.o_proj", hidden, q)?,
            post_norm: vector("post_attention_layernorm", hidden)?,
            gate_up,
            down: matrix("mlp.down_proj", hidden, config.intermediate_size)?,
        })
    }
}
