//! The model: its architecture from the Hugging Face `config.json`, the op list of a step, and its
//! forward pass on candle over a plain [`Batch`].

use std::path::PathBuf;

use thiserror::Error;

use crate::files::FileError;

mod batch;
mod config;
#[cfg(feature = "candle")]
mod kv_cache;
mod ops;
#[cfg(feature = "candle")]
mod placement;
#[cfg(feature = "candle")]
mod qwen3;
#[cfg(feature = "candle")]
mod weights;

pub use batch::{Batch, BatchSequence};
pub use config::ModelConfig;
#[cfg(feature = "candle")]
pub use kv_cache::KvCache;
pub use ops::{Op, OpCall, Shape, op_list};
#[cfg(feature = "candle")]
pub use placement::Placement;
#[cfg(feature = "candle")]
pub use qwen3::{Qwen3, StepInput};
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
    /// candle's own error.
    #[cfg(feature = "candle")]
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}
