//! From a profile to the time of a step. Every number is measured or interpolated between some that
//! are; what lies outside is an error that names the op, the shape and the command that collects it.

use thiserror::Error;

mod cpu;
mod executor;
mod interpolate;

pub use cpu::CpuPredictor;
pub use executor::PredictingExecutor;

use crate::engine::{EngineConfig, StepSpans};
use crate::model::ModelConfig;
use crate::profile::{Profile, Times};
use crate::stats::Random;

/// Predicts the steps of one model and engine from one profile.
#[derive(Debug, Clone)]
pub enum Predictor {
    /// On a CPU.
    Cpu(CpuPredictor),
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
}

impl Predictor {
    /// Arranges a profile for look-ups.
    ///
    /// # Errors
    /// A profile of a GPU that nothing was fitted to yet.
    pub fn new(
        profile: &Profile,
        model: &ModelConfig,
        _engine: &EngineConfig,
    ) -> Result<Self, PredictError> {
        match &profile.times {
            Times::Cpu(times) => Ok(Self::Cpu(CpuPredictor::new(&profile.meta, times, model))),
            Times::Gpu(_) => Err(PredictError::NotFitted),
        }
    }

    /// The spans of a step, one of those that are as likely as they were measured.
    ///
    /// # Errors
    /// A shape that the profile does not cover.
    pub fn draw(&self, step: Step<'_>, random: &mut Random) -> Result<StepSpans, PredictError> {
        match self {
            Self::Cpu(predictor) => predictor.draw(step, random),
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
    /// A profile of a GPU that nothing was fitted to yet.
    #[error("nothing is fitted to the profile's measured steps yet")]
    NotFitted,
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

/// The parts of a predicted step, ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTimes {
    /// Choosing the work.
    pub schedule_ns: f64,
    /// Describing the batch.
    pub prepare_ns: f64,
    /// The model's ops.
    pub ops_ns: f64,
    /// Handing out tokens.
    pub post_ns: f64,
}
