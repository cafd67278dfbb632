//! The gate: every YAML file under `cases/` is one test, red when the two sides drift apart.
//!
//! ```no_run
//! use simgate::Gate;
//!
//! fn main() -> std::process::ExitCode {
//!     Gate::new("cases").baselines("baselines").main()
//! }
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::backend::{Backend, Registry};
use crate::case::{Case, Side};
use crate::run::Boundary;

mod accept;
mod anew;
mod bundle;
mod cache;
mod discover;
mod error;
mod explain;
mod fingerprint;
mod judge;
mod loaded;
mod model;
mod outcome;
mod pairing;
mod paths;
mod power;
mod provenance;
mod record;
mod record_error;
mod recording;
mod runs;
mod serve;
mod settings;
mod sides;
mod sim_parts;
mod snapshot;
#[cfg(feature = "candle")]
mod tokenizer;
mod trials;
mod workload;

use cache::Shared;

pub use accept::Acceptance;
pub use discover::{CaseFile, discover};
pub use error::GateError;
pub use fingerprint::{Fingerprint, Fingerprints};
pub use judge::Judged;
pub use loaded::LoadedSide;
pub use outcome::Outcome;
pub use record::{RecordOptions, Recorder};
pub use record_error::RecordError;
pub use recording::{Criterion, RECORDING, Recipe, RecordedRun, Recording};
pub use serve::{RecordedCase, Role};
pub use settings::Settings;
pub use sides::load_recorded;
pub use sim_parts::{SimParts, Simulator};
pub use snapshot::Drift;

/// Folder of measured profiles among the baselines of one hardware; it holds no snapshots of cases.
const PROFILES: &str = "profiles";

/// A gate over a folder of cases.
#[derive(Debug, Clone)]
pub struct Gate {
    cases: PathBuf,
    baselines: PathBuf,
    registry: Registry,
    settings: Settings,
    shared: Arc<Shared>,
}

impl Gate {
    /// A gate over the cases under `cases`, with baselines in a folder `baselines` beside it.
    ///
    /// A relative path counts from the package that is tested (`CARGO_MANIFEST_DIR` at run time), or
    /// from the working directory where there is none.
    pub fn new(cases: impl AsRef<Path>) -> Self {
        let cases = absolute(cases.as_ref());
        Self {
            baselines: cases.with_file_name("baselines"),
            cases,
            registry: Registry::default(),
            settings: Settings::from_env(),
            shared: Arc::default(),
        }
    }

    /// Where baselines and snapshots lie.
    #[must_use]
    pub fn baselines(mut self, baselines: impl AsRef<Path>) -> Self {
        self.baselines = absolute(baselines.as_ref());
        self
    }

    /// Adds a backend that cases name as `{ registered: { name: NAME } }`. `make` is called once a
    /// side.
    #[must_use]
    pub fn register<B: Backend + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> B + Send + Sync + 'static,
    ) -> Self {
        self.registry.add(name, make);
        self
    }

    /// Replaces what the environment says.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Runs the cases as tests, with the arguments that `cargo test` and nextest pass.
    pub fn main(self) -> ExitCode {
        trials::main(self)
    }

    /// The cases, by name.
    ///
    /// # Errors
    /// No case, two of one name, or a name that test runners cannot take.
    pub fn case_files(&self) -> Result<Vec<CaseFile>, GateError> {
        discover(&self.cases)
    }

    /// Everything that judging one case needs to know of the gate.
    fn context<'a>(&'a self, progress: Progress<'a>) -> Context<'a> {
        Context {
            root: self.cases.parent().unwrap_or(&self.cases),
            cases: &self.cases,
            baselines: &self.baselines,
            registry: &self.registry,
            settings: &self.settings,
            shared: &self.shared,
            progress,
        }
    }

    /// Judges one case and checks its snapshot.
    pub fn check(&self, file: &CaseFile) -> Outcome {
        self.check_with(file, &|_, _, _| {})
    }

    /// As [`Gate::check`], telling `progress` how long work gets on.
    pub fn check_with(&self, file: &CaseFile, progress: Progress<'_>) -> Outcome {
        outcome::check(file, &self.context(progress))
    }

    /// Judges a case with other recordings on its two sides.
    ///
    /// # Errors
    /// Whatever keeps it from a verdict.
    pub fn judge_recordings(
        &self,
        mut case: Case,
        [real, sim]: [&Path; 2],
        boundary: Option<Boundary>,
    ) -> Result<Judged, GateError> {
        let given = |side: &Side, dir: &Path| {
            let declared = match side {
                Side::Recorded { boundary, .. } => *boundary,
                _ => None,
            };
            Side::Recorded { runs: vec![absolute(dir)], boundary: boundary.or(declared) }
        };
        let sides = [given(&case.real, real), given(&case.sim, sim)];
        // What is given is recorded, whatever the case runs live.
        case.live_only = false;
        judge::judge_given(case, sides, &self.context(&|_, _, _| {}))
    }

    /// Why a case cannot run here, if it cannot and says so by being skipped. A faulty file is not
    /// skipped: it reports itself.
    pub fn skips(&self, file: &CaseFile) -> Option<&'static str> {
        let case = Case::read(&file.path).ok()?;
        if case.live_only && !self.settings.live {
            return Some("it only runs live (SIMGATE_LIVE=1, --live)");
        }
        let live = judge::runs_live(&case, &self.context(&|_, _, _| {}));
        let without_gpu = || !self.settings.require_gpu && !settings::has_gpu();
        (live && judge::needs_gpu(&case) && without_gpu()).then_some("there is no NVIDIA GPU here")
    }

    /// Checks that snapshots and cases belong together one to one.
    ///
    /// # Errors
    /// [`GateError::Pairing`] with every snapshot or case that stands alone.
    pub fn check_pairing(&self) -> Result<(), GateError> {
        pairing::check_pairing(&self.case_files()?, &self.baselines)
    }
}

/// What judging a case needs to know of the gate around it.
#[derive(Clone, Copy)]
struct Context<'a> {
    /// The project: paths in cases may be relative to it.
    root: &'a Path,
    /// The folder of cases, likewise.
    cases: &'a Path,
    /// Where baselines and snapshots lie.
    baselines: &'a Path,
    /// Backends that the program registered.
    registry: &'a Registry,
    /// What the user asked for.
    settings: &'a Settings,
    /// What cases read alike.
    shared: &'a Shared,
    /// Told how long work gets on.
    progress: Progress<'a>,
}

/// Told what is being done: (what, parts done, parts in all).
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

fn absolute(path: &Path) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    // At run time, so that tests from an archive find the checkout that they run in.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    root.or_else(|| std::env::current_dir().ok()).unwrap_or_default().join(path)
}
