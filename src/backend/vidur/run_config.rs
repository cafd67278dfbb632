//! A Vidur run's `config.json`: what it simulated, so that it can be simulated again.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::{VidurConfig, VidurPolicy, VidurRouter};
use super::memory::Memory;
use crate::files::{FileError, read_json};
use crate::model::ModelShape;
use crate::predict::VidurSettings;
use crate::workload::VidurTrace;

/// What a run simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct VidurRunConfig {
    /// The cluster and its schedulers.
    pub config: VidurConfig,
    /// The model.
    pub shape: ModelShape,
    /// The predictor's settings.
    pub settings: VidurSettings,
    /// The trace file, as the run named it.
    pub trace_file: PathBuf,
    /// How the trace was read.
    pub trace: VidurTrace,
}

#[derive(Deserialize)]
struct File {
    seed: u64,
    cluster_config: ClusterSection,
    request_generator_config: Generator,
    execution_time_predictor_config: Predictor,
}

#[derive(Deserialize)]
struct ClusterSection {
    num_replicas: u32,
    replica_config: ReplicaSection,
    global_scheduler_config: Named,
    replica_scheduler_config: Scheduler,
}

#[derive(Deserialize)]
struct ReplicaSection {
    memory_margin_fraction: f64,
    num_pipeline_stages: u32,
    tensor_parallel_size: u32,
    model_config: Model,
    device_config: Device,
}

#[derive(Deserialize)]
struct Model {
    num_layers: u32,
    num_q_heads: u32,
    num_kv_heads: u32,
    embedding_dim: u32,
    mlp_hidden_dim: u32,
    max_position_embeddings: u32,
    use_gated_mlp: bool,
    post_attn_norm: bool,
}

#[derive(Deserialize)]
struct Device {
    total_memory_gb: f64,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Scheduler {
    name: String,
    batch_size_cap: u32,
    block_size: u32,
    watermark_blocks_fraction: f64,
    num_blocks: Option<u32>,
    chunk_size: Option<u32>,
    max_tokens_in_batch: Option<u32>,
    max_waiting_iters: Option<u32>,
}

#[derive(Deserialize)]
struct Generator {
    name: String,
    trace_file: Option<PathBuf>,
    prefill_scale_factor: Option<f64>,
    decode_scale_factor: Option<f64>,
    time_scale_factor: Option<f64>,
    max_tokens: u32,
}

#[derive(Deserialize)]
struct Predictor {
    kv_cache_prediction_granularity: u32,
    attention_decode_batching_overhead_fraction: f64,
    attention_prefill_batching_overhead_fraction: f64,
    nccl_cpu_launch_overhead_ms: f64,
    nccl_cpu_skew_overhead_per_device_ms: f64,
    skip_cpu_overhead_modeling: bool,
}

impl VidurRunConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// A file that is not Vidur's, or a setting that is not known here.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let file: File = read_json(path)?;
        let fault = |key: &str, problem: String| FileError::Value {
            path: path.to_owned(),
            line: 1,
            column: key.to_owned(),
            problem,
        };
        let generator = &file.request_generator_config;
        let (Some(trace_file), true) = (&generator.trace_file, generator.name == "trace_replay")
        else {
            let problem = format!("`{}`, but only `trace_replay` can be run again", generator.name);
            return Err(fault("request_generator_config.name", problem));
        };
        let replica = &file.cluster_config.replica_config;
        let degrees = [replica.tensor_parallel_size, replica.num_pipeline_stages];
        let model = &replica.model_config;
        if degrees.contains(&0) || model.num_q_heads == 0 || model.num_kv_heads == 0 {
            let problem = "0 workers, stages or heads: at least 1 is needed".to_owned();
            return Err(fault("cluster_config.replica_config", problem));
        }
        let shape = model.shape();
        let config = file.config(&shape, fault)?;
        Ok(Self {
            config,
            shape,
            settings: file.settings(),
            trace_file: trace_file.clone(),
            trace: VidurTrace {
                time_scale: generator.time_scale_factor.unwrap_or(1.0),
                prefill_scale: generator.prefill_scale_factor.unwrap_or(1.0),
                decode_scale: generator.decode_scale_factor.unwrap_or(1.0),
                max_tokens: Some(generator.max_tokens),
            },
        })
    }
}

impl File {
    fn config(
        &self,
        shape: &ModelShape,
        fault: impl Fn(&str, String) -> FileError,
    ) -> Result<VidurConfig, FileError> {
        let (cluster, replica) = (&self.cluster_config, &self.cluster_config.replica_config);
        let scheduler = &cluster.replica_scheduler_config;
        let policy = by_name(&VidurPolicy::ALL, &scheduler.name)
            .map_err(|problem| fault("replica_scheduler_config.name", problem))?;
        let router = by_name(&VidurRouter::ALL, &cluster.global_scheduler_config.name)
            .map_err(|problem| fault("global_scheduler_config.name", problem))?;
        let longest = self.request_generator_config.max_tokens;
        let stages = replica.num_pipeline_stages;
        let memory = Memory {
            total_gb: replica.device_config.total_memory_gb,
            margin_fraction: replica.memory_margin_fraction,
            gated_mlp: replica.model_config.use_gated_mlp,
            tensor_parallel: replica.tensor_parallel_size,
            pipeline_parallel: stages,
            max_request_tokens: longest,
        };
        let fitting = memory.requests(shape);
        if fitting == 0 || scheduler.block_size == 0 {
            let problem = format!("a request of {longest} tokens does not fit beside the weights");
            return Err(fault("replica_config.device_config", problem));
        }
        let planned =
            (longest / scheduler.block_size).saturating_mul(fitting.saturating_mul(stages));
        let blocks = scheduler.num_blocks.filter(|&blocks| blocks > 0).unwrap_or(planned);
        let chunk = match policy {
            VidurPolicy::Sarathi => scheduler.chunk_size,
            VidurPolicy::Vllm | VidurPolicy::LightLlm => scheduler.max_tokens_in_batch,
            // They have no budget.
            VidurPolicy::Orca | VidurPolicy::Static => Some(longest),
        };
        let chunk_tokens = chunk.ok_or_else(|| {
            let problem = "neither chunk_size nor max_tokens_in_batch, as the policy needs";
            fault("replica_scheduler_config", problem.to_owned())
        })?;
        Ok(VidurConfig {
            policy,
            router,
            replicas: cluster.num_replicas,
            pipeline_parallel: stages,
            block_tokens: scheduler.block_size,
            blocks,
            watermark_blocks: (scheduler.watermark_blocks_fraction * f64::from(blocks)) as u32,
            max_sequences: scheduler.batch_size_cap,
            max_batch: scheduler.batch_size_cap.min(fitting),
            chunk_tokens,
            max_request_tokens: longest,
            max_waiting_steps: scheduler.max_waiting_iters.unwrap_or(10),
            seed: self.seed,
        })
    }

    fn settings(&self) -> VidurSettings {
        let replica = &self.cluster_config.replica_config;
        let predictor = &self.execution_time_predictor_config;
        VidurSettings {
            tensor_parallel: replica.tensor_parallel_size,
            pipeline_parallel: replica.num_pipeline_stages,
            kv_granularity: predictor.kv_cache_prediction_granularity,
            decode_batching_overhead: predictor.attention_decode_batching_overhead_fraction,
            prefill_batching_overhead: predictor.attention_prefill_batching_overhead_fraction,
            nccl_launch_ms: predictor.nccl_cpu_launch_overhead_ms,
            nccl_skew_per_device_ms: predictor.nccl_cpu_skew_overhead_per_device_ms,
            host: !predictor.skip_cpu_overhead_modeling,
        }
    }
}

impl Model {
    fn shape(&self) -> ModelShape {
        ModelShape {
            layers: self.num_layers,
            heads: self.num_q_heads,
            kv_heads: self.num_kv_heads,
            hidden_size: self.embedding_dim,
            intermediate_size: self.mlp_hidden_dim,
            max_positions: self.max_position_embeddings,
            post_attention_norm: self.post_attn_norm,
        }
    }
}

fn by_name<T: Copy>(all: &[(&'static str, T)], name: &str) -> Result<T, String> {
    all.iter().find(|known| known.0 == name).map(|known| known.1).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|known| known.0).collect();
        format!("`{name}` is not one of {}", known.join(", "))
    })
}
