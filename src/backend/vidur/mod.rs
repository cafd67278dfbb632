//! Vidur's simulator, quirks and all: what its users get from it, they get here, faster. Times come from
//! [`VidurPredictor`](crate::predict::VidurPredictor); `docs/vidur.md` lists what is reproduced.

use thiserror::Error;

mod config;
mod events;
mod memory;
mod parity;
mod policy;
mod run_config;
mod simulator;
mod state;

pub use config::{VidurConfig, VidurPolicy, VidurRouter};
pub use parity::{Parity, parity};
pub use run_config::VidurRunConfig;
pub use simulator::{VidurRun, VidurSimulator, VidurStep};
pub use state::{VidurOutcome, VidurRequest};

use super::{Backend, BackendError, Kind, served};
use crate::predict::PredictError;
use crate::run::{Boundary, Run, RunMeta, VIDUR};
use crate::workload::Workload;

/// Vidur in compatibility mode, as a backend.
#[derive(Debug, Clone)]
pub struct Vidur {
    simulator: VidurSimulator,
}

impl Vidur {
    /// A backend that serves with `simulator`.
    pub fn new(simulator: VidurSimulator) -> Self {
        Self { simulator }
    }

    /// The run of `workload` whose requests Vidur served so, in the workload's order.
    pub fn as_run(&self, workload: &Workload, run: &VidurRun) -> Run {
        let ns = |seconds: &f64| (seconds * 1e9).round() as u64;
        let times: Vec<Vec<u64>> =
            run.token_times.iter().map(|times| times.iter().map(ns).collect()).collect();
        let mut meta = RunMeta::new(VIDUR, Boundary::Engine);
        meta.hashes.workload = Some(workload.hash());
        meta.kv_blocks = Some(self.simulator.config().blocks);
        served(workload, &times, meta)
    }
}

impl Backend for Vidur {
    fn kind(&self) -> Kind {
        Kind::Deterministic
    }

    fn run(&mut self, workload: &Workload, _repeat: u32) -> Result<Run, BackendError> {
        let request = |request: &crate::workload::Request| VidurRequest {
            arrived_at: request.arrival_ns as f64 / 1e9,
            prefill_tokens: request.prefill_tokens,
            decode_tokens: request.decode_tokens,
        };
        let requests: Vec<VidurRequest> = workload.requests.iter().map(request).collect();
        let run = self
            .simulator
            .run(&requests)
            .map_err(|error| BackendError::Failed(error.to_string()))?;
        Ok(self.as_run(workload, &run))
    }
}

/// Why a simulation cannot be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// Settings that Vidur stops at.
    #[error("Vidur cannot run with {problem}")]
    Config {
        /// What is wrong.
        problem: String,
    },
    /// A request that Vidur would let wait for ever.
    #[error(
        "request {request} {problem}: Vidur would never come to an end; leave it out, or give the engine more"
    )]
    Request {
        /// Its place, from 0.
        request: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A step outside the bundle's tables.
    #[error("batch {batch}: {source}")]
    Predict {
        /// Its number.
        batch: usize,
        /// The reason.
        source: Box<PredictError>,
    },
    /// A state that Vidur does not leave.
    #[error(transparent)]
    Stop(#[from] RuntimeStop),
}

/// Where Vidur itself stops.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum RuntimeStop {
    /// Requests that no event will ever serve: the first of a queue fits into no step, since a restart made
    /// its prompt longer.
    #[error(
        "at {at} s nothing more happens, and {left} requests are unserved: the prompt of one that was restarted has grown beyond the KV blocks or the tokens of a step; give the engine more, or another policy"
    )]
    Stalled {
        /// How many.
        left: usize,
        /// Seconds since the start.
        at: f64,
    },
    /// More decodes than free blocks.
    #[error(
        "LightLLM's scheduler has fewer free KV blocks than running requests, which Vidur does not handle: give the engine more blocks"
    )]
    LightLlmMemory,
}
