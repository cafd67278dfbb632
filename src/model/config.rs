//! A model's architecture, from the `config.json` of Hugging Face transformers.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ModelError;
use crate::files::{Hasher, find, read_json};

/// A Qwen3 architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Token ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward part.
    pub intermediate_size: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Longest context.
    pub max_positions: u32,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Added to the variance in every norm.
    pub rms_norm_eps: f64,
    /// Whether the LM head is the embedding.
    pub tie_word_embeddings: bool,
    /// The token that ends a text.
    pub eos: Option<u32>,
    /// Folder of the tokenizer, where it is not the model's own.
    pub tokenizer: Option<PathBuf>,
}

/// `config.json`; keys that do not matter here are passed over.
#[derive(Deserialize)]
struct File {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: Option<usize>,
    max_position_embeddings: u32,
    rms_norm_eps: f64,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
    hidden_act: Option<String>,
    eos_token_id: Option<OneOrMany>,
    rope_scaling: Option<serde_json::Value>,
    /// The form up to transformers 4.
    rope_theta: Option<f64>,
    /// The form since transformers 5.
    rope_parameters: Option<RopeParameters>,
    /// simgate's own key: a folder, relative to this one.
    simgate_tokenizer: Option<PathBuf>,
}

/// Some models name several tokens that end a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl ModelConfig {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// A missing or faulty file, or an architecture that is not Qwen3's.
    pub fn read(model: &Path) -> Result<Self, ModelError> {
        match find(model, "config.json")? {
            Some(path) => Self::read_file(&path),
            None => Err(ModelError::NoConfig { path: model.to_owned() }),
        }
    }

    /// Reads a file in the form of `config.json`.
    ///
    /// # Errors
    /// As [`ModelConfig::read`].
    pub fn read_file(path: &Path) -> Result<Self, ModelError> {
        let file: File = read_json(path)?;
        let fault = |key, problem: &str| {
            Err(ModelError::Config { path: path.to_owned(), key, problem: problem.to_owned() })
        };
        if file.model_type != "qwen3" {
            return fault(
                "model_type",
                "is not `qwen3`, the only architecture that is implemented",
            );
        }
        if file.attention_bias || file.use_sliding_window {
            return fault(
                "attention_bias / use_sliding_window",
                "is true, which is not implemented",
            );
        }
        if file.hidden_act.as_deref().is_some_and(|act| act != "silu") {
            return fault("hidden_act", "is not `silu`, the only activation that is implemented");
        }
        let rope = file.rope_parameters.as_ref();
        if rope.and_then(|r| r.rope_type.as_deref()).is_some_and(|kind| kind != "default") {
            return fault(
                "rope_parameters.rope_type",
                "is not `default`, the only one that is implemented",
            );
        }
        if file.rope_scaling.is_some_and(|scaling| !scaling.is_null()) {
            return fault("rope_scaling", "is given, which is not implemented");
        }
        let eos = match file.eos_token_id {
            None => None,
            Some(OneOrMany::One(id)) => Some(id),
            Some(OneOrMany::Many(ids)) if ids.len() <= 1 => ids.first().copied(),
            Some(OneOrMany::Many(_)) => {
                return fault(
                    "eos_token_id",
                    "names several tokens, which is not implemented: name one",
                );
            }
        };
        let theta = file.rope_theta.or(rope.and_then(|r| r.rope_theta));
        let Some(rope_theta) = theta else {
            return fault("rope_theta", "is missing, and so is `rope_parameters.rope_theta`");
        };
        let (heads, kv_heads) = (file.num_attention_heads, file.num_key_value_heads);
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 {
            return fault("num_attention_heads", "is 0, or no multiple of num_key_value_heads");
        }
        let head_dim = file.head_dim.unwrap_or(file.hidden_size / heads);
        if head_dim == 0 || !head_dim.is_multiple_of(2) {
            return fault("head_dim", "is not an even number above 0");
        }
        if file.num_hidden_layers == 0 || file.vocab_size == 0 || file.hidden_size == 0 {
            return fault("num_hidden_layers / vocab_size / hidden_size", "is 0");
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            vocab_size: file.vocab_size,
            hidden_size: file.hidden_size,
            intermediate_size: file.intermediate_size,
            layers: file.num_hidden_layers,
            heads,
            kv_heads,
            head_dim,
            max_positions: file.max_position_embeddings,
            rope_theta,
            rms_norm_eps: file.rms_norm_eps,
            tie_word_embeddings: file.tie_word_embeddings,
            eos,
            tokenizer: file.simgate_tokenizer.map(|path| folder.join(path)),
        })
    }

    /// SHA-256 over what the forward pass depends on.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate model v1");
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.intermediate_size,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
        ];
        sizes.into_iter().for_each(|size| hasher.number(size as u64));
        hasher.number(u64::from(self.max_positions));
        hasher.number(self.rope_theta.to_bits());
        hasher.number(self.rms_norm_eps.to_bits());
        hasher.number(u64::from(self.tie_word_embeddings));
        hasher.number(self.eos.map_or(u64::MAX, u64::from));
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSFORMERS_4: &str = r#"{"model_type": "qwen3", "vocab_size": 8, "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 4, "max_position_embeddings": 16, "rms_norm_eps": 1e-6,
        "rope_theta": 1000000, "torch_dtype": "bfloat16"}"#;

    fn read(text: &str) -> Result<ModelConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), text).unwrap();
        ModelConfig::read(dir.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn both_forms_of_the_rope_base_are_read() {
        let new = TRANSFORMERS_4.replace(
            "\"rope_theta\": 1000000",
            "\"rope_parameters\": {\"rope_theta\": 1000000.0, \"rope_type\": \"default\"}",
        );
        assert_eq!(read(TRANSFORMERS_4).unwrap(), read(&new).unwrap());
    }

    #[test]
    fn what_is_not_implemented_is_named() {
        for (from, to, expected) in [
            ("\"qwen3\"", "\"llama\"", "`model_type` is not `qwen3`"),
            ("\"rope_theta\": 1000000, ", "", "`rope_theta` is missing, and so is"),
            ("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3", "or no multiple of"),
            (
                "\"torch_dtype\": \"bfloat16\"",
                "\"rope_scaling\": {\"rope_type\": \"yarn\"}",
                "`rope_scaling` is given",
            ),
            (
                "\"num_attention_heads\": 2",
                "\"num_attention_heads\": 0",
                "`num_attention_heads` is 0",
            ),
            ("\"vocab_size\": 8,", "", "missing field `vocab_size`"),
        ] {
            let message = read(&TRANSFORMERS_4.replace(from, to)).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
