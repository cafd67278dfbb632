//! A profile: measured times of one model on one machine with one build, the predictors' only input.
//! The bundle's format and its provenance; nothing here measures.
//!
//! A bundle is a directory of `profile_meta.json` and tables: those of [`CpuTimes`] or of [`GpuTimes`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{
    FileError, Hasher, NewDir, TableWriter, find, read_json, sha256_hex, write_inside,
};

mod content;
mod cpu;
mod gpu;
mod gpu_tables;
mod step_model;
mod step_points;
pub mod vidur;

pub use content::{Content, ContentError};
pub use cpu::{CpuTimes, HostEntry, OpEntry, Residual, Span};
pub use gpu::{
    GpuHost, GpuHostEntry, GpuTimes, IdleEntry, LaunchEntry, OpTimesEntry, ReplayEntry,
    StepResidual, TimeSpread,
};

pub use step_model::{BucketModel, StepModel, VariableModel};
pub use step_points::{StepPoint, likeness};

/// The file that makes a directory a bundle.
pub const META: &str = "profile_meta.json";
const SCHEMA_VERSION: u32 = 1;

/// Tables of a bundle, by the names of their files.
type Files = Vec<(&'static str, TableWriter)>;

/// The files of a bundle in `dir`, packed or not.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let names = cpu::FILES.into_iter().chain(gpu_tables::FILES).chain([META]);
    let found = names.map(|name| find(dir, name));
    found.filter_map(|file| file.ok().flatten()).collect()
}

/// Measured times.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Where they come from.
    pub meta: ProfileMeta,
    /// The times.
    pub times: Times,
}

/// The times of one kind of device.
#[derive(Debug, Clone, PartialEq)]
pub enum Times {
    /// Of a CPU.
    Cpu(CpuTimes),
    /// Of a GPU.
    Gpu(Box<GpuTimes>),
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu(times) => write!(
                f,
                "{} ops, {} host spans, {} steps",
                times.ops.len(),
                times.host.len(),
                times.residuals.len()
            ),
            Self::Gpu(times) => write!(
                f,
                "{} steps as graphs and {} launch by launch, {} ops, {} steps in service, {} for validation",
                times.replays.len(),
                times.eager.len(),
                times.ops.len(),
                times.residuals.len(),
                times.validation.len()
            ),
        }
    }
}

/// Provenance of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileMeta {
    /// Version of the bundle's format.
    pub schema_version: u32,
    /// Model, by its folder.
    pub model: String,
    /// SHA-256 of its architecture.
    pub model_config: String,
    /// Where the weights came from.
    pub weights: String,
    /// Device that was measured.
    pub device: String,
    /// UUID of that device, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_uuid: Option<String>,
    /// CPU of its host.
    pub host: String,
    /// Commit of the build, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Tokens of a KV block.
    pub kv_block_tokens: u32,
    /// The GPU, where one was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<ProfiledGpu>,
    /// Runs that fitted the residuals and host spans. None of them may gate.
    pub run_ids: Vec<String>,
    /// Start of the collection, RFC 3339.
    pub started_at: String,
    /// End of the collection, RFC 3339.
    pub ended_at: String,
}

/// What a profile of a GPU was measured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfiledGpu {
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// KV blocks of the measured engine.
    pub kv_blocks: u32,
    /// (most tokens, most sequences) of the measured engines' steps.
    pub limits: Vec<(u32, u32)>,
    /// Processes that measured.
    pub processes: u32,
}

/// What can be wrong with a profile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A file that cannot be read, parsed or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No profile there.
    #[error("{}: no profile here; collect it with `{command}`", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The command that collects it.
        command: String,
    },
    /// A profile of another device or with other settings.
    #[error("{}: the profile is of {what} {found}, the case of {expected}; collect it again, or name another", path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The profile's.
        found: String,
        /// The case's.
        expected: String,
    },
    /// A profile of another model.
    #[error("{}: the profile is of another architecture: its hash is {found}, the model's is {expected}; collect it again", path.display())]
    OtherModel {
        /// The directory.
        path: PathBuf,
        /// Hash in the profile.
        found: String,
        /// Hash of the model.
        expected: String,
    },
}

impl Profile {
    /// Checks that the profile, read from `path`, is of this hardware and KV block size.
    ///
    /// # Errors
    /// [`ProfileError::Other`] with what differs.
    pub fn check(
        &self,
        path: &Path,
        hardware: &str,
        kv_block_tokens: u32,
    ) -> Result<(), ProfileError> {
        let other = |what, found: &str, expected: &str| {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            Err(ProfileError::Other { path: path.to_owned(), what, found, expected })
        };
        let device = &self.meta.device;
        // `h100` stands for every device whose full name has it.
        if !device.to_lowercase().contains(&hardware.to_lowercase()) {
            return other("device", device, hardware);
        }
        if self.meta.kv_block_tokens != kv_block_tokens {
            let found = self.meta.kv_block_tokens.to_string();
            return other("KV block size", &found, &kv_block_tokens.to_string());
        }
        Ok(())
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// A missing bundle, or a faulty file in it.
    pub fn read(dir: &Path, command: &str) -> Result<Self, ProfileError> {
        Self::read_parts(dir, command, false)
    }

    /// Reads what was measured on a GPU, to be fitted anew: what was fitted to it may be missing, or of another
    /// version.
    ///
    /// # Errors
    /// As [`Profile::read`].
    pub fn read_measured(dir: &Path, command: &str) -> Result<Self, ProfileError> {
        Self::read_parts(dir, command, true)
    }

    fn read_parts(dir: &Path, command: &str, measured: bool) -> Result<Self, ProfileError> {
        let missing =
            || ProfileError::Missing { path: dir.to_owned(), command: command.to_owned() };
        let open = |name| find(dir, name)?.ok_or_else(missing);
        let meta_path = open(META)?;
        let meta: ProfileMeta = read_json(&meta_path)?;
        if meta.schema_version > SCHEMA_VERSION {
            let (found, supported) = (meta.schema_version, SCHEMA_VERSION);
            return Err(FileError::SchemaVersion { path: meta_path, found, supported }.into());
        }
        let times = match meta.gpu {
            Some(_) => Times::Gpu(Box::new(GpuTimes::read(&open, measured)?)),
            None => Times::Cpu(CpuTimes::read(&open)?),
        };
        Ok(Self { meta, times })
    }

    /// Writes a bundle in one step.
    ///
    /// # Errors
    /// A directory of somebody else's, or a system error.
    pub fn write(&self, dir: &Path) -> Result<(), ProfileError> {
        let new = NewDir::create(dir, META)?;
        self.write_inside(new.path())?;
        new.commit()?;
        Ok(())
    }

    /// Writes the files of a bundle into `dir`. Not in one step: for directories that are made so.
    ///
    /// # Errors
    /// A system error.
    pub fn write_inside(&self, dir: &Path) -> Result<(), ProfileError> {
        // What a GPU gives is long.
        let packed = if self.meta.gpu.is_some() { ".zst" } else { "" };
        for (name, table) in self.tables() {
            table.write(&dir.join(format!("{name}{packed}")))?;
        }
        let path = dir.join(META);
        let json = serde_json::to_vec_pretty(&self.meta).map_err(|e| FileError::json(&path, &e))?;
        Ok(write_inside(&path, &json)?)
    }

    /// SHA-256 over the measured times.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate profile v1");
        for (_, table) in self.tables() {
            hasher.text(&sha256_hex(&table.into_bytes()));
        }
        hasher.finish()
    }

    fn tables(&self) -> Files {
        match &self.times {
            Times::Cpu(times) => times.files(),
            Times::Gpu(times) => times.files(),
        }
    }
}
