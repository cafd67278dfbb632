//! A case: one YAML file, one test. The file's form, its checks, and the plain values they yield.
//!
//! Reading happens in two steps. [`schema`] fixes the form: unknown keys and wrong shapes stop
//! there, each with its place. [`validate`](self) then reads every value with its unit and every
//! combination, and reports all faults of the file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::compare::{Distance, Figure, Tolerances};
use crate::engine::{Cluster, EngineConfig};
use crate::files::{FileError, read_text};
use crate::run::Boundary;
use crate::workload::{Recipe, VidurTrace};

mod diagnostics;
mod scalar;
pub mod schema;
mod units;
mod validate;
mod workload_schema;

pub use diagnostics::{Diagnostics, Problem};
pub use units::{parse_duration, parse_percent, parse_tolerance};
pub use validate::{MAX_COUNT, MAX_REPLICAS};

/// A case, checked.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of what the file says, whatever its comments and spacing.
    pub fingerprint: String,
    /// Model, by its folder under `models/`.
    pub model: Option<String>,
    /// Hardware that the case is about: `h100`.
    pub hardware: Option<String>,
    /// What is served.
    pub workload: WorkloadSource,
    /// The engine that both sides share.
    pub engine: Option<EngineConfig>,
    /// How many engines there are, and over how many devices.
    pub cluster: Cluster,
    /// The side that is believed.
    pub real: Side,
    /// The side that is judged.
    pub sim: Side,
    /// What is gated, and how tightly.
    pub tolerances: Tolerances,
    /// Distances that are gated, and how tightly, as fractions.
    pub distances: BTreeMap<Distance, f64>,
    /// Where in the file each gated figure stands: lines from 1.
    pub lines: BTreeMap<Figure, u64>,
    /// Where each gated distance stands, likewise.
    pub distance_lines: BTreeMap<Distance, u64>,
    /// Figures that must be outside: a negative control.
    pub expect_outside: Vec<Figure>,
    /// Amplification stated for figures whose tolerance it widens.
    pub kappa: Vec<(Figure, f64)>,
    /// Whether a live run on any machine counts.
    pub any_machine: bool,
    /// Whether the case has no recording: it only runs live.
    pub live_only: bool,
    /// Why unlike boundaries may be compared.
    pub allow_boundary_mismatch: Option<String>,
}

/// Where a case's workload comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkloadSource {
    /// A workload directory; relative to the case file or the project.
    Dir(PathBuf),
    /// A trace of Vidur; relative to the case file or the project.
    Trace {
        /// The file.
        file: PathBuf,
        /// How it is scaled.
        scaled: VidurTrace,
        /// Only so many requests.
        requests: Option<u32>,
    },
    /// A recipe.
    Recipe(Recipe),
}

/// One side of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// simgate's engine on candle; replayed from its recording unless live.
    Candle {
        /// Processes to record.
        processes: u32,
        /// Repeats in each.
        repeats: u32,
        /// Rounds of warm-up before them, at least.
        warmup: u32,
    },
    /// candle-transformers' model, one request at a time; replayed from its recording unless live.
    Transformers,
    /// The real side once more: its recording's processes against each other.
    Itself,
    /// simgate's own simulator.
    Native {
        /// `hardware/model` of a profile, or `here`.
        profile: String,
        /// Seeds to run.
        seeds: u32,
    },
    /// simgate's own engine, with step times from a profile bundle of Vidur; relative to the case file or the
    /// project.
    Bundle(PathBuf),
    /// Vidur as it is, from its profile bundle; likewise.
    Vidur(PathBuf),
    /// Run directories.
    Recorded {
        /// Each one run, or a folder of repeats; relative to the case file or the project.
        runs: Vec<PathBuf>,
        /// Where they were timed, for runs without `run_meta.json`.
        boundary: Option<Boundary>,
    },
    /// A backend that the test program registers.
    Registered {
        /// Its name.
        name: String,
        /// Seeds of a seeded one, repeats of a measured one; by default 16 and 5.
        repeats: Option<u32>,
        /// Where it is timed, when its runs do not say.
        boundary: Option<Boundary>,
    },
    /// Results of another tool.
    Import {
        /// Their format.
        format: Option<String>,
        /// One file a repeat.
        files: Vec<PathBuf>,
        /// Where they were timed.
        boundary: Option<Boundary>,
    },
    /// An external program.
    Command(Vec<String>),
    /// An OpenAI-compatible server.
    Endpoint(String),
}

impl Side {
    /// Whether simgate serves it itself, so that it has a recording of its own.
    pub fn is_served(&self) -> bool {
        matches!(self, Self::Candle { .. } | Self::Transformers)
    }

    /// The word in case files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Candle { .. } => "candle",
            Self::Transformers => "transformers",
            Self::Itself => "itself",
            Self::Native { .. } | Self::Bundle(_) => "native",
            Self::Vidur(_) => "vidur",
            Self::Recorded { .. } => "recorded",
            Self::Registered { .. } => "registered",
            Self::Import { .. } => "import",
            Self::Command(_) => "command",
            Self::Endpoint(_) => "endpoint",
        }
    }
}

/// Why a case file yields no case.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaseError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// It has faults.
    #[error("{0}")]
    Invalid(Box<Diagnostics>),
}

impl Case {
    /// The Vidur bundles that its sides are predicted from, each once.
    pub fn bundles(&self) -> Vec<&Path> {
        let bundle = |side| match side {
            &Side::Bundle(ref bundle) | &Side::Vidur(ref bundle) => Some(bundle.as_path()),
            _ => None,
        };
        let mut all: Vec<&Path> = [&self.sim, &self.real].into_iter().filter_map(bundle).collect();
        all.dedup();
        all
    }

    /// Whether anything but structure is judged.
    pub fn is_gated(&self) -> bool {
        !self.tolerances.is_none() || !self.distances.is_empty()
    }

    /// Reads and checks a case file.
    ///
    /// # Errors
    /// An unreadable file, or [`Diagnostics`] with every fault that could be found.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let text = read_text(path)?;
        Self::parse(path, &text)
    }

    /// Checks the text of a case file; `path` is used in messages.
    ///
    /// # Errors
    /// [`Diagnostics`] with every fault that could be found.
    pub fn parse(path: &Path, text: &str) -> Result<Self, CaseError> {
        validate::case(path, text).map_err(|d| CaseError::Invalid(Box::new(d)))
    }
}
