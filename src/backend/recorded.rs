//! Replays run directories.

use std::path::{Path, PathBuf};

use super::{Backend, BackendError, Kind};
use crate::run::{self, Run, RunError};
use crate::workload::Workload;

/// Runs read from disk, one a repeat.
#[derive(Debug, Clone)]
pub struct Recorded {
    dirs: Vec<PathBuf>,
}

impl Recorded {
    /// The runs of `dirs`, each one run or a folder of repeats.
    ///
    /// # Errors
    /// A directory that holds no run.
    pub fn open<P: AsRef<Path>>(dirs: impl IntoIterator<Item = P>) -> Result<Self, RunError> {
        let mut runs = Vec::new();
        for dir in dirs {
            runs.extend(run::read_repeats(dir.as_ref())?);
        }
        Ok(Self { dirs: runs })
    }

    /// The run directories, one a repeat.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }
}

impl Backend for Recorded {
    fn kind(&self) -> Kind {
        Kind::Recorded { runs: self.dirs.len() as u32 }
    }

    fn run(&mut self, _workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        let runs = self.dirs.len() as u32;
        let dir = self.dirs.get(repeat as usize).ok_or(BackendError::NoSuchRun { repeat, runs })?;
        Ok(run::read(dir)?)
    }
}
