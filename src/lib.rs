//! simgate gates LLM-inference simulators on fidelity: each YAML case is one test, red when the latency
//! percentiles of a real and a simulated side drift apart. The README says how to use it; this page is for
//! programs that gate a simulator of their own, which start at [`Gate`].
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

pub mod backend;
pub mod case;
#[cfg(feature = "candle")]
pub mod collect;
pub mod compare;
pub mod engine;
pub mod files;
pub mod gate;
pub mod model;
pub mod predict;
pub mod profile;
pub mod report;
pub mod run;
pub mod stats;
pub mod study;
pub mod workload;

pub use backend::{Backend, BackendError, Kind};
pub use gate::Gate;
pub use run::Run;
pub use workload::Workload;

/// The commit that simgate was built from, where the build knew it.
pub const COMMIT: Option<&str> = option_env!("SIMGATE_COMMIT");

/// Whether the tree had uncommitted changes when simgate was built.
pub const DIRTY: bool = option_env!("SIMGATE_DIRTY").is_some();
