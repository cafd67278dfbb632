//! What a backend returns: request, token, step and plan records plus provenance, and their files.
//!
//! All times are integer nanoseconds (`*_ns`) since the run's start on a monotonic clock.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::files::FileError;

mod compact;
mod directory;
mod fault;
mod gaps;
mod meta;
mod queueing;
mod requests;
mod step_times;
mod steps;
mod token_recorder;
mod token_times;
mod tokens;
mod vidur_results;

pub(crate) use compact::sorted as sorted_plans;
pub use directory::{
    CROSS_MACHINE, Keep, MARKER, TRACED, cross_machine, files_hash, hash, read, read_meta,
    read_repeats, request_hash, token_hash, write, write_compact,
};
pub use fault::fault;
pub use gaps::GapPercentiles;
pub use meta::{
    Boundary, Device, EngineBuild, GpuState, Graphs, Hashes, Host, HostSpeed, NATIVE,
    RUN_META_SCHEMA_VERSION, RunMeta, VIDUR, Weights,
};
pub use step_times::StepTimes;
pub use steps::{PlanRecord, StepRecord};
pub use token_recorder::TokenRecorder;
pub use token_times::{Incomplete, TokenTimes};
pub use vidur_results::read_vidur;

/// A run: one workload served once by one backend.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// One record a request, ascending by `request_id`, each id once.
    pub requests: Vec<RequestRecord>,
    /// Token times in the order of `requests`; `None` when the backend does not know them.
    pub tokens: Option<TokenTimes>,
    /// What is kept of the gaps between tokens where the token times are not.
    pub gaps: Option<GapPercentiles>,
    /// Engine steps in order; empty when the backend has none to tell.
    pub steps: Vec<StepRecord>,
    /// What each step did for each request; empty when unknown.
    pub plans: Vec<PlanRecord>,
    /// Where the run comes from; `None` for a directory without `run_meta.json`.
    pub meta: Option<RunMeta>,
}

impl Run {
    /// What each step did, by the place of the step; `None` where a plan names a step that there is not.
    pub fn plans_by_step(&self) -> Option<Vec<Vec<&PlanRecord>>> {
        let mut plans = vec![Vec::new(); self.steps.len()];
        for plan in &self.plans {
            plans.get_mut(usize::try_from(plan.step).ok()?)?.push(plan);
        }
        Some(plans)
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Served to its end.
    #[default]
    Ok,
    /// Turned away before any work was done.
    Refused,
    /// Broke off.
    Failed,
    /// Took longer than allowed.
    Timeout,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Failed, Self::Timeout];

    /// The word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }
}

/// One request's life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestRecord {
    /// Its number in the workload.
    pub request_id: u64,
    /// Scheduled arrival, so that queueing counts.
    pub arrival_ns: u64,
    /// When its first token was known; absent when it got none.
    pub first_token_ns: Option<u64>,
    /// When it was complete; absent when it never was.
    pub completion_ns: Option<u64>,
    /// Prompt tokens.
    pub prefill_tokens: u32,
    /// Output tokens asked for.
    pub decode_tokens: u32,
    /// Output tokens that came.
    pub decode_tokens_actual: u32,
    /// How it ended.
    pub status: Status,
    /// What served it, where the file says so.
    pub backend: Option<Arc<str>>,
}

/// What can be wrong with a run on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file that cannot be read, parsed or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory without `request_metrics.csv`.
    #[error(
        "{}: no request_metrics.csv here: expected a run directory, or a folder whose sub-folders are runs (repeats)",
        path.display()
    )]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// A folder of repeats with a sub-folder that is not a run.
    #[error(
        "{}: no request_metrics.csv here, though its sibling folders are runs: finish or remove it",
        path.display()
    )]
    NotARepeat {
        /// The sub-folder.
        path: PathBuf,
    },
    /// Percentiles beside what they are the percentiles of.
    #[error(
        "{}: percentiles of gaps stand beside tokens, steps or plans of the same run: remove one of them",
        path.display()
    )]
    Both {
        /// The percentiles.
        path: PathBuf,
    },
    /// A path that does not exist.
    #[error("{}: no such directory", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
}
