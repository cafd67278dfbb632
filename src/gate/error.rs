//! Why a case is red before any verdict.

use std::path::PathBuf;

use thiserror::Error;

use super::RecordError;
use crate::backend::BackendError;
use crate::case::CaseError;
use crate::compare::CompareError;
use crate::model::ModelError;
use crate::profile::{ProfileError, vidur::VidurError};
use crate::run::{Boundary, RunError};
use crate::workload::WorkloadError;

/// Why a case, or the gate as a whole, cannot be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GateError {
    /// The folder of cases cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is no case.
    #[error("no case (*.yaml) under {}: a gate without cases cannot fail; `simgate new` writes one", path.display())]
    NoCases {
        /// The folder.
        path: PathBuf,
    },
    /// Two files of one name.
    #[error("{} and {} both give the case `{name}`: rename one", first.display(), second.display())]
    DuplicateName {
        /// The name.
        name: String,
        /// A file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A case in a folder that is named like another case.
    #[error(
        "{} lies in a folder named like the case {}, and its baseline would lie inside that of the other: rename one",
        inner.display(), outer.display()
    )]
    NestedNames {
        /// The case.
        outer: PathBuf,
        /// The one in the folder of its name.
        inner: PathBuf,
    },
    /// A file name that test runners cannot take.
    #[error(
        "{}: case names are made of letters, digits, `.`, `_` and `-`, and no folder is called `profiles`: rename the file or folder",
        path.display()
    )]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// A faulty case file.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A faulty workload.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A faulty run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A backend that returned no run.
    #[error("backend `{name}`, repeat {repeat}: {source}")]
    Backend {
        /// The backend.
        name: String,
        /// The repeat or seed.
        repeat: u32,
        /// Its reason.
        source: BackendError,
    },
    /// Sides that cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A path in a case that leads nowhere.
    #[error("{}: `{}` is neither beside the case file, nor in its folder of cases, nor in {}", case.display(), path.display(), root.display())]
    NoSuchPath {
        /// The case file.
        case: PathBuf,
        /// The path as written.
        path: PathBuf,
        /// The project.
        root: PathBuf,
    },
    /// A candle side without a recording.
    #[error("no baseline: {} holds no recorded run; record the case, or mark it `baseline: none`", dir.display())]
    NoBaseline {
        /// Where it should be.
        dir: PathBuf,
    },
    /// A case whose simulator cannot be taken apart.
    #[error(
        "`sim: {word}` cannot be taken apart: only predictions from a profile of a GPU can, of an engine with `ignore_eos: true`"
    )]
    NotExplained {
        /// The side's word.
        word: &'static str,
    },
    /// A case whose sim side cannot be asked about other rates and settings.
    #[error(
        "`sim: {word}` tells nothing of other rates and settings: only a `sim: {{ native: .. }}` side does"
    )]
    NotNative {
        /// The side's word.
        word: &'static str,
    },
    /// A recording without a repeat whose steps were timed.
    #[error("{}: no repeat here has its steps timed on the GPU: record the case on a GPU", dir.display())]
    NoTrace {
        /// The recording.
        dir: PathBuf,
    },
    /// A later recording of a case in which other figures can be judged than in its baseline.
    #[error("{}: other figures can be judged here than in the case's baseline: record it with the same recipe", dir.display())]
    OtherFigures {
        /// The recording.
        dir: PathBuf,
    },
    /// A side without steps, where they are to be shown.
    #[error(
        "no run of the {side} side has steps (step_metrics.csv): there is no timeline to show; sides of simgate's own engine and simulator have them"
    )]
    NoSteps {
        /// `real` or `sim`.
        side: &'static str,
    },
    /// A side that is to be compared with itself, but has one process at most.
    #[error("{}: `sim: itself` needs two recorded processes or more: record the case with `processes: 5`", dir.display())]
    OneProcess {
        /// Where the recording lies.
        dir: PathBuf,
    },
    /// A side that this version cannot run.
    #[error("a `{word}` side cannot run in simgate {}: it can run candle, transformers, native, recorded and registered ones", env!("CARGO_PKG_VERSION"))]
    UnsupportedSide {
        /// The side's word.
        word: &'static str,
    },
    /// A case whose side needs a model that it does not name.
    #[error("the case names no `model` and `engine`, which this needs: add them")]
    NoModel,
    /// A side that the build left out.
    #[error(
        "this simgate was built without the feature `candle`, which a live candle side and `profile: here` need"
    )]
    WithoutCandle,
    /// A token id that the model does not know.
    #[error(
        "prompt `{prompt_id}` has token id {id}, but the model's vocabulary ends at {vocabulary}: the prompts are of another tokenizer"
    )]
    OutOfVocabulary {
        /// The prompt.
        prompt_id: String,
        /// The id.
        id: u32,
        /// Ids that the model has.
        vocabulary: usize,
    },
    /// A side that is a recording, where one is to be served.
    #[error(
        "this side is a `{word}` one: there is nothing to serve; its runs lie where the case says"
    )]
    NothingToServe {
        /// The side's word.
        word: &'static str,
    },
    /// A recording that cannot be made or taken.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A faulty model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A missing or faulty profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A faulty Vidur bundle.
    #[error(transparent)]
    Vidur(#[from] VidurError),
    /// A profile that could not be measured.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Collect(#[from] crate::collect::CollectError),
    /// A run that contradicts itself.
    #[error("{run}: {problem}")]
    FaultyRun {
        /// The run.
        run: String,
        /// What is wrong.
        problem: String,
    },
    /// A backend that nobody registered.
    #[error(
        "backend `{name}` is not registered in this program ({}): register it in tests/gate.rs and run `cargo test --test gate`",
        known(registered)
    )]
    UnknownBackend {
        /// The name in the case.
        name: String,
        /// The names there are.
        registered: Vec<String>,
    },
    /// A seeded backend with too few seeds to tell their spread.
    #[error(
        "backend `{name}` is seeded, so it needs at least 3 repeats; the case asks for {repeats}"
    )]
    FewSeeds {
        /// The backend.
        name: String,
        /// What the case asks for.
        repeats: u32,
    },
    /// A measured backend in a case with a snapshot.
    #[error(
        "backend `{name}` is measured, so its figures change with every run and cannot stand in a snapshot: mark the case `baseline: none`"
    )]
    MeasuredBaseline {
        /// The backend.
        name: String,
    },
    /// A run that does not say where it was timed.
    #[error(
        "{run} has no run_meta.json: say where it was timed, with `boundary: engine` beside `runs:` or --boundary engine (or server, client)"
    )]
    NoBoundary {
        /// The run.
        run: String,
    },
    /// A run that was timed elsewhere than the case says, or than its siblings.
    #[error("{run} was timed at the {found}, but the case or its other runs say {expected}")]
    BoundaryConflict {
        /// The run.
        run: String,
        /// What it says.
        found: Boundary,
        /// What was expected.
        expected: Boundary,
    },
    /// Runs of one side that are not of one kind.
    #[error(
        "{run} is of {what} {found}, its sibling runs of {expected}: a side is one backend on one kind of device"
    )]
    MixedSide {
        /// The run.
        run: String,
        /// `backend`, `device`, `GPU`, `host`, `weights` or `build`.
        what: &'static str,
        /// The run's.
        found: String,
        /// The first run's.
        expected: String,
    },
    /// A loop of links under `cases/`.
    #[error("{}: a link that leads back to a folder above it: remove it", path.display())]
    LinkLoop {
        /// The link.
        path: PathBuf,
    },
    /// A run of another workload or engine than the case's.
    #[error("{}", stale(run, what, found, expected, changes))]
    Stale {
        /// The run.
        run: String,
        /// `workload` or `engine configuration`.
        what: &'static str,
        /// The run's hash.
        found: String,
        /// The case's hash.
        expected: String,
        /// The files that were edited since, each with both hashes, where the recording names its own.
        changes: Vec<String>,
    },
    /// A run whose rows are not those of the case's workload.
    #[error("{run} did not serve the case's workload: {problem}")]
    OtherWorkload {
        /// The run.
        run: String,
        /// The first difference.
        problem: String,
    },
    /// A run that fitted the profile which it should judge.
    #[error(
        "{run} (run id {run_id}) is one of the runs that the profile was fitted to: what fits a profile may not gate it; record the case anew"
    )]
    FitAndGate {
        /// The run.
        run: String,
        /// Its id.
        run_id: String,
    },
    /// A gated recording from another machine than the profile's.
    #[error(
        "{run} was recorded on another machine than the profile: its {what} is {of_run}, the profile's {of_profile}; record and profile on one machine (`simgate accept` puts recordings from others under cross/)"
    )]
    OtherMachine {
        /// The run.
        run: String,
        /// `GPU` or `host`.
        what: &'static str,
        /// The run's.
        of_run: String,
        /// The profile's.
        of_profile: String,
    },
    /// A live case on a second attempt.
    #[error(
        "attempt {attempt} of a live case: retries turn a red into a pass; set `retries = 0` for this test"
    )]
    Retried {
        /// Which attempt it is.
        attempt: u32,
    },
    /// A GPU is demanded but absent.
    #[error(
        "this case needs an NVIDIA GPU and SIMGATE_REQUIRE_GPU is set, but /dev/nvidiactl does not exist: load the driver, or unset the variable to skip the case"
    )]
    NoGpu,
    /// Snapshots without cases, or cases without snapshots.
    #[error("{}", problems.join("\n"))]
    Pairing {
        /// One line each.
        problems: Vec<String>,
    },
}

impl GateError {
    /// A short name for the check that refused a side, for tables; `None` where something else went wrong.
    pub(super) fn check(&self) -> Option<&'static str> {
        Some(match self {
            Self::OtherWorkload { .. } | Self::Compare(CompareError::Workload { .. }) => "workload",
            Self::OtherMachine { .. } => "machine",
            Self::FitAndGate { .. } => "fit and gate apart",
            Self::Stale { .. } | Self::Compare(CompareError::Hashes { .. }) => "hashes",
            Self::Backend { source: BackendError::Failed(_), .. } => "prediction",
            Self::Compare(CompareError::Copies { .. }) => "copies",
            Self::Compare(CompareError::FewSeeds { .. }) => "seeds",
            Self::Compare(CompareError::OneSided { .. }) => "requests",
            Self::Compare(CompareError::Unavailable { .. }) => "metrics",
            Self::Compare(_) => "comparison",
            _ => return None,
        })
    }
}

fn stale(run: &str, what: &str, found: &str, expected: &str, changes: &[String]) -> String {
    let edited = match changes {
        [] => String::new(),
        changes => format!("{}: ", changes.join(", ")),
    };
    format!(
        "{edited}{run} is stale: it was recorded with another {what} (hash {found}, the case's is {expected}); record it again"
    )
}

fn known(names: &[String]) -> String {
    if names.is_empty() {
        "it registers none".to_owned()
    } else {
        format!("it has {}", names.join(", "))
    }
}
