//! Collects profiles: times the engine's own op functions on the model's real weights, and whole steps
//! of calibration runs that are no case.

use thiserror::Error;

use crate::backend::candle::{host, now};
use crate::backend::{BackendError, LoadedModel};
use crate::engine::EngineError;
use crate::model::ModelError;
use crate::predict::PredictError;
use crate::profile::{Profile, ProfileMeta};

mod ops;
mod speed;
mod steps;

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
    /// A model on a GPU.
    #[error("profiles of a GPU are not in this version: `simgate profile` measures the CPU")]
    OnGpu,
    /// The profile does not cover its own calibration.
    #[error("calibration: {0}")]
    Predict(#[from] PredictError),
}

/// Measures a profile of `loaded`, which `name` names under `models/`.
///
/// # Errors
/// The model's own errors.
pub fn collect(
    name: &str,
    loaded: &LoadedModel,
    ranges: Ranges,
    progress: Progress<'_>,
) -> Result<Profile, CollectError> {
    let model = loaded.on_cpu().ok_or(CollectError::OnGpu)?;
    let started_at = now();
    let mut profile = Profile {
        meta: ProfileMeta {
            schema_version: 1,
            model: name.to_owned(),
            model_config: loaded.config.hash(),
            weights: loaded.weights.to_string(),
            device: "cpu".to_owned(),
            device_uuid: None,
            host: host().cpu,
            commit: crate::COMMIT.map(str::to_owned),
            kv_block_tokens: ranges.kv_block_tokens,
            run_ids: Vec::new(),
            ended_at: started_at.clone(),
            started_at,
        },
        ops: ops::measure(model, ranges, progress)?,
        host: Vec::new(),
        residuals: Vec::new(),
    };
    steps::calibrate(&mut profile, model, ranges, progress)?;
    profile.meta.ended_at = now();
    Ok(profile)
}

/// 1, 2, 4, ... and `max`: op times bend most where shapes are small.
fn powers_up_to(max: u32) -> Vec<u32> {
    let mut values: Vec<u32> = (0..32).map(|k| 1 << k).take_while(|&v| v < max).collect();
    values.push(max.max(1));
    values
}
