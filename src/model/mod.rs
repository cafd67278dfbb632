//! The model: its architecture from the Hugging Face `config.json`, the op list of a step, and its
//! forward passes over a plain [`Batch`]: candle's ops on the CPU, our own kernels on a GPU.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::FileError;

mod attention_work;
mod batch;
mod bucket;
mod config;
#[cfg(feature = "cuda")]
mod gpu;
mod gpu_ops;
#[cfg(feature = "candle")]
mod kv_cache;
#[cfg(feature = "candle")]
mod layers;
#[cfg(all(feature = "candle", not(feature = "cuda")))]
mod no_gpu;
mod ops;
#[cfg(feature = "candle")]
mod placement;
#[cfg(feature = "candle")]
mod qwen3;
mod shape;
#[cfg(feature = "candle")]
mod weights;

pub use attention_work::{AttentionWork, KernelWork, StepWork};
pub use batch::{Batch, BatchSequence};
pub use bucket::{Buckets, StepKind, StepSize, StepSizeError};
pub use config::ModelConfig;
#[cfg(feature = "cuda")]
pub use gpu::{GpuForward, GpuModel};
pub use gpu_ops::{GpuLimits, GpuOp, GraphMemory, LaunchCosts, OpTimes, Replays};
#[cfg(feature = "candle")]
pub use kv_cache::KvCache;
#[cfg(all(feature = "candle", not(feature = "cuda")))]
pub use no_gpu::{GpuForward, GpuModel};
pub use ops::{Op, OpCall, Shape, op_list};
#[cfg(feature = "candle")]
pub use placement::Placement;
#[cfg(feature = "candle")]
pub use qwen3::{Qwen3, StepInput};
pub use shape::ModelShape;
#[cfg(feature = "candle")]
pub use weights::{WeightSource, load_weights, random_weights};

/// What can be wrong with a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file that cannot be read or parsed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder without `config.json`.
    #[error("{}: no config.json here: expected a folder as Hugging Face transformers saves it", path.display())]
    NoConfig {
        /// The folder.
        path: PathBuf,
    },
    /// An architecture that this forward pass does not have.
    #[error("{}: `{key}` {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Weights that do not fit the architecture.
    #[error("{}: the weights do not fit config.json: {problem}", path.display())]
    Weights {
        /// The folder.
        path: PathBuf,
        /// The library's reason, with the tensor's name.
        problem: String,
    },
    /// A GPU that cannot be used.
    #[error("the GPU cannot be used: {problem}")]
    Gpu {
        /// The library's reason.
        problem: String,
    },
    /// A GPU is asked for, but the build cannot use one.
    #[error(
        "the case is about a GPU, but this simgate was built without the feature `cuda`: build it with `--features cuda`, as the README's section on GPU machines says"
    )]
    WithoutCuda,
    /// Graphs without a GPU.
    #[error("`launch: graph` needs a GPU: say `launch: eager`, or another `hardware` than `cpu`")]
    GraphOnCpu,
    /// A step that no bucket holds.
    #[error(
        "a step of {} tokens and {} sequences fits no bucket: raise `chunk_tokens` or `max_sequences` in `engine:`",
        size.tokens, size.sequences
    )]
    NoBucket {
        /// What the step asks for.
        size: StepSize,
    },
    /// Settings that are beyond what the GPU's kernels can do.
    #[error(
        "`{key}` of {value} is beyond what the GPU's kernels can do: {most} at most, and 1 at least"
    )]
    Limit {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: u64,
        /// The largest that is possible here.
        most: u64,
    },
    /// A batch that contradicts itself or its limits: a fault of whoever made it.
    #[error("the batch is faulty: sequence {sequence} {problem}")]
    Batch {
        /// The sequence, from 0.
        sequence: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Logits that are no numbers.
    #[error(
        "logits are no numbers (NaN), those of row {row} of a step first: the weights, or the KV cache, are broken"
    )]
    NotANumber {
        /// The row, among those whose token is wanted.
        row: usize,
    },
    /// candle's own error.
    #[cfg(feature = "candle")]
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}
