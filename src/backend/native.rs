//! simgate's own simulator: the shared engine with a predicting executor on a virtual clock.

use super::{Backend, BackendError, Kind};
use crate::engine::{Cluster, Detail, EngineConfig, Limits, serve_cluster};
use crate::model::ModelConfig;
use crate::predict::{GpuPredictor, PredictingExecutor, Predictor};
use crate::profile::Profile;
use crate::run::{Boundary, NATIVE, Run, RunMeta};
use crate::workload::Workload;

/// Predicts runs from a profile.
pub struct Native {
    predictor: Predictor,
    engine: EngineConfig,
    /// What the scheduler does, where that is not what `engine` says.
    scheduler: Option<EngineConfig>,
    cluster: Cluster,
    limits: Limits,
    model_hash: String,
    /// For each request of the workload, the tokens after which its text ends.
    lengths: Option<Vec<u32>>,
}

impl Native {
    /// A simulator of `model` under `engine`.
    ///
    /// # Errors
    /// A profile that cannot predict this engine.
    pub fn new(
        profile: &Profile,
        model: &ModelConfig,
        engine: EngineConfig,
    ) -> Result<Self, BackendError> {
        let predictor = Predictor::new(profile, model, &engine)
            .map_err(|error| BackendError::Failed(error.to_string()))?;
        Ok(Self {
            predictor,
            engine,
            scheduler: None,
            cluster: Cluster::default(),
            limits: Limits { max_positions: Some(model.max_positions), eos: model.eos },
            model_hash: model.hash(),
            lengths: None,
        })
    }

    /// The same engine several times over, behind a router.
    ///
    /// # Errors
    /// Engines of several devices: a profile is of one, and holds no collectives.
    pub fn on(mut self, cluster: Cluster) -> Result<Self, BackendError> {
        if cluster.tensor_parallel.max(cluster.pipeline_parallel) > 1 {
            let problem = "the profile is of one device, without collectives: tensor and pipeline parallelism are predicted from a Vidur bundle, as `native: { bundle: DIR }`";
            return Err(BackendError::Failed(problem.to_owned()));
        }
        self.cluster = cluster;
        Ok(self)
    }

    /// The predictor, where it is one of a GPU: its steps can be taken apart.
    ///
    /// # Errors
    /// A predictor of a CPU.
    pub(crate) fn gpu(&self) -> Result<&GpuPredictor, BackendError> {
        self.predictor.gpu().map_err(|error| BackendError::Failed(error.to_string()))
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// A predictor of a CPU.
    pub(crate) fn gpu_mut(&mut self) -> Result<&mut GpuPredictor, BackendError> {
        self.predictor.gpu_mut().map_err(|error| BackendError::Failed(error.to_string()))
    }

    /// What the scheduler follows.
    pub(crate) fn scheduler(&self) -> &EngineConfig {
        self.scheduler.as_ref().unwrap_or(&self.engine)
    }

    /// Lets the scheduler follow other settings than the engine that it says it is.
    #[must_use]
    pub fn scheduled_as(mut self, scheduler: EngineConfig) -> Self {
        self.scheduler = Some(scheduler);
        self
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Ends each request's text after so many tokens, as a real side came to end it.
    #[must_use]
    pub fn stopping_at(mut self, lengths: Vec<u32>) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// The run of `seed` in which every step takes `scale` times as long as predicted.
    ///
    /// # Errors
    /// A step that cannot be predicted.
    pub fn run_scaled(
        &self,
        workload: &Workload,
        seed: u32,
        scale: f64,
        keep: Detail,
    ) -> Result<Run, BackendError> {
        let seed = u64::from(seed);
        let executor = |replica| {
            // Replicas draw residuals of their own.
            let seed = seed + (u64::from(replica) << 32);
            PredictingExecutor::new(&self.predictor, seed, self.lengths.as_deref()).scaled(scale)
        };
        let (engine, limits) = (self.scheduler(), self.limits);
        let served = serve_cluster(workload, engine, self.cluster, limits, keep, seed, executor)
            .map_err(|error| BackendError::Failed(error.to_string()))?;
        let mut meta = RunMeta::new(NATIVE, Boundary::Engine);
        meta.hashes.model_config = Some(self.model_hash.clone());
        meta.hashes.workload = Some(workload.hash());
        meta.hashes.engine = Some(self.engine.hash());
        meta.kv_blocks = Some(self.engine.resolve_kv_blocks(workload));
        meta.repeat = Some(seed as u32);
        Ok(Run { meta: Some(meta), ..served.run })
    }
}

impl Backend for Native {
    fn kind(&self) -> Kind {
        Kind::Seeded
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        self.run_scaled(workload, repeat, 1.0, Detail::Steps)
    }
}
