//! From a side in a case to its runs: who serves, where it was timed, and whether it was this
//! workload.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprints;
use super::loaded::{LoadedSide, Runs, finish, same_workload};
use super::model::CaseModel;
use super::recording::{self, Recording};
use super::{Context, GateError, workload};
use crate::backend::{Backend, BackendError, Kind, Native, Recorded};
#[cfg(feature = "candle")]
use crate::backend::{Candle, Transformers};
use crate::case::{Case, Side};
use crate::compare::{self, Origin};
use crate::engine::EngineConfig;
use crate::run::{self, Boundary, Run, RunError};
use crate::study;
use crate::workload::{Request, Workload};

/// Seeds of a seeded backend, when the case does not say.
const SEEDS: u32 = 16;
/// Fewest seeds whose spread can be told.
const MIN_SEEDS: u32 = 3;
/// Repeats of a measured backend, when the case does not say.
const REPEATS: u32 = 5;

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
    context: Context<'a>,
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
                (self.native(profile, *seeds, real)?, None)
            }
            Side::Registered { name, repeats, boundary } => {
                let (runs, kind) = serve(name, *repeats, case.live_only, workload, context)?;
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
        Ok(LoadedSide { traced, ..finish(runs, declared, origin)? })
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
                Some(_) => self.model.config().ok().map(|config| config.hash()),
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

    /// Serves the workload anew; one time more with every step timed on the GPU, where that was asked for.
    #[cfg(feature = "candle")]
    fn candle(&self, repeats: u32, warmup: u32) -> Result<(Runs, Option<Run>), GateError> {
        self.check_vocabulary()?;
        let settings = self.context.settings;
        let mut candle = Candle::new(self.model.loaded()?, self.model.engine()?, settings.process);
        let failed = |source| GateError::Backend { name: "candle".to_owned(), repeat: 0, source };
        (self.context.progress)("real: candle, warm-up", 0, 1);
        candle.warm_up(&self.workload, warmup).map_err(failed)?;
        let mut runs = Vec::new();
        for repeat in 0..repeats {
            runs.extend(collect(&mut candle, "candle", repeat..repeat + 1, &self.workload)?);
            (self.context.progress)("real: candle", u64::from(repeat) + 1, u64::from(repeats));
        }
        let mut traced = None;
        if settings.trace {
            candle.trace().map_err(failed)?;
            traced = Some(candle.run(&self.workload, repeats).map_err(failed)?);
        }
        let labels = (0..repeats).map(|repeat| format!("candle, live #{repeat}"));
        Ok(((runs, labels.collect()), traced))
    }

    /// Token ids from files must be the model's.
    #[cfg(feature = "candle")]
    fn check_vocabulary(&self) -> Result<(), GateError> {
        let vocabulary = self.model.config()?.vocab_size;
        for prompt in &self.workload.prompts {
            let ids = prompt.token_ids.as_deref().unwrap_or_default();
            if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
                return Err(GateError::OutOfVocabulary {
                    prompt_id: prompt.prompt_id.clone(),
                    id: *id,
                    vocabulary,
                });
            }
        }
        Ok(())
    }

    #[cfg(feature = "candle")]
    fn transformers(&self) -> Result<Runs, GateError> {
        self.check_vocabulary()?;
        let ignore_eos = self.case.engine.as_ref().is_some_and(|engine| engine.ignore_eos);
        let mut stock = Transformers::open(&self.model.folder()?, ignore_eos)?;
        let runs = collect(&mut stock, "transformers", 0..1, &self.workload)?;
        (self.context.progress)("real: transformers", 1, 1);
        Ok((runs, vec!["transformers (single-stream), live #0".to_owned()]))
    }

    #[cfg(not(feature = "candle"))]
    fn transformers(&self) -> Result<Runs, GateError> {
        Err(GateError::WithoutCandle)
    }

    #[cfg(not(feature = "candle"))]
    fn candle(&self, _repeats: u32, _warmup: u32) -> Result<(Runs, Option<Run>), GateError> {
        Err(GateError::WithoutCandle)
    }

    fn native(
        &self,
        profile: &str,
        seeds: u32,
        real: Option<&compare::Side>,
    ) -> Result<Runs, GateError> {
        let mut native = self.simulator(profile, real)?;
        let runs = collect(&mut native, "native", 0..seeds, &self.workload)?;
        (self.context.progress)("sim: native", u64::from(seeds), u64::from(seeds));
        Ok((runs, (0..seeds).map(|seed| format!("native, seed {seed}")).collect()))
    }

    /// simgate's own simulator, which serves the lengths that `real` came to.
    fn simulator(&self, profile: &str, real: Option<&compare::Side>) -> Result<Native, GateError> {
        let profile = self.model.profile(profile, &self.workload)?;
        let engine = self.model.engine()?;
        let stops_early = !engine.ignore_eos;
        let native = Native::new(profile, &self.model.config()?, engine);
        let Some(actual) = real.filter(|_| stops_early).and_then(|real| real.runs.first()) else {
            return Ok(native);
        };
        let lengths: HashMap<u64, u32> =
            actual.requests.iter().map(|r| (r.request_id, r.decode_tokens_actual)).collect();
        let of = |r: &Request| lengths.get(&r.request_id).copied().unwrap_or(r.decode_tokens);
        Ok(native.stopping_at(self.workload.requests.iter().map(of).collect()))
    }

    /// How much load amplifies step-time errors; `None` for a sim that cannot be run again.
    ///
    /// # Errors
    /// A step that cannot be predicted.
    pub fn kappas(&self, real: &compare::Side) -> Result<Option<compare::Kappas>, GateError> {
        let Side::Native { profile, seeds } = &self.case.sim else { return Ok(None) };
        let native = self.simulator(profile, Some(real))?;
        let failed = |source| GateError::Backend { name: "native".to_owned(), repeat: 0, source };
        study::kappas(&native, &self.workload, *seeds).map(Some).map_err(failed)
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

/// A path of a case: beside the case file, in the folder of cases, or in the project.
pub(super) fn resolve(
    case: &Case,
    path: &Path,
    context: &Context<'_>,
) -> Result<PathBuf, GateError> {
    let beside = case.path.parent().unwrap_or(Path::new(""));
    let mut places =
        [beside, context.cases, context.root].map(|folder| folder.join(path)).into_iter();
    places.find(|p| p.exists()).ok_or_else(|| GateError::NoSuchPath {
        case: case.path.clone(),
        path: path.to_owned(),
        root: context.root.to_owned(),
    })
}

fn replay(dirs: &[PathBuf], workload: &Workload, root: &Path) -> Result<Runs, GateError> {
    let mut recorded = Recorded::open(dirs)?;
    let labels = recorded.dirs().iter().map(|dir| {
        // Relative to the project, so that snapshots are the same in every checkout.
        dir.strip_prefix(root).unwrap_or(dir).display().to_string()
    });
    let labels: Vec<String> = labels.collect();
    let runs = collect(&mut recorded, "recorded", 0..labels.len() as u32, workload)?;
    Ok((runs, labels))
}

fn serve(
    name: &str,
    repeats: Option<u32>,
    live_only: bool,
    workload: &Workload,
    context: &Context<'_>,
) -> Result<(Runs, Kind), GateError> {
    let mut backend = context.registry.make(name).ok_or_else(|| GateError::UnknownBackend {
        name: name.to_owned(),
        registered: context.registry.names().into_iter().map(str::to_owned).collect(),
    })?;
    let repeats = match backend.kind() {
        Kind::Deterministic => 1,
        Kind::Recorded { runs } => runs,
        Kind::Measured => repeats.unwrap_or(REPEATS),
        Kind::Seeded => repeats.unwrap_or(SEEDS),
    };
    if backend.kind() == Kind::Measured && !live_only {
        return Err(GateError::MeasuredBaseline { name: name.to_owned() });
    }
    if backend.kind() == Kind::Seeded && repeats < MIN_SEEDS {
        return Err(GateError::FewSeeds { name: name.to_owned(), repeats });
    }
    let runs = collect(backend.as_mut(), name, 0..repeats, workload)?;
    let labels = (0..repeats).map(|repeat| format!("{name} #{repeat}")).collect();
    Ok(((runs, labels), backend.kind()))
}

fn collect(
    backend: &mut dyn Backend,
    name: &str,
    repeats: Range<u32>,
    workload: &Workload,
) -> Result<Vec<Run>, GateError> {
    let serve = |repeat| {
        let run = backend.run(workload, repeat).map_err(|source| match source {
            // A recording's error names its file.
            BackendError::Run(error) => GateError::Run(error),
            source => GateError::Backend { name: name.to_owned(), repeat, source },
        })?;
        if !run.requests.is_sorted_by_key(|r| r.request_id) {
            return Err(GateError::Backend {
                name: name.to_owned(),
                repeat,
                source: BackendError::Failed("its requests do not ascend by id".to_owned()),
            });
        }
        // What comes from files was checked row by row.
        let recorded = matches!(backend.kind(), Kind::Recorded { .. });
        match run::fault(&run).filter(|_| !recorded) {
            Some(problem) => {
                Err(GateError::FaultyRun { run: format!("{name} #{repeat}"), problem })
            }
            None => Ok(run),
        }
    };
    repeats.map(serve).collect()
}
