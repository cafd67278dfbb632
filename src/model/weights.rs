//! Weights: from safetensors in a model folder, or random ones of the true shape.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use half::bf16;

use super::{ModelConfig, ModelError, Placement};
use crate::files::{FileError, Hasher};
use crate::stats::Random;

/// Where weights come from. Stands in `run_meta.json` and in every report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightSource {
    /// Random numbers of this seed.
    Random(u64),
    /// Files, and the SHA-256 of their bytes.
    Files {
        /// Their folder.
        folder: PathBuf,
        /// The hash.
        sha256: String,
    },
}

impl fmt::Display for WeightSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(seed) => write!(f, "random({seed})"),
            // The folder's name: where the project lies says nothing of them.
            Self::Files { folder, .. } => {
                let name =
                    folder.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
                write!(f, "{name}")
            }
        }
    }
}

/// The weights of a model folder: its `*.safetensors`, or random ones where it has none.
///
/// # Errors
/// Files that cannot be read or are no safetensors.
pub fn load_weights(
    model: &Path,
    config: &ModelConfig,
    placement: &Placement,
) -> Result<(VarBuilder<'static>, WeightSource), ModelError> {
    let Placement { device, dtype } = placement;
    let io = |source| FileError::Io { action: "read", path: model.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(model).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Ok((random_weights(config, 0, placement)?, WeightSource::Random(0)));
    }
    files.sort();
    let mut hasher = Hasher::new("simgate weights v1");
    let mut tensors = HashMap::new();
    for path in files {
        let bytes = std::fs::read(&path).map_err(|source| FileError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        hasher.text(&crate::files::sha256_hex(&bytes));
        let loaded = candle_core::safetensors::load_buffer(&bytes, device).map_err(|error| {
            ModelError::Weights { path: path.clone(), problem: error.to_string() }
        })?;
        for (name, tensor) in loaded {
            tensors.insert(name, tensor.to_dtype(*dtype)?);
        }
    }
    let source = WeightSource::Files { folder: model.to_owned(), sha256: hasher.finish() };
    Ok((VarBuilder::from_tensors(tensors, *dtype, device), source))
}

/// Random weights of the true shape: norms of 1, everything else uniform with the standard deviation
/// 0.02 that such models are initialised with.
///
/// # Errors
/// candle's own.
pub fn random_weights(
    config: &ModelConfig,
    seed: u64,
    placement: &Placement,
) -> Result<VarBuilder<'static>, ModelError> {
    let Placement { device, dtype } = placement;
    let mut tensors = HashMap::new();
    for (stream, (name, shape)) in shapes(config).into_iter().enumerate() {
        let count = shape.iter().product();
        // In the type wanted here already: a GPU would have to load a kernel to convert it.
        let tensor = match (name.contains("norm"), dtype) {
            (true, _) => Tensor::ones(shape, *dtype, &Device::Cpu)?,
            (false, DType::BF16) => Tensor::from_vec(
                uniform(count, seed, stream as u64, bf16::from_f32),
                shape,
                &Device::Cpu,
            )?,
            (false, _) => {
                let values: Vec<f32> = uniform(count, seed, stream as u64, |value| value);
                Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(*dtype)?
            }
        };
        tensors.insert(name, tensor.to_device(device)?);
    }
    Ok(VarBuilder::from_tensors(tensors, *dtype, device))
}

/// Numbers that a thread draws at least.
const PIECE: usize = 1 << 20;

/// Uniform numbers with standard deviation 0.02, made of f32 by `convert`: the same on any number of
/// threads.
fn uniform<T: Default + Clone + Send>(
    count: usize,
    seed: u64,
    stream: u64,
    convert: fn(f32) -> T,
) -> Vec<T> {
    let half_width = 0.02 * 3.0_f64.sqrt();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let piece = count.div_ceil(threads).max(PIECE);
    let mut values = vec![T::default(); count];
    std::thread::scope(|scope| {
        for (i, values) in values.chunks_mut(piece).enumerate() {
            scope.spawn(move || {
                let mut random = Random::new(seed, stream);
                random.skip((i * piece) as u64);
                for value in values {
                    *value = convert(((2.0 * random.unit() - 1.0) * half_width) as f32);
                }
            });
        }
    });
    values
}

/// All tensors of a model, by Hugging Face's names.
fn shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let hidden = config.hidden_size;
    let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    if !config.tie_word_embeddings {
        shapes.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    }
    for layer in 0..config.layers {
        for (name, shape) in [
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("self_attn.q_proj", vec![q, hidden]),
            ("self_attn.k_proj", vec![kv, hidden]),
            ("self_attn.v_proj", vec![kv, hidden]),
            ("self_attn.o_proj", vec![hidden, q]),
            ("self_attn.q_norm", vec![config.head_dim]),
            ("self_attn.k_norm", vec![config.head_dim]),
            ("mlp.gate_proj", vec![config.intermediate_size, hidden]),
            ("mlp.up_proj", vec![config.intermediate_size, hidden]),
            ("mlp.down_proj", vec![hidden, config.intermediate_size]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    shapes
}
