//! The one seam of simgate: anything that serves a workload and returns a run. Any two backends can
//! be compared.

use thiserror::Error;

use crate::run::{Run, RunError};
use crate::workload::Workload;

mod bundle;
#[cfg(feature = "candle")]
pub(crate) mod candle;
#[cfg(feature = "candle")]
mod gpu;
#[cfg(feature = "candle")]
pub mod host_speed;
mod native;
mod recorded;
mod registry;
mod served;
#[cfg(feature = "candle")]
mod transformers;
pub mod vidur;

pub use bundle::Bundle;
#[cfg(feature = "candle")]
pub use candle::{Candle, LoadedModel, Warmup, host, now};
pub use native::Native;
pub use recorded::Recorded;
pub use registry::Registry;
pub use served::served;
#[cfg(feature = "candle")]
pub use transformers::{Transformers, stock_config};

/// What makes two runs of one backend differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Measured: every repeat differs.
    Measured,
    /// Computed with random numbers: `repeat` is the seed.
    Seeded,
    /// Computed: every repeat is the same.
    Deterministic,
    /// Read from files: `repeat` is the index.
    Recorded {
        /// How many there are.
        runs: u32,
    },
}

/// Serves workloads.
pub trait Backend {
    /// What makes two of its runs differ.
    fn kind(&self) -> Kind;

    /// Serves `workload` once. `repeat` is the seed of a seeded backend and the index of a recorded
    /// one.
    ///
    /// # Errors
    /// Whatever kept it from serving; the case is then red.
    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError>;
}

/// Why a backend returned no run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// A recording that cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A recording that does not exist.
    #[error("run {repeat} asked for, but there are {runs}")]
    NoSuchRun {
        /// The index.
        repeat: u32,
        /// How many there are.
        runs: u32,
    },
    /// A backend's own reason.
    #[error("{0}")]
    Failed(String),
}
