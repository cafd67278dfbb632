//! From a profile to the time of a step. Every number is measured or interpolated between some that
//! are; what lies outside is an error that names the op, the shape and the command that collects it.

use std::sync::Arc;

use thiserror::Error;

mod ablation;
mod cpu;
mod executor;
mod gpu;
mod gpu_ops;
mod idle;
mod interpolate;
mod memo;
mod residuals;
mod timeline;
mod vidur;
mod vidur_executor;
mod work;

pub use ablation::Ablation;
pub use cpu::{CpuPredictor, StepTimes};
pub use executor::PredictingExecutor;
pub use gpu::{GpuPredictor, GpuStep, StepParts};
pub use idle::{IDLE_NS, Idle};
pub use residuals::Draws;
pub use vidur::{VidurBatch, VidurPredictor, VidurSettings};
pub use vidur_executor::VidurExecutor;
pub use work::{NAMES as STEP_VARIABLES, OF_DECODE, VARIABLES, variables};

use crate::engine::{EngineConfig, StepSpans};
use crate::model::{ModelConfig, StepSize};
use crate::profile::vidur::OutsideTable;
use crate::profile::{Profile, Times};

/// Predicts the steps of one model and engine from one profile.
#[derive(Debug, Clone)]
pub enum Predictor {
    /// On a CPU.
    Cpu(Box<CpuPredictor>),
    /// On a GPU.
    Gpu(Box<GpuPredictor>),
}

/// A step to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Tokens computed now, and tokens in the cache before, of each sequence.
    pub sequences: &'a [(u32, u32)],
    /// Sequences that want their next token.
    pub rows: u32,
    /// Whether no prompt's chunk is in it.
    pub decode_only: bool,
    /// The idle time before it.
    pub idle: Idle,
}

impl Predictor {
    /// Arranges a profile for look-ups.
    ///
    /// # Errors
    /// A profile of a GPU that nothing was fitted to yet.
    pub fn new(
        profile: &Profile,
        model: &ModelConfig,
        engine: &EngineConfig,
    ) -> Result<Self, PredictError> {
        match &profile.times {
            Times::Cpu(times) => {
                Ok(Self::Cpu(Box::new(CpuPredictor::new(&profile.meta, times, model))))
            }
            Times::Gpu(times) => {
                let predictor = GpuPredictor::new(&profile.meta, times, model, engine)?;
                Ok(Self::Gpu(Box::new(predictor)))
            }
        }
    }

    /// The predictor of a GPU, whose steps can be taken apart.
    ///
    /// # Errors
    /// A predictor of a CPU.
    pub fn gpu(&self) -> Result<&GpuPredictor, PredictError> {
        match self {
            Self::Cpu(_) => Err(PredictError::NoParts),
            Self::Gpu(predictor) => Ok(predictor),
        }
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// A predictor of a CPU.
    pub fn gpu_mut(&mut self) -> Result<&mut GpuPredictor, PredictError> {
        match self {
            Self::Cpu(_) => Err(PredictError::NoParts),
            Self::Gpu(predictor) => Ok(predictor),
        }
    }

    /// The spans of a step, some of those that are as likely as they were measured, and its bucket.
    ///
    /// # Errors
    /// A shape that the profile does not cover.
    pub fn draw(
        &self,
        step: Step<'_>,
        draws: &mut Draws,
    ) -> Result<(StepSpans, Option<Arc<str>>), PredictError> {
        match self {
            Self::Cpu(predictor) => Ok((predictor.draw(step, draws.random())?, None)),
            Self::Gpu(predictor) => predictor.draw(step.sequences, step.idle, draws),
        }
    }
}

/// Why a step's time cannot be predicted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The profile lacks an op altogether.
    #[error("the profile has no entry for op `{op}`; collect it with `{command}`")]
    MissingOp {
        /// The op.
        op: &'static str,
        /// The command that collects it.
        command: String,
    },
    /// A predictor of a CPU, asked for what only one of a GPU has.
    #[error("the profile is of a CPU: only predictions of a GPU can be taken apart")]
    NoParts,
    /// A cost of launching that was never measured.
    #[error("the profile's launches.csv has no `{cost}`; collect it with `{command}`")]
    MissingCost {
        /// The cost.
        cost: String,
        /// The command that collects it.
        command: String,
    },
    /// A step whose time comes out as none.
    #[error(
        "the step model gives bucket {bucket} no time for {content}: fit the profile to more contents; collect it with `{command}`, with more --contents"
    )]
    NoTime {
        /// The bucket.
        bucket: StepSize,
        /// What the step computes.
        content: String,
        /// The command that collects it.
        command: String,
    },
    /// A step of a size that was never measured.
    #[error(
        "the profile has no step of bucket {bucket}; collect it with `{command} --limits TOKENSxSEQUENCES`, the engine's `chunk_tokens` and `max_sequences`"
    )]
    MissingBucket {
        /// The bucket, or the step where it fits none.
        bucket: StepSize,
        /// The command that collects it.
        command: String,
    },
    /// A step whose content is beyond what was measured in its bucket.
    #[error(
        "the profile has bucket {bucket} for {variable} {low} to {high}, not {asked}; collect it with `{command}`, with more --contents or a longer --max-context"
    )]
    OutOfWork {
        /// The bucket.
        bucket: StepSize,
        /// What is out of range.
        variable: &'static str,
        /// What was asked for.
        asked: f64,
        /// Smallest measured.
        low: f64,
        /// Largest measured.
        high: f64,
        /// The command that collects it.
        command: String,
    },
    /// A profile of a GPU that nothing was fitted to yet.
    #[error(
        "what is fitted to the profile's measured steps is missing, or of another version: fit it with `simgate profile {model} --refit --out DIR`"
    )]
    NotFitted {
        /// The model.
        model: String,
    },
    /// A step outside a Vidur bundle's tables.
    #[error(transparent)]
    OutsideTable(#[from] OutsideTable),
    /// A Vidur bundle that cannot predict with these settings.
    #[error("the Vidur bundle {problem}")]
    Vidur {
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A profile without a whole step of some kind.
    #[error("the profile has no whole `{kind}` step in residuals.csv; collect it with `{command}`")]
    MissingResidual {
        /// `decode` or `mixed`.
        kind: &'static str,
        /// The command that collects it.
        command: String,
    },
    /// A shape beyond the measured ones.
    #[error(
        "the profile has op `{op}` for {variable} {low} to {high}, not {asked}; collect it with `{command}`"
    )]
    OutOfRange {
        /// The op or host span.
        op: &'static str,
        /// The variable that is out of range.
        variable: &'static str,
        /// What was asked for.
        asked: u32,
        /// Smallest measured.
        low: u32,
        /// Largest measured.
        high: u32,
        /// The command that collects it.
        command: String,
    },
}
