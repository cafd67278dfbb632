//! What simgate's own simulator of a case is made of, for whoever asks it about other rates and settings.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::bundle;
use super::paths::resolve;
use super::sides::Stage;
use super::workload::first;
use super::{CaseFile, Gate, GateError, Progress};
use crate::backend::{Backend, BackendError, Bundle, Native};
use crate::case::{Case, Side, WorkloadSource};
use crate::engine::{Cluster, Detail, EngineConfig};
use crate::model::{ModelConfig, ModelShape};
use crate::predict::VidurPredictor;
use crate::profile::Profile;
use crate::run::Run;
use crate::workload::Workload;

/// The parts of a case's simulator.
#[derive(Debug)]
pub struct SimParts {
    /// What is served.
    pub workload: Workload,
    /// The engine's settings.
    pub engine: EngineConfig,
    /// How many engines there are.
    pub cluster: Cluster,
    /// Where step times come from.
    times: Times,
}

#[derive(Debug)]
enum Times {
    Profile(Box<(Profile, ModelConfig)>),
    Bundle(Box<Bundled>),
}

/// A bundle, and what was read of it before: by tensor and pipeline parallelism and the size of KV blocks.
#[derive(Debug)]
struct Bundled {
    dir: PathBuf,
    shape: ModelShape,
    known: Mutex<HashMap<[u32; 3], Arc<VidurPredictor>>>,
}

impl Bundled {
    fn predictor(
        &self,
        engine: &EngineConfig,
        cluster: Cluster,
    ) -> Result<Arc<VidurPredictor>, GateError> {
        let key = [cluster.tensor_parallel, cluster.pipeline_parallel, engine.kv_block_tokens];
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(predictor) = known.get(&key) {
            return Ok(Arc::clone(predictor));
        }
        let predictor = bundle::predictor(&self.dir, &self.shape, engine, cluster)?;
        let predictor = Arc::new(predictor);
        known.insert(key, Arc::clone(&predictor));
        Ok(predictor)
    }
}

/// A simulator of a case, with settings of its own.
pub enum Simulator {
    /// From a profile: a run for each seed.
    Native(Box<Native>),
    /// From a Vidur bundle: one run.
    Bundle(Box<Bundle>),
}

impl SimParts {
    /// The simulator with these settings.
    ///
    /// # Errors
    /// Settings that the case's profile or bundle is not of.
    pub fn simulator(
        &self,
        engine: EngineConfig,
        cluster: Cluster,
    ) -> Result<Simulator, GateError> {
        Ok(match &self.times {
            Times::Profile(parts) => {
                let (profile, model) = &**parts;
                let (measured, asked) = (profile.meta.kv_block_tokens, engine.kv_block_tokens);
                let native = if measured == asked {
                    Native::new(profile, model, engine).and_then(|native| native.on(cluster))
                } else {
                    let problem =
                        format!("the profile is of KV blocks of {measured} tokens, not {asked}");
                    Err(BackendError::Failed(problem))
                };
                Simulator::Native(Box::new(native.map_err(|source| failed(0, source))?))
            }
            Times::Bundle(bundled) => {
                let predictor = bundled.predictor(&engine, cluster)?;
                let bundle = Bundle::new(predictor, bundled.shape, engine, cluster, Detail::Tokens);
                Simulator::Bundle(Box::new(bundle))
            }
        })
    }
}

impl Simulator {
    /// The run of `seed`, without what its steps did.
    ///
    /// # Errors
    /// A step that cannot be predicted.
    pub fn run(&mut self, workload: &Workload, seed: u32) -> Result<Run, GateError> {
        let run = match self {
            Self::Native(native) => native.run_scaled(workload, seed, 1.0, Detail::Tokens),
            Self::Bundle(bundle) => bundle.run(workload, seed),
        };
        run.map_err(|source| failed(seed, source))
    }

    /// What whoever reads its figures should know.
    pub fn remarks(&self) -> Vec<String> {
        match self {
            Self::Native(_) => Vec::new(),
            Self::Bundle(bundle) => bundle.remarks(),
        }
    }
}

fn failed(repeat: u32, source: BackendError) -> GateError {
    GateError::Backend { name: "native".to_owned(), repeat, source }
}

impl Gate {
    /// The parts of the simulator of a case, whose workload has `requests` requests if that is given.
    ///
    /// # Errors
    /// A faulty case, one whose sim side is not `native`, or parts that cannot be read or made.
    pub fn sim_parts(
        &self,
        file: &CaseFile,
        requests: Option<u32>,
        progress: Progress<'_>,
    ) -> Result<SimParts, GateError> {
        let mut case = Case::read(&file.path)?;
        if let (WorkloadSource::Recipe(recipe), Some(requests)) = (&mut case.workload, requests) {
            recipe.requests = requests;
        }
        let stage = Stage::new(&case, "", self.context(progress))?;
        let mut workload = stage.workload.clone();
        if let WorkloadSource::Dir(path) | WorkloadSource::Trace { file: path, .. } = &case.workload
        {
            workload = first(workload, requests, path)?;
        }
        let times = match &case.sim {
            Side::Native { profile, .. } => {
                let profile = stage.model.profile(profile, &workload)?.clone();
                Times::Profile(Box::new((profile, stage.model.config()?)))
            }
            Side::Bundle(bundle) => Times::Bundle(Box::new(Bundled {
                dir: resolve(&case, bundle, &stage.context)?,
                shape: stage.model.shape()?,
                known: Mutex::default(),
            })),
            side => return Err(GateError::NotNative { word: side.word() }),
        };
        Ok(SimParts { workload, engine: stage.model.engine()?, cluster: case.cluster, times })
    }
}
