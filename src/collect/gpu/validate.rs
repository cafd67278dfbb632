//! Predictions beside random steps that nothing was fitted to.

use crate::collect::{CollectError, sarathi};
use crate::engine::Launch;
use crate::model::ModelConfig;
use crate::predict::{GpuPredictor, Idle, PredictError};
use crate::profile::{Profile, ReplayEntry, Times};
use crate::stats::percentiles;

/// A step, measured and predicted.
#[derive(Debug)]
pub struct ValidatedStep {
    /// What was measured.
    pub measured: ReplayEntry,
    /// What is predicted from launch to tokens, ns, or why nothing is.
    pub predicted: Result<f64, PredictError>,
    /// Where the prediction comes from.
    pub origin: String,
}

impl ValidatedStep {
    /// Predicted over measured, less 1.
    pub fn error(&self) -> Option<f64> {
        let predicted = self.predicted.as_ref().ok()?;
        Some(predicted / self.measured.wall.median as f64 - 1.0)
    }
}

/// What came of a validation.
#[derive(Debug)]
pub struct Validation {
    /// The steps.
    pub steps: Vec<ValidatedStep>,
}

impl Validation {
    /// Median and 95th percentile of the errors' sizes, and the median error; NaN without steps.
    pub fn errors(&self) -> [f64; 3] {
        let errors: Vec<f64> = self.steps.iter().filter_map(ValidatedStep::error).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let [median, p95] = percentiles(&mut sizes, [0.5, 0.95]);
        let [bias] = percentiles(&mut errors.clone(), [0.5]);
        [median, p95, bias]
    }

    /// Steps for which nothing is predicted.
    pub fn refused(&self) -> usize {
        self.steps.iter().filter(|step| step.predicted.is_err()).count()
    }
}

/// Predicts the validation steps of a profile.
///
/// # Errors
/// A profile of a CPU, or one that nothing was fitted to.
pub fn validate(profile: &Profile, model: &ModelConfig) -> Result<Validation, CollectError> {
    let (Times::Gpu(times), Some(gpu)) = (&profile.times, &profile.meta.gpu) else {
        return Err(CollectError::OfCpu);
    };
    let limits = *gpu.limits.first().ok_or(CollectError::Undetermined)?;
    let block_tokens = profile.meta.kv_block_tokens;
    let engine = sarathi(Launch::Graph, limits, block_tokens, Some(gpu.kv_blocks));
    let predictor = GpuPredictor::new(&profile.meta, times, model, &engine)?;
    let steps = times.validation.iter().map(|measured| {
        let sequences = &measured.content.0;
        ValidatedStep {
            measured: measured.clone(),
            predicted: predictor.step(sequences, Idle::default()).map(|step| step.device),
            origin: predictor.origin(sequences).unwrap_or_default(),
        }
    });
    Ok(Validation { steps: steps.collect() })
}
