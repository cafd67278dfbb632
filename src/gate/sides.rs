//! From a side in a case to its runs: who serves, where it was timed, and whether it was this
//! workload.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprints;
use super::loaded::{LoadedSide, Runs, finish, same_workload};
use super::model::CaseModel;
use super::paths::resolve;
use super::recording::{self, Recording};
use super::{Context, GateError, runs, workload};
use crate::backend::{Kind, Recorded};
use crate::case::{Case, Side};
use crate::compare::{self, Origin};
use crate::engine::EngineConfig;
use crate::run::{self, Boundary, Run, RunError};
use crate::workload::Workload;

/// A recording from another machine.
pub(super) struct Elsewhere {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Its runs, or why they cannot be shown: a stale one is no fault of this machine's.
    pub side: Result<LoadedSide, GateError>,
}

/// A case with everything that its sides share.
pub(super) struct Stage<'a> {
    pub case: &'a Case,
    pub model: CaseModel<'a>,
    pub workload: Workload,
    /// Where the case's own recording lies.
    recording: PathBuf,
    pub context: Context<'a>,
    inputs: OnceCell<Fingerprints>,
}

impl<'a> Stage<'a> {
    /// Reads or makes what both sides of `case` share. Its own recording lies at `recording`.
    ///
    /// # Errors
    /// A workload that cannot be read or made.
    pub fn new(
        case: &'a Case,
        recording: impl Into<PathBuf>,
        context: Context<'a>,
    ) -> Result<Self, GateError> {
        let model = CaseModel::new(case, context);
        let workload = workload::workload(case, &model, &context)?;
        Ok(Self {
            case,
            model,
            workload,
            recording: recording.into(),
            context,
            inputs: OnceCell::new(),
        })
    }

    /// Where the case's own recording lies.
    pub fn recording(&self) -> &Path {
        &self.recording
    }

    /// Fingerprints of what both sides start from.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn inputs(&self) -> Result<&Fingerprints, GateError> {
        if let Some(inputs) = self.inputs.get() {
            return Ok(inputs);
        }
        let inputs =
            Fingerprints::of_inputs(self.case, &self.workload, &self.model, &self.context)?;
        Ok(self.inputs.get_or_init(|| inputs))
    }

    /// Serves or replays `side`. `real` is the other side, once it has run: a simulator serves the
    /// lengths that the real side came to.
    ///
    /// # Errors
    /// A side that cannot run or be read, or whose runs are of another workload, engine or boundary.
    pub fn load(&self, side: &Side, real: Option<&compare::Side>) -> Result<LoadedSide, GateError> {
        let (case, workload, context) = (self.case, &self.workload, &self.context);
        let mut origin = Origin::Recorded;
        let mut traced = None;
        let mut told = Vec::new();
        let (runs, declared) = match side {
            Side::Recorded { runs, boundary } => {
                let dirs = runs.iter().map(|path| resolve(case, path, context));
                let dirs = dirs.collect::<Result<Vec<_>, _>>()?;
                (self.replay(&dirs)?, *boundary)
            }
            Side::Candle { .. } | Side::Transformers
                if !context.settings.live && !case.live_only =>
            {
                if !has_runs(&self.recording) {
                    return Err(GateError::NoBaseline { dir: self.recording.to_owned() });
                }
                (self.replay(&[self.recording.to_owned()])?, None)
            }
            Side::Candle { repeats, warmup, .. } => {
                origin = Origin::OneProcess;
                let (runs, of_gpu) = self.candle(*repeats, *warmup)?;
                traced = of_gpu;
                (runs, None)
            }
            Side::Transformers => {
                origin = Origin::OneProcess;
                (self.transformers()?, None)
            }
            Side::Native { profile, seeds } => {
                origin = Origin::Computed;
                (self.native(profile, *seeds, real, context.settings.fault)?, None)
            }
            Side::Bundle(bundle) => {
                origin = Origin::Computed;
                let (runs, remarks) = self.bundled(bundle)?;
                told = remarks;
                (runs, None)
            }
            Side::Vidur(bundle) => {
                origin = Origin::Computed;
                let (runs, remarks) = self.vidur(bundle)?;
                told = remarks;
                (runs, None)
            }
            Side::Import { format, files, boundary } => {
                (self.imported(format.as_deref(), files)?, *boundary)
            }
            Side::Registered { name, repeats, boundary } => {
                let (runs, kind) =
                    runs::registered(name, *repeats, case.live_only, workload, context)?;
                origin = match kind {
                    Kind::Measured => Origin::OneProcess,
                    Kind::Seeded | Kind::Deterministic => Origin::Computed,
                    Kind::Recorded { .. } => Origin::Recorded,
                };
                (runs, *boundary)
            }
            other => return Err(GateError::UnsupportedSide { word: other.word() }),
        };
        for (run, label) in runs.0.iter().zip(&runs.1) {
            same_workload(run, label, workload)?;
        }
        let mut side = LoadedSide { traced, ..finish(runs, declared, origin)? };
        side.notes.extend(told);
        Ok(side)
    }

    /// The case's own recording; `None` where there is none.
    ///
    /// # Errors
    /// A faulty or stale recording.
    pub fn recorded(&self) -> Result<Option<LoadedSide>, GateError> {
        self.recorded_in(&self.recording)
    }

    /// The recording of the case in `dir`; `None` where there is none.
    ///
    /// # Errors
    /// A faulty or stale recording.
    pub fn recorded_in(&self, dir: &Path) -> Result<Option<LoadedSide>, GateError> {
        if !has_runs(dir) {
            return Ok(None);
        }
        let runs = self.replay(&[dir.to_owned()])?;
        for (run, label) in runs.0.iter().zip(&runs.1) {
            same_workload(run, label, &self.workload)?;
        }
        finish(runs, None, Origin::Recorded).map(Some)
    }

    /// The repeat of the case's recording whose steps were timed on the GPU; `None` where there is none.
    ///
    /// # Errors
    /// A faulty run, or one that is not of this case as it stands.
    pub fn traced(&self) -> Result<Option<Run>, GateError> {
        let dir = self.recording.join(run::TRACED);
        if !dir.is_dir() {
            return Ok(None);
        }
        let (mut runs, labels) = self.replay(&[dir])?;
        for (run, label) in runs.iter().zip(&labels) {
            same_workload(run, label, &self.workload)?;
        }
        Ok(runs.pop())
    }

    /// Recordings of the case from other machines.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn recorded_elsewhere(&self) -> Result<Vec<Elsewhere>, GateError> {
        let mut found = Vec::new();
        for dir in run::cross_machine(&self.recording)? {
            let name = dir.file_name().map(|n| n.to_string_lossy().into_owned());
            let runs = self.replay(std::slice::from_ref(&dir));
            let side = runs.and_then(|runs| finish(runs, None, Origin::Recorded));
            found.push(Elsewhere { name: name.unwrap_or_default(), dir, side });
        }
        Ok(found)
    }

    /// Where the runs of a side lie, as seen from the project, if they do not change from check to
    /// check.
    pub fn recording_of(&self, side: &Side) -> Option<PathBuf> {
        let path = match side {
            Side::Candle { .. } | Side::Transformers => self.recording.to_owned(),
            Side::Recorded { runs, .. } => resolve(self.case, runs.first()?, &self.context).ok()?,
            _ => return None,
        };
        Some(path.strip_prefix(self.context.root).unwrap_or(&path).to_owned())
    }

    /// A recording: it must be of this workload, engine and model.
    fn replay(&self, dirs: &[PathBuf]) -> Result<Runs, GateError> {
        for dir in dirs {
            recording::verify(dir)?;
        }
        let (runs, labels) = replay(dirs, &self.workload, self.context.root)?;
        let expected = run::Hashes {
            workload: Some(self.workload.hash()),
            engine: self.case.engine.as_ref().map(EngineConfig::hash),
            model_config: match self.case.model {
                Some(_) => self.model.hash().ok(),
                None => None,
            },
            ..run::Hashes::default()
        };
        for (run, label) in runs.iter().zip(&labels) {
            self.check_hashes(run, label, &expected, dirs)?;
        }
        Ok((runs, labels))
    }

    fn check_hashes(
        &self,
        run: &Run,
        label: &str,
        expected: &run::Hashes,
        dirs: &[PathBuf],
    ) -> Result<(), GateError> {
        let Some(hashes) = run.meta.as_ref().map(|meta| &meta.hashes) else { return Ok(()) };
        for (what, found, expected) in [
            ("workload", &hashes.workload, &expected.workload),
            ("engine configuration", &hashes.engine, &expected.engine),
            ("model", &hashes.model_config, &expected.model_config),
        ] {
            if let (Some(found), Some(expected)) = (found, expected)
                && found != expected
            {
                // What the recording says it was made from tells which file was edited.
                let recording = dirs.iter().find_map(|dir| Recording::read(dir).ok().flatten());
                let changes = recording.zip(self.inputs().ok());
                let changes = changes.map(|(r, inputs)| inputs.changes_since_recording(&r.inputs));
                return Err(GateError::Stale {
                    run: label.to_owned(),
                    what,
                    found: found.clone(),
                    expected: expected.clone(),
                    changes: changes.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }
}

/// Whether anything was recorded there; recordings from other machines do not count.
fn has_runs(dir: &Path) -> bool {
    !matches!(run::read_repeats(dir), Err(RunError::NoRun { .. } | RunError::Missing { .. }))
}

/// Replays a run directory, or a folder of repeats, outside any case.
///
/// # Errors
/// A directory that cannot be read, or runs of unlike boundaries.
pub fn load_recorded(dir: &Path, boundary: Option<Boundary>) -> Result<LoadedSide, GateError> {
    // A recording serves what it served, whatever it is asked.
    let runs = replay(&[dir.to_owned()], &Workload::default(), Path::new(""))?;
    finish(runs, boundary, Origin::Recorded)
}

fn replay(dirs: &[PathBuf], workload: &Workload, root: &Path) -> Result<Runs, GateError> {
    let mut recorded = Recorded::open(dirs)?;
    let labels = recorded.dirs().iter().map(|dir| {
        // Relative to the project, so that snapshots are the same in every checkout.
        dir.strip_prefix(root).unwrap_or(dir).display().to_string()
    });
    let labels: Vec<String> = labels.collect();
    let runs = runs::collect(&mut recorded, "recorded", 0..labels.len() as u32, workload)?;
    Ok((runs, labels))
}
