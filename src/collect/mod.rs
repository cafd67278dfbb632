//! Collects profiles: times the engine's own op functions on the model's real weights, and whole steps
//! of calibration runs that are no case.

use thiserror::Error;

use crate::backend::BackendError;
use crate::engine::{EngineConfig, EngineError, Launch, Policy};
use crate::model::ModelError;
use crate::predict::PredictError;

mod cpu;
mod gpu;
mod speed;

pub use cpu::collect;
pub use gpu::{
    Settings as GpuSettings, ValidatedStep, Validation, assemble, measure_part, part_is_whole,
    refit, validate,
};
pub use speed::{SHAPES, Shape, Speed, Timing, speed};

/// How far a profile reaches. Nothing beyond is ever predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranges {
    /// Most tokens of a step.
    pub max_tokens: u32,
    /// Most tokens in the cache of one sequence before a step.
    pub max_context: u32,
    /// Most sequences of a step.
    pub max_sequences: u32,
    /// Tokens of a KV block.
    pub kv_block_tokens: u32,
}

/// The engine that steps are measured in: with `limits` of (most tokens, most sequences) a step.
fn sarathi(
    launch: Launch,
    (chunk_tokens, max_sequences): (u32, u32),
    kv_block_tokens: u32,
    kv_blocks: Option<u32>,
) -> EngineConfig {
    EngineConfig {
        policy: Policy::Sarathi,
        chunk_tokens,
        max_sequences,
        kv_block_tokens,
        kv_blocks,
        kv_watermark_bp: 0,
        launch,
        ignore_eos: true,
    }
}

/// Told what is being done: (what, parts done, parts in all).
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

/// Why a profile could not be collected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// candle failed.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
    /// A calibration run failed.
    #[error("calibration: {0}")]
    Engine(#[from] EngineError),
    /// A model that no step of the benchmark fits.
    #[error("the model has too few positions or tokens for every step of the benchmark")]
    SmallModel,
    /// A benchmark without a GPU.
    #[error("the model lies on no GPU")]
    NoGpu,
    /// A serving loop failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A model on a GPU, where one on the CPU is to be measured.
    #[error(
        "the model lies on a GPU: its profile is collected with `simgate profile MODEL --device cuda:0`"
    )]
    OnGpu,
    /// Steps that do not determine the fit.
    #[error("the measured steps do not determine the step model: measure more, with --contents")]
    Undetermined,
    /// A calibration run of another make.
    #[error("{}: this is no calibration run of a profile; collect the profile again", path.display())]
    OddCalibration {
        /// The run.
        path: std::path::PathBuf,
    },
    /// A profile of a CPU, where one of a GPU is needed.
    #[error("the profile is of a CPU: only that of a GPU can be fitted anew or validated")]
    OfCpu,
    /// No part of a profile.
    #[error("there is no part to make a profile of")]
    NoParts,
    /// Parts of a profile that do not belong together.
    #[error("{}: this part has another {what} than the one before it; remove it and measure again", path.display())]
    OtherPart {
        /// The part.
        path: std::path::PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A part of a profile that cannot be read or written.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A part of a profile that cannot be read or written.
    #[error(transparent)]
    Profile(#[from] crate::profile::ProfileError),
    /// A file that cannot be written.
    #[error(transparent)]
    File(#[from] crate::files::FileError),
    /// The profile does not cover its own calibration.
    #[error("calibration: {0}")]
    Predict(#[from] PredictError),
}
