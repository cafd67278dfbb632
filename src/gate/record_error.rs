//! Why a recording cannot be made, or not be taken as a baseline.

use std::path::PathBuf;

use thiserror::Error;

use crate::compare::TooNoisy;
use crate::files::FileError;
use crate::report::percent;

/// Why a recording cannot be made, or not be taken as a baseline.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A case that only runs live.
    #[error("{case} is marked `baseline: none`: it has no recording; drop that line to record it")]
    LiveOnly {
        /// The case.
        case: String,
    },
    /// A build from uncommitted changes.
    #[error(
        "this simgate was built from uncommitted changes or without git, so that nobody could build it again: commit and build anew, or say --allow-dirty"
    )]
    Dirty,
    /// A recording that would replace a baseline unseen.
    #[error("--out {} lies among the baselines: record elsewhere, and take the recording with `simgate accept`", out.display())]
    IntoBaselines {
        /// The folder.
        out: PathBuf,
    },
    /// What a killed recorder of other making left.
    #[error(
        "{} holds the beginning of another recording: {what}; record as before to go on, or say --restart to throw it away",
        folder.display()
    )]
    Unlike {
        /// The folder under construction.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// A recording that would be taken from where it is to go.
    #[error("{} lies among the baselines: there is nothing to move", source_dir.display())]
    SamePlace {
        /// The recording.
        source_dir: PathBuf,
    },
    /// Another recorder is at work.
    #[error("{case} is being recorded by another process (in {}): wait for it", folder.display())]
    Busy {
        /// The case.
        case: String,
        /// Its folder under construction.
        folder: PathBuf,
    },
    /// Too many repeats were refused.
    #[error(
        "{case}: only {kept} of {processes} processes count after twice as many were tried: {reason}; record on a quieter machine, or allow more with --max-host-drift"
    )]
    Restless {
        /// The case.
        case: String,
        /// Processes that count.
        kept: u32,
        /// Processes that its recipe asks for.
        processes: u32,
        /// Why a repeat was refused.
        reason: String,
    },
    /// A recording beyond its budget.
    #[error(
        "the recording of {case} takes {:.1} MB, of which 2 MB are allowed: serve fewer requests, or record fewer repeats",
        *bytes as f64 / 1e6
    )]
    TooLarge {
        /// The case.
        case: String,
        /// Its size.
        bytes: u64,
    },
    /// Baselines beyond their budget.
    #[error(
        "all baselines would take {:.1} MB, of which 24 MB are allowed: remove some, or shorten their cases",
        *bytes as f64 / 1e6
    )]
    BaselinesTooLarge {
        /// Their size.
        bytes: u64,
    },
    /// A recording whose runs are not those it lists.
    #[error("{}: {problem}: the recording was altered; record it again", run.display())]
    Altered {
        /// The run.
        run: PathBuf,
        /// How it differs.
        problem: String,
    },
    /// There is nothing to accept.
    #[error("{}: no recording of {case} here; make one with `simgate record {case}`", dir.display())]
    NoRecording {
        /// Where it should be.
        dir: PathBuf,
        /// The case.
        case: String,
    },
    /// A recording of another case.
    #[error("{}: a recording of {found}, not of {expected}", dir.display())]
    OtherCase {
        /// Where it lies.
        dir: PathBuf,
        /// Its case.
        found: String,
        /// The case asked for.
        expected: String,
    },
    /// Nobody said why.
    #[error("{case}: say why its baseline changes, with --reason \"...\"")]
    NoReason {
        /// The case.
        case: String,
    },
    /// A gated case recorded in too few processes to tell their spread.
    #[error("{case} is gated, but its recording has {processes} processes: record at least 3")]
    FewProcesses {
        /// The case.
        case: String,
        /// Processes there are.
        processes: usize,
    },
    /// Tolerances that drown in the recording's own noise.
    #[error("{}", noisy_tolerances(noisy))]
    Noisy {
        /// The tolerances.
        noisy: Vec<TooNoisy>,
    },
}

fn noisy_tolerances(noisy: &[TooNoisy]) -> String {
    let one = |n: &TooNoisy| {
        let remedy = n.processes.map_or_else(
            || "not even 100 processes would do; widen it".to_owned(),
            |k| format!("{k} processes would do"),
        );
        format!(
            "the tolerance of {} on {} is refused: the recording's own noise is {}, more than half of it; {remedy}",
            percent(n.tolerance.fraction()),
            n.figure,
            percent(n.noise.exp_m1()),
        )
    };
    noisy.iter().map(one).collect::<Vec<_>>().join("\n")
}
