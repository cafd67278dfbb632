//! The sizes of any decoder-only model, from the `config.json` of Hugging Face transformers: what a profile
//! of another engine is held against. [`super::ModelConfig`] is the one that is computed, and stricter.

use std::path::Path;

use serde_json::{Map, Value};

use super::ModelError;
use crate::files::{Hasher, find, read_json};

/// Sizes of a decoder-only model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelShape {
    /// Layers.
    pub layers: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Width of the residual stream.
    pub hidden_size: u32,
    /// Width of the feed-forward part.
    pub intermediate_size: u32,
    /// Longest context.
    pub max_positions: u32,
    /// Whether the feed-forward part has a norm of its own.
    pub post_attention_norm: bool,
}

/// Architectures in which one norm serves attention and the feed-forward part alike.
const ONE_NORM: [&str; 4] = ["phi", "gptj", "codegen", "cohere"];

impl ModelShape {
    /// Reads `config.json` of a model folder, by whichever names its architecture gives to the sizes.
    ///
    /// # Errors
    /// A missing or faulty file, or a size that it does not have.
    pub fn read(model: &Path) -> Result<Self, ModelError> {
        let path = find(model, "config.json")?
            .ok_or_else(|| ModelError::NoConfig { path: model.to_owned() })?;
        let keys = Keys { file: &read_json(&path)?, path: &path };
        let heads = keys.required(&["num_attention_heads", "n_head", "n_heads"])?;
        let hidden_size = keys.required(&["hidden_size", "n_embd", "d_model"])?;
        let kv_heads = match keys.size(&["num_key_value_heads", "num_kv_heads", "n_head_kv"])? {
            // Falcon 7B says `multi_query`, and its `num_kv_heads` does not count then.
            _ if keys.flag("multi_query") && !keys.flag("new_decoder_architecture") => 1,
            Some(kv_heads) => kv_heads,
            None => heads,
        };
        let wide = keys.size(&["intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"])?;
        let shape = Self {
            layers: keys.required(&["num_hidden_layers", "n_layer", "n_layers"])?,
            heads,
            kv_heads,
            hidden_size,
            // Where it is not said, transformers takes four times the width.
            intermediate_size: wide.unwrap_or(hidden_size.saturating_mul(4)),
            max_positions: keys.required(&[
                "max_position_embeddings",
                "n_positions",
                "max_seq_len",
                "seq_length",
            ])?,
            post_attention_norm: !keys.one_norm(),
        };
        if !shape.heads.is_multiple_of(shape.kv_heads) {
            return Err(keys.fault(
                "num_key_value_heads",
                format!("is {kv_heads}, which does not divide the {heads} query heads"),
            ));
        }
        Ok(shape)
    }

    /// SHA-256 over the sizes.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate model shape v1");
        let sizes = [
            self.layers,
            self.heads,
            self.kv_heads,
            self.hidden_size,
            self.intermediate_size,
            self.max_positions,
            u32::from(self.post_attention_norm),
        ];
        sizes.into_iter().for_each(|size| hasher.number(u64::from(size)));
        hasher.finish()
    }
}

/// The keys of one file.
struct Keys<'a> {
    file: &'a Map<String, Value>,
    path: &'a Path,
}

impl Keys<'_> {
    /// The first of `names` that the file has; a key that is null counts as absent.
    fn size(&self, names: &[&'static str]) -> Result<Option<u32>, ModelError> {
        for &name in names {
            match self.file.get(name) {
                None | Some(Value::Null) => {}
                Some(value) => {
                    let size = value.as_u64().and_then(|size| u32::try_from(size).ok());
                    return match size.filter(|&size| size > 0) {
                        Some(size) => Ok(Some(size)),
                        None => Err(self.fault(name, format!("is {value}, no size above 0"))),
                    };
                }
            }
        }
        Ok(None)
    }

    fn required(&self, names: &[&'static str]) -> Result<u32, ModelError> {
        match self.size(names)? {
            Some(size) => Ok(size),
            None => {
                let also = names[1..].join("`, `");
                Err(self.fault(names[0], format!("is missing, and so are `{also}`")))
            }
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.file.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn one_norm(&self) -> bool {
        let kind = self.file.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let parallel = self.flag("parallel_attn") && !self.flag("new_decoder_architecture");
        parallel || ONE_NORM.contains(&kind)
    }

    fn fault(&self, key: &'static str, problem: String) -> ModelError {
        ModelError::Config { path: self.path.to_owned(), key, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ModelShape, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), text).unwrap();
        ModelShape::read(dir.path()).map_err(|e| e.to_string())
    }

    const LLAMA: &str = r#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 172,
        "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2,
        "max_position_embeddings": 4096}"#;

    #[test]
    fn architectures_that_name_the_sizes_otherwise_are_read() {
        let llama = read(LLAMA).unwrap();
        assert_eq!((llama.layers, llama.kv_heads, llama.post_attention_norm), (4, 2, true));
        let gpt2 = r#"{"model_type": "gpt2", "n_embd": 64, "n_inner": null, "n_layer": 4, "n_head": 8,
            "n_positions": 1024}"#;
        let gpt2 = read(gpt2).unwrap();
        assert_eq!((gpt2.kv_heads, gpt2.intermediate_size, gpt2.max_positions), (8, 256, 1024));
        let falcon = r#"{"model_type": "falcon", "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 71, "num_kv_heads": 71, "multi_query": true, "parallel_attn": true,
            "max_position_embeddings": 2048}"#;
        let falcon = read(falcon).unwrap();
        assert_eq!((falcon.kv_heads, falcon.post_attention_norm), (1, false));
    }

    #[test]
    fn what_is_missing_or_faulty_is_named() {
        for (from, to, expected) in [
            ("\"hidden_size\": 64, ", "", "`hidden_size` is missing, and so are `n_embd`"),
            ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "does not divide the 8"),
            ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 0", "`num_hidden_layers` is 0"),
        ] {
            let message = read(&LLAMA.replace(from, to)).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn every_size_changes_the_hash() {
        let base = read(LLAMA).unwrap();
        let variants = [
            base,
            ModelShape { layers: 5, ..base },
            ModelShape { heads: 16, ..base },
            ModelShape { kv_heads: 4, ..base },
            ModelShape { hidden_size: 128, ..base },
            ModelShape { intermediate_size: 128, ..base },
            ModelShape { max_positions: 128, ..base },
            ModelShape { post_attention_norm: false, ..base },
        ];
        let hashes: std::collections::HashSet<String> =
            variants.iter().map(ModelShape::hash).collect();
        assert_eq!(hashes.len(), variants.len());
    }
}
