//! aisimulate-core's vLLM scheduler with fixed step times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use aisimulate_core::engine::{Backend, EngineConfig, TimingModel};
use aisimulate_core::replay::{
    CURRENT_REPLAY_SPEC_VERSION, ReplayAdapters, ReplayEngineConfig, ReplayEngineFactory,
    ReplayRequest, ReplaySpec, ReplayTopology, Replayer, SlaThresholds,
};

use crate::requests::Request;
use crate::side::{Outcome, Settings};

/// What its own fixed step times do, counting them: the library adds both parts of a mixed step.
struct Fixed {
    prefill_ms: f64,
    decode_ms: f64,
    prefill_steps: AtomicU64,
    decode_steps: AtomicU64,
}

impl TimingModel for Fixed {
    // As its own fixed times say; without the two, every admission would be prepared to be undone.
    fn prefill_batch_validation_can_fail(&self) -> bool {
        false
    }

    fn prefill_prediction_can_fail(&self) -> bool {
        false
    }

    fn predict_prefill_ms(&self, _: usize, _: usize, _: usize) -> anyhow::Result<f64> {
        self.prefill_steps.fetch_add(1, Relaxed);
        Ok(self.prefill_ms)
    }

    fn predict_decode_ms(&self, _: usize, _: usize, _: usize, _: usize) -> anyhow::Result<f64> {
        self.decode_steps.fetch_add(1, Relaxed);
        Ok(self.decode_ms)
    }
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// Replays `requests` on one worker.
///
/// # Errors
/// What the library refuses or cannot do.
pub fn run(requests: &[Request], settings: &Settings) -> anyhow::Result<Outcome> {
    let timing = Arc::new(Fixed {
        prefill_ms: ms(settings.prefill_ns),
        decode_ms: ms(settings.decode_ns),
        prefill_steps: AtomicU64::new(0),
        decode_steps: AtomicU64::new(0),
    });
    let factory = ReplayEngineFactory::with_timing_model(timing.clone());
    let replayer = Replayer::new(spec(requests, settings)?, factory)?;
    let start = Instant::now();
    let report = replayer.run()?;
    let wall_s = start.elapsed().as_secs_f64();
    Ok(Outcome {
        completed: report.request_counts.completed_requests,
        output_tokens: report.request_counts.total_output_tokens as u64,
        prefill_steps: timing.prefill_steps.load(Relaxed),
        decode_steps: timing.decode_steps.load(Relaxed),
        simulated_s: report.throughput.duration_ms / 1e3,
        wall_s,
    })
}

fn spec(requests: &[Request], settings: &Settings) -> anyhow::Result<ReplaySpec> {
    let engine = ReplayEngineConfig {
        rank: EngineConfig {
            num_gpu_blocks: settings.kv_blocks as usize,
            block_size: settings.kv_block_tokens as usize,
            max_num_seqs: settings.max_sequences as usize,
            max_num_batched_tokens: settings.chunk_tokens as usize,
            // No two prompts share a prefix, so looking for one would only cost time.
            enable_prefix_caching: false,
            enable_chunked_prefill: true,
            ..EngineConfig::for_backend(Backend::Vllm)
        },
        ..ReplayEngineConfig::default()
    };
    let request = |(i, r): (usize, &Request)| ReplayRequest {
        id: i.to_string(),
        arrival_time_ms: ms(r.arrival_ns),
        input_tokens: r.prefill_tokens as usize,
        input_token_ids: None,
        output_tokens: r.decode_tokens as usize,
        output_token_ids: None,
        dp_rank: None,
        prefill_dp_rank: None,
        session_id: None,
        turn_index: None,
        metadata: serde_json::Value::Null,
    };
    Ok(ReplaySpec {
        version: CURRENT_REPLAY_SPEC_VERSION,
        topology: ReplayTopology::aggregated(1),
        engine: serde_json::to_value(engine)?,
        adapters: ReplayAdapters::default(),
        max_sim_time_ms: None,
        max_in_flight: None,
        record_per_request: settings.request_records,
        sla: SlaThresholds::default(),
        requests: requests.iter().enumerate().map(request).collect(),
    })
}
