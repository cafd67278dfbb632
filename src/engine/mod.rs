//! The engine that both sides share: `plan -> execute -> commit`.
//!
//! A policy turns the engine's state into a plan, which is pure data; an [`Executor`] carries it out
//! and says when it ended and which tokens came; [`State::commit`] applies the outcome. The real side is
//! an executor on candle with a monotonic clock, the sim side a predicting one with a virtual clock.
//! Nothing in here knows which.

use thiserror::Error;

mod blocks;
mod clock;
mod cluster;
mod config;
mod decode_together;
mod executor;
mod fleet;
mod plan;
mod policy;
mod records;
mod replica;
mod serve;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub use blocks::KvBlocks;
pub use clock::{Clock, MonotonicClock, VirtualClock};
pub use cluster::{Cluster, Router};
pub use config::{DEFAULT_KV_WATERMARK_BP, EngineConfig, Launch, Policy};
pub use executor::{DecodeStep, ExecuteError, Executor, StepOutcome, StepSpans};
pub use fleet::{replica_name, serve_cluster};
pub use plan::{PlanItem, StepPlan};
pub use policy::plan;
pub use records::Detail;
pub use replica::Replica;
pub use serve::{Limits, Served, serve};
pub use state::{Sequence, State};

/// Why the engine stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A step that could not be carried out.
    #[error("step {step}: {source}")]
    Execute {
        /// Its number.
        step: u64,
        /// The executor's reason.
        source: ExecuteError,
    },
    /// A plan that breaks the engine's rules; a fault of the policy, not of the input.
    #[error("step {step}: the plan {problem}")]
    Plan {
        /// Its number.
        step: u64,
        /// The rule that it breaks.
        problem: String,
    },
}
