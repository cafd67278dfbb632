//! Taking a recording as the baseline of its case: what it must hold to, and what changes by it.

use std::fs;
use std::path::{Path, PathBuf};

use super::judge::recording_of;
use super::loaded::LoadedSide;
use super::model::CaseModel;
use super::record::{CASE_BUDGET, TOKEN_IDS};
use super::recording::{RECORDING, RecordedRun, Recording};
use super::sides::Stage;
use super::{CaseFile, Gate, GateError, RecordError, provenance};
use crate::case::{Case, Side};
use crate::compare::{Comparison, Rules, compare, distinct, too_noisy, widened};
use crate::files::{FileError, NewDir, size_of};
use crate::profile::Profile;
use crate::run::{CROSS_MACHINE, TRACED};

/// Most bytes that all baselines may take: the tree travels to GPU machines.
const BUDGET: u64 = 24_000_000;
/// Fewest processes whose spread can be told.
const MIN_PROCESSES: usize = 3;

/// A recording that may become a baseline.
#[derive(Debug)]
pub struct Acceptance {
    /// Old against new, or why they cannot be compared.
    pub change: Result<Comparison, String>,
    /// Where it will lie.
    pub target: PathBuf,
    source: PathBuf,
    baselines: PathBuf,
    recording: Recording,
}

impl Gate {
    /// Checks whether the recording in `source` may become the baseline of a case, and compares it with
    /// the one there is.
    ///
    /// # Errors
    /// A recording that is not of this case as it stands, without a reason, too noisy for the case's
    /// tolerances, or too large.
    pub fn acceptance(
        &self,
        file: &CaseFile,
        source: &Path,
        reason: Option<&str>,
        allow_dirty: bool,
    ) -> Result<Acceptance, GateError> {
        let case = Case::read(&file.path)?;
        if same_tree(source, &self.baselines) {
            return Err(RecordError::SamePlace { source_dir: source.to_owned() }.into());
        }
        let recording = Recording::read(source).map_err(RecordError::from)?;
        let none = || RecordError::NoRecording { dir: source.to_owned(), case: file.name.clone() };
        let mut recording = recording.ok_or_else(none)?;
        if recording.case != file.name {
            let (found, expected) = (recording.case, file.name.clone());
            return Err(RecordError::OtherCase { dir: source.to_owned(), found, expected }.into());
        }
        recording.reason = reason.map(str::to_owned).or(recording.reason);
        if recording.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
            return Err(RecordError::NoReason { case: file.name.clone() }.into());
        }
        if recording.dirty && !allow_dirty {
            return Err(RecordError::Dirty.into());
        }
        let context = self.context(&|_, _, _| {});
        let baseline = recording_of(file, &context);
        let stage = Stage::new(&case, &baseline, context)?;
        let Some(new) = stage.recorded_in(source)? else { return Err(none().into()) };
        let elsewhere = elsewhere(&case, &stage.model, &new)?;
        let target = match &elsewhere {
            Some(name) => baseline.join(CROSS_MACHINE).join(name),
            None => baseline,
        };
        distinct(&new.side)?;
        if elsewhere.is_none() {
            hold_to_tolerances(&case, file, &new)?;
        }
        // An old one that is stale or faulty is no reason to keep it.
        let change = match stage.recorded_in(&target) {
            Ok(None) => Err("there is none so far".to_owned()),
            Ok(Some(old)) => {
                compare(&old.side, &new.side, &Rules::default()).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let baselines = self.baselines.clone();
        let acceptance =
            Acceptance { change, target, source: source.to_owned(), baselines, recording };
        acceptance.within_budget()?;
        Ok(acceptance)
    }

    /// Holds a recording to its case's tolerances: it must be able to decide them.
    ///
    /// # Errors
    /// A recording that is not of this case as it stands, or too noisy for its tolerances.
    pub fn hold_recording(&self, file: &CaseFile, dir: &Path) -> Result<(), GateError> {
        let case = Case::read(&file.path)?;
        match Stage::new(&case, dir, self.context(&|_, _, _| {}))?.recorded()? {
            Some(recorded) => hold_to_tolerances(&case, file, &recorded),
            None => Ok(()),
        }
    }
}

/// The folder for a recording from a machine other than the profile's; `None` for one from the same, or
/// where there is no profile yet.
fn elsewhere(
    case: &Case,
    model: &CaseModel<'_>,
    new: &LoadedSide,
) -> Result<Option<String>, GateError> {
    let Side::Native { profile, .. } = &case.sim else { return Ok(None) };
    let Some(dir) = model.profile_dir(profile).filter(|dir| dir.is_dir()) else { return Ok(None) };
    let meta = Profile::read(&dir, "simgate profile")?.meta;
    provenance::fit_and_gate(&meta, &new.side)?;
    Ok(provenance::elsewhere(&meta, &new.side, case.hardware.as_deref().unwrap_or("unknown")))
}

/// A baseline must be able to decide what the case asks.
fn hold_to_tolerances(case: &Case, file: &CaseFile, new: &LoadedSide) -> Result<(), GateError> {
    if case.tolerances.is_none() || !case.expect_outside.is_empty() {
        return Ok(());
    }
    let processes = new.side.process_count();
    if processes < MIN_PROCESSES {
        return Err(RecordError::FewProcesses { case: file.name.clone(), processes }.into());
    }
    let rules = Rules {
        tolerances: widened(&case.tolerances, &case.kappa),
        ignore_eos: case.engine.as_ref().map(|engine| engine.ignore_eos),
        ..Rules::default()
    };
    let noisy = too_noisy(&new.side, &rules)?;
    if noisy.is_empty() { Ok(()) } else { Err(RecordError::Noisy { noisy }.into()) }
}

impl Acceptance {
    fn within_budget(&self) -> Result<(), RecordError> {
        let bytes = size_of(&self.source)?;
        if bytes > CASE_BUDGET {
            return Err(RecordError::TooLarge { case: self.recording.case.clone(), bytes });
        }
        let others = size_of(&self.baselines)?.saturating_sub(size_of(&self.target)?);
        if others + bytes > BUDGET {
            return Err(RecordError::BaselinesTooLarge { bytes: others + bytes });
        }
        Ok(())
    }

    /// What marks the target as ours: a recording, or a folder of recordings from other machines.
    fn marker(&self) -> &'static str {
        let only_cross = list(&self.target)
            .is_ok_and(|paths| matches!(&paths[..], [path] if path.ends_with(CROSS_MACHINE)));
        if only_cross { CROSS_MACHINE } else { RECORDING }
    }

    /// Moves the recording into place. What it replaces is gone only when it stands.
    ///
    /// # Errors
    /// A system error; the old baseline is then intact.
    pub fn accept(self) -> Result<PathBuf, GateError> {
        // Others may have been accepted since.
        self.within_budget()?;
        let moved = || -> Result<(), FileError> {
            let new = NewDir::create(&self.target, self.marker())?;
            for run in self.recording.kept() {
                let dir = RecordedRun::folder(run.process, run.repeat);
                copy(&self.source.join(&dir), &new.path().join(&dir))?;
            }
            let traced = self.source.join(TRACED);
            if traced.is_dir() {
                copy(&traced, &new.path().join(TRACED))?;
            }
            let token_ids = self.source.join(TOKEN_IDS);
            if token_ids.is_file() {
                copy_file(&token_ids, new.path())?;
            }
            let cross = self.target.join(CROSS_MACHINE);
            if cross.is_dir() {
                copy(&cross, &new.path().join(CROSS_MACHINE))?;
            }
            self.recording.write(new.path())?;
            new.commit()
        };
        moved().map_err(RecordError::from)?;
        // The baseline stands. What is left of the recording goes under a hidden name first, so that
        // nothing half-removed looks like one.
        let name = self.source.file_name().map(|n| n.to_string_lossy().into_owned());
        let aside = self.source.with_file_name(format!(".{}.accepted", name.unwrap_or_default()));
        if fs::rename(&self.source, &aside).is_ok() {
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(self.target)
    }
}

/// Whether one of two folders lies in the other.
fn same_tree(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (a, b) = (real(a), real(b));
    a.starts_with(&b) || b.starts_with(&a)
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(dir).map_err(|e| FileError::io("read", dir, e))?;
    let path = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.path());
    entries.map(path).collect::<Result<_, _>>().map_err(|e| FileError::io("read", dir, e))
}

fn copy_file(from: &Path, to: &Path) -> Result<(), FileError> {
    let name = from.file_name().unwrap_or_default();
    fs::copy(from, to.join(name)).map_err(|e| FileError::io("copy", from, e))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::create_dir_all(to).map_err(|e| FileError::io("create", to, e))?;
    for path in list(from)? {
        if path.is_dir() {
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        } else {
            copy_file(&path, to)?;
        }
    }
    Ok(())
}
