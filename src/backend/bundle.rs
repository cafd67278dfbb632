//! simgate's own simulator on a Vidur bundle: its engines and router, Vidur's step times.

use std::sync::Arc;

use super::{Backend, BackendError, Kind};
use crate::engine::{Cluster, Detail, EngineConfig, Limits, Router, serve_cluster};
use crate::model::ModelShape;
use crate::predict::{VidurExecutor, VidurPredictor};
use crate::run::{Boundary, Run, RunMeta};
use crate::workload::{Request, Workload};

/// Predicts runs from a Vidur bundle: always the same one, but for a random router, whose seed is the repeat.
#[derive(Debug, Clone)]
pub struct Bundle {
    predictor: Arc<VidurPredictor>,
    shape: ModelShape,
    engine: EngineConfig,
    cluster: Cluster,
    keep: Detail,
}

impl Bundle {
    /// A cluster of engines whose steps take what `predictor` says, which is of as many devices as the cluster's
    /// engines.
    pub fn new(
        predictor: Arc<VidurPredictor>,
        shape: ModelShape,
        engine: EngineConfig,
        cluster: Cluster,
        keep: Detail,
    ) -> Self {
        Self { predictor, shape, engine, cluster, keep }
    }

    /// What whoever uses its bundle should know.
    pub fn remarks(&self) -> Vec<String> {
        self.predictor.remarks()
    }
}

impl Backend for Bundle {
    fn kind(&self) -> Kind {
        match self.cluster.router {
            Router::Random if self.cluster.replicas > 1 => Kind::Seeded,
            _ => Kind::Deterministic,
        }
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        let kv_blocks = self.engine.resolve_kv_blocks(workload);
        let most = self.shape.max_positions;
        if let Some(problem) = unservable(workload, &self.engine, kv_blocks, most) {
            return Err(BackendError::Failed(problem));
        }
        let limits = Limits { max_positions: Some(most), eos: None };
        let executor = |_| VidurExecutor::new(&self.predictor);
        let served = serve_cluster(
            workload,
            &self.engine,
            self.cluster,
            limits,
            self.keep,
            u64::from(repeat),
            executor,
        )
        .map_err(|error| BackendError::Failed(error.to_string()))?;
        let mut meta = RunMeta::new("native, Vidur bundle", Boundary::Engine);
        meta.hashes.workload = Some(workload.hash());
        meta.hashes.engine = Some(self.engine.hash());
        meta.kv_blocks = Some(kv_blocks);
        Ok(Run { meta: Some(meta), ..served.run })
    }
}

/// The first request that an engine of `kv_blocks` KV blocks can never serve, and why. A model's own engine refuses such
/// a request and goes on; who brings a trace wants to know before.
fn unservable(
    workload: &Workload,
    engine: &EngineConfig,
    kv_blocks: u32,
    max_positions: u32,
) -> Option<String> {
    let why = |r: &Request| {
        let (prompt, output) = (r.prefill_tokens, r.decode_tokens);
        let total = u64::from(prompt) + u64::from(output);
        let blocks = engine.blocks_of_request(prompt, output);
        let at_once = engine.policy.tokens_at_once(prompt, output);
        if total > u64::from(max_positions) {
            Some(format!(
                "has {total} tokens, and the model takes {max_positions}: cut it, with `max_tokens` where it comes from a trace"
            ))
        } else if blocks > kv_blocks {
            Some(format!(
                "needs {blocks} KV blocks of {} tokens, and there are {kv_blocks}: raise `kv_blocks`, or cut it",
                engine.kv_block_tokens
            ))
        } else if at_once > engine.chunk_tokens {
            Some(format!(
                "needs {at_once} tokens in one step under `{}`, and a step takes {}: raise `chunk_tokens`, or choose a policy that cuts prompts",
                engine.policy.as_str(),
                engine.chunk_tokens
            ))
        } else {
            None
        }
    };
    let first = workload.requests.iter().find_map(|r| Some((r.request_id, why(r)?)));
    first.map(|(id, why)| format!("request {id} {why}"))
}
