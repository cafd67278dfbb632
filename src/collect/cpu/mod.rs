//! Profiles of the CPU.

use super::{CollectError, Progress, Ranges};
use crate::backend::LoadedModel;
use crate::backend::candle::{host, now};
use crate::profile::{CpuTimes, Profile, ProfileMeta, Times};

mod ops;
mod steps;

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
    let mut meta = ProfileMeta {
        schema_version: 1,
        model: name.to_owned(),
        model_config: loaded.config.hash(),
        weights: loaded.weights.to_string(),
        device: "cpu".to_owned(),
        device_uuid: None,
        host: host().cpu,
        commit: crate::COMMIT.map(str::to_owned),
        kv_block_tokens: ranges.kv_block_tokens,
        gpu: None,
        run_ids: Vec::new(),
        ended_at: started_at.clone(),
        started_at,
    };
    let mut times = CpuTimes { ops: ops::measure(model, ranges, progress)?, ..CpuTimes::default() };
    steps::calibrate(&mut meta, &mut times, model, ranges, progress)?;
    meta.ended_at = now();
    Ok(Profile { meta, times: Times::Cpu(times) })
}

/// 1, 2, 4, ... and `max`: op times bend most where shapes are small.
fn powers_up_to(max: u32) -> Vec<u32> {
    let mut values: Vec<u32> = (0..32).map(|k| 1 << k).take_while(|&v| v < max).collect();
    values.push(max.max(1));
    values
}
