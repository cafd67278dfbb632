//! A step's time by Vidur's arithmetic (vidur/entities/execution_time.py and its sklearn predictor): the ops
//! of one layer, times the layers of a pipeline stage. Embedding and LM head do not count.

use super::PredictError;
use crate::model::ModelShape;
use crate::profile::vidur::{OutsideTable, Series, VidurBundle};

/// Tokens of a step are rounded up to this before most look-ups.
const TOKEN_STEP: u32 = 8;

/// What Vidur lets its users set about predictions; the defaults are its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VidurSettings {
    /// Tensor-parallel workers.
    pub tensor_parallel: u32,
    /// Pipeline stages.
    pub pipeline_parallel: u32,
    /// Tokens in the cache are rounded up to this before a look-up.
    pub kv_granularity: u32,
    /// What several decodes with grouped queries cost more than their table says, as a share.
    pub decode_batching_overhead: f64,
    /// The same for prompts.
    pub prefill_batching_overhead: f64,
    /// Of launching a collective, ms.
    pub nccl_launch_ms: f64,
    /// Times the workers to the power of 1.25: how far they drift apart, ms.
    pub nccl_skew_per_device_ms: f64,
    /// Whether the host's shares count. Vidur leaves them out unless told.
    pub host: bool,
}

impl Default for VidurSettings {
    fn default() -> Self {
        Self {
            tensor_parallel: 1,
            pipeline_parallel: 1,
            kv_granularity: 64,
            decode_batching_overhead: 0.1,
            prefill_batching_overhead: 0.1,
            nccl_launch_ms: 0.02,
            nccl_skew_per_device_ms: 0.0,
            host: false,
        }
    }
}

/// All that a step's time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VidurBatch {
    /// Tokens computed, of decodes and prompts.
    pub tokens: u32,
    /// Sequences.
    pub sequences: u32,
    /// Those that decode.
    pub decodes: u32,
    /// Their tokens in the cache, in sum.
    pub decode_kv: u64,
    /// Those with a chunk of their prompt.
    pub prefills: u32,
    /// Their tokens in the cache, each rounded up by [`VidurPredictor::round_kv`], in sum.
    pub prefill_kv: u32,
    /// The squares of the chunks' tokens, in sum.
    pub chunk_squares: u64,
    /// Whether no pipeline stage follows.
    pub last_stage: bool,
}

/// Predicts the steps of one model from one bundle, in three look-ups.
#[derive(Debug, Clone)]
pub struct VidurPredictor {
    bundle: VidurBundle,
    settings: VidurSettings,
    /// ms of a layer but for attention, by tokens; not a number where a table ends before.
    layer: Vec<f64>,
    /// ms of the host, by sequences; empty where it does not count.
    host: Vec<f64>,
    layers: f64,
    /// 1 and the overhead of several sequences.
    decode_factor: f64,
    prefill_factor: f64,
}

impl VidurPredictor {
    /// Arranges a bundle for look-ups.
    ///
    /// # Errors
    /// A bundle that does not fit the settings.
    pub fn new(
        bundle: &VidurBundle,
        shape: &ModelShape,
        settings: VidurSettings,
    ) -> Result<Self, PredictError> {
        let stages = settings.pipeline_parallel;
        if stages == 0 || !shape.layers.is_multiple_of(stages) {
            let problem = format!(
                "cannot split {} layers evenly into {stages} pipeline stages",
                shape.layers
            );
            return Err(PredictError::Vidur { problem });
        }
        for axis in [bundle.decode.columns(), bundle.prefill.rows()] {
            if settings.kv_granularity == 0 || !settings.kv_granularity.is_multiple_of(axis.step) {
                let problem = format!(
                    "has {} in steps of {}, which do not divide the granularity of {}: set that to a multiple",
                    axis.variable, axis.step, settings.kv_granularity
                );
                return Err(PredictError::Vidur { problem });
            }
        }
        if settings.host && bundle.host.is_empty() {
            let problem = "has no times of the host at this degree of tensor parallelism: bring cpu_overheads.csv, or leave the host out".to_owned();
            return Err(PredictError::Vidur { problem });
        }
        // Overheads are of models with grouped queries only.
        let grouped = f64::from(u32::from(shape.heads > shape.kv_heads));
        let mut predictor = Self {
            bundle: bundle.clone(),
            settings,
            layer: Vec::new(),
            host: Vec::new(),
            layers: f64::from(shape.layers / stages),
            decode_factor: 1.0 + settings.decode_batching_overhead * grouped,
            prefill_factor: 1.0 + settings.prefill_batching_overhead * grouped,
        };
        let most = bundle.rounded.iter().map(Series::last).min().unwrap_or(0);
        predictor.layer =
            (0..=most).map(|tokens| predictor.layer_ms(tokens).unwrap_or(f64::NAN)).collect();
        if settings.host {
            let most = bundle.host.iter().map(Series::last).min().unwrap_or(0);
            predictor.host =
                (0..=most).map(|size| predictor.host_ms(size).unwrap_or(f64::NAN)).collect();
        }
        Ok(predictor)
    }

    /// What whoever uses the bundle should know.
    pub fn remarks(&self) -> Vec<String> {
        self.bundle.remarks()
    }

    /// The settings.
    pub fn settings(&self) -> &VidurSettings {
        &self.settings
    }

    /// Tokens in the cache as they are looked up.
    pub fn round_kv(&self, tokens: u32) -> u32 {
        tokens.next_multiple_of(self.settings.kv_granularity)
    }

    /// The time of one pipeline stage, ms.
    ///
    /// # Errors
    /// A step outside the bundle's tables.
    pub fn stage_ms(&self, batch: &VidurBatch) -> Result<f64, PredictError> {
        let mut layer = known(&self.layer, batch.tokens, || self.layer_ms(batch.tokens))?;
        if batch.decodes > 0 {
            let mean = (batch.decode_kv / u64::from(batch.decodes)) as u32;
            let ms = self.bundle.decode.at(batch.decodes, self.round_kv(mean))?;
            layer += if batch.decodes > 1 { ms * self.decode_factor } else { ms };
        }
        if batch.prefills > 0 {
            let chunk = rounded_root(batch.chunk_squares);
            let ms = self.bundle.prefill.at(batch.prefill_kv, chunk)?;
            layer += if batch.prefills > 1 { ms * self.prefill_factor } else { ms };
        }
        let mut stage = layer * self.layers;
        if let Some(send_recv) = self.bundle.send_recv.as_ref().filter(|_| !batch.last_stage) {
            stage += send_recv.at(batch.tokens.next_multiple_of(TOKEN_STEP))?;
        }
        if self.settings.host {
            stage += known(&self.host, batch.sequences, || self.host_ms(batch.sequences))?;
        }
        Ok(stage)
    }

    /// A layer's ops but for attention.
    fn layer_ms(&self, tokens: u32) -> Result<f64, OutsideTable> {
        let rounded = tokens.next_multiple_of(TOKEN_STEP);
        let mut ms = self.bundle.kv_cache_save.at(tokens)?;
        for series in &self.bundle.rounded {
            ms += series.at(rounded)?;
        }
        if let Some(all_reduce) = &self.bundle.all_reduce {
            // Behind attention, and behind the feed-forward part.
            ms += 2.0 * (all_reduce.at(rounded)? + self.collective_overhead_ms());
        }
        Ok(ms)
    }

    fn collective_overhead_ms(&self) -> f64 {
        let workers = f64::from(self.settings.tensor_parallel);
        let skew = self.settings.nccl_skew_per_device_ms * libm::pow(workers, 1.25);
        self.settings.nccl_launch_ms + skew
    }

    fn host_ms(&self, sequences: u32) -> Result<f64, OutsideTable> {
        self.bundle.host.iter().map(|series| series.at(sequences)).sum()
    }
}

/// The value at `place`, or the reason why there is none.
fn known(
    table: &[f64],
    place: u32,
    why: impl FnOnce() -> Result<f64, OutsideTable>,
) -> Result<f64, OutsideTable> {
    match table.get(place as usize) {
        Some(&ms) if !ms.is_nan() => Ok(ms),
        _ => why(),
    }
}

/// The whole number nearest to the square root. No root of a whole number lies halfway.
fn rounded_root(square: u64) -> u32 {
    let root = square.isqrt();
    (root + u64::from(square - root * root > root)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_root_is_rounded_as_its_float_is(square in 0_u64..1 << 40) {
            prop_assert_eq!(f64::from(rounded_root(square)), (square as f64).sqrt().round());
        }
    }
}
