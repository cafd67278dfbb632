//! candle-transformers' own Qwen3, one request after another: a second opinion on the model, and what a
//! program without an engine would do. Arrivals are open-loop here too.

use std::path::Path;

use candle_core::{D, Device, Tensor};
use candle_nn::Activation;
use candle_transformers::models::qwen3::{Config, ModelForCausalLM};

use super::candle::{host, now};
use super::{Backend, BackendError, Kind, served};
use crate::engine::{Clock, MonotonicClock};
use crate::model::{ModelConfig, ModelError, Placement, WeightSource, load_weights};
use crate::run::{Boundary, Run, RunMeta, Weights};
use crate::workload::{Request, Workload};

/// The stock model, single-stream.
pub struct Transformers {
    model: ModelForCausalLM,
    config: ModelConfig,
    weights: WeightSource,
    ignore_eos: bool,
}

impl Transformers {
    /// Loads a model folder onto the CPU. `ignore_eos` as in the engine's configuration.
    ///
    /// # Errors
    /// A missing or faulty `config.json`, or weights that do not fit it.
    pub fn open(folder: &Path, ignore_eos: bool) -> Result<Self, ModelError> {
        let config = ModelConfig::read(folder)?;
        let (tensors, weights) = load_weights(folder, &config, &Placement::cpu())?;
        let model = ModelForCausalLM::new(&stock_config(&config), tensors).map_err(|error| {
            ModelError::Weights { path: folder.to_owned(), problem: error.to_string() }
        })?;
        Ok(Self { model, config, weights, ignore_eos })
    }

    /// Token times and ids of one request.
    fn serve(
        &mut self,
        request: &Request,
        prompt: &[u32],
        clock: &mut dyn Clock,
    ) -> candle_core::Result<Vec<u64>> {
        clock.wait_until(request.arrival_ns);
        self.model.clear_kv_cache();
        let mut times = Vec::new();
        let (mut input, mut offset) = (prompt.to_vec(), 0);
        while times.len() < request.decode_tokens as usize {
            let tokens = Tensor::new(&input[..], &Device::Cpu)?.unsqueeze(0)?;
            let logits = self.model.forward(&tokens, offset)?;
            let next: u32 = logits.flatten_all()?.argmax(D::Minus1)?.to_scalar()?;
            times.push(clock.now());
            offset += input.len();
            input = vec![next];
            if !self.ignore_eos && Some(next) == self.config.eos {
                break;
            }
        }
        Ok(times)
    }
}

/// The architecture in candle-transformers' words.
pub fn stock_config(config: &ModelConfig) -> Config {
    Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_hidden_layers: config.layers,
        num_attention_heads: config.heads,
        head_dim: config.head_dim,
        attention_bias: false,
        num_key_value_heads: config.kv_heads,
        max_position_embeddings: config.max_positions as usize,
        sliding_window: None,
        max_window_layers: config.layers,
        tie_word_embeddings: config.tie_word_embeddings,
        rope_theta: config.rope_theta,
        rms_norm_eps: config.rms_norm_eps,
        use_sliding_window: false,
        hidden_act: Activation::Silu,
    }
}

impl Backend for Transformers {
    fn kind(&self) -> Kind {
        Kind::Measured
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        let mut meta = RunMeta::new("transformers (single-stream)", Boundary::Engine);
        meta.host = Some(host());
        meta.weights = Some(Weights { source: self.weights.to_string(), sha256: None });
        meta.hashes.model_config = Some(self.config.hash());
        meta.hashes.workload = Some(workload.hash());
        meta.process = Some(0);
        meta.repeat = Some(repeat);
        meta.started_at = Some(now());
        let prompts = workload.token_ids(self.config.vocab_size as u32);
        let mut clock = MonotonicClock::start();
        let mut times = Vec::new();
        for (request, prompt) in workload.requests.iter().zip(&prompts) {
            let total = request.prefill_tokens.saturating_add(request.decode_tokens);
            // Like the engine, it turns away what the model's positions cannot hold.
            let tokens = if prompt.is_empty() || total > self.config.max_positions {
                Vec::new()
            } else {
                self.serve(request, prompt, &mut clock)
                    .map_err(|error| BackendError::Failed(error.to_string()))?
            };
            times.push(tokens);
        }
        let mut run = served(workload, &times, meta);
        for record in run.requests.iter_mut().filter(|record| record.first_token_ns.is_none()) {
            record.status = crate::run::Status::Refused;
        }
        Ok(run)
    }
}
