//! Recordings under construction. Every process of a recording is added in one step, so that a recorder
//! killed at any moment leaves whole processes, and the next one goes on behind them. The finished
//! recording takes its place in one step, too.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::recording::{Criterion, RECORDING, Recipe, RecordedRun, Recording};
use super::sides::Stage;
use super::{CaseFile, Gate, GateError, RecordError};
use crate::case::{Case, Side};
use crate::compare::{self, Metric};
use crate::files::{FileError, TableWriter, put_in_place, size_of, write_file};
use crate::run::{self, GapPercentiles, Keep, Run};

/// Most bytes that the recording of a case may take.
pub const CASE_BUDGET: u64 = 2_000_000;
/// Repeats that are kept whole also where that would take more.
const ALWAYS_WHOLE: usize = 5;
/// What is recorded so far, in the folder under construction.
const PROGRESS: &str = "progress.json";
/// Token ids, once a recording.
pub(super) const TOKEN_IDS: &str = "token_ids.csv.zst";

/// Whether nobody could build this simgate again: its tree had uncommitted changes, or its commit is
/// unknown.
const UNREPEATABLE: bool = crate::DIRTY || crate::COMMIT.is_none();

/// What a recording is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordOptions {
    /// Folder that recordings go to, each under its case's path.
    pub out: PathBuf,
    /// Why it is made.
    pub reason: Option<String>,
    /// Record with a build whose tree had uncommitted changes.
    pub allow_dirty: bool,
    /// How far the host-speed index of a repeat may lie from the start's, percent.
    pub max_host_drift_pct: f64,
    /// Host-speed index at the start, us.
    pub host_speed_us: f64,
    /// Start, RFC 3339.
    pub now: String,
    /// SHA-256 of the program that records.
    pub program: String,
    /// CPU of this host.
    pub host: String,
    /// Start anew over what a recorder of other making left.
    pub restart: bool,
}

/// A recording under construction.
#[derive(Debug)]
pub struct Recorder {
    /// The case.
    pub file: CaseFile,
    /// Processes served since it was opened.
    tried: u32,
    target: PathBuf,
    folder: PathBuf,
    recording: Recording,
    /// Held while this recorder lives: two of them would mix their processes.
    _lock: File,
}

impl Gate {
    /// Starts the recording of a case, or goes on with one that was killed.
    ///
    /// # Errors
    /// A case that is not recorded by simgate, a build with uncommitted changes, a recorder that is at
    /// work already, or a folder that cannot be written.
    pub fn recorder(
        &self,
        file: &CaseFile,
        options: &RecordOptions,
    ) -> Result<Recorder, GateError> {
        let target = options.out.join(&file.relative);
        Ok(Recorder::open(file, self.to_record(file, options)?, target, options)?)
    }

    /// Whether a recorder of the same making has finished the recording of a case.
    ///
    /// # Errors
    /// A case that cannot be recorded.
    pub fn is_recorded(&self, file: &CaseFile, options: &RecordOptions) -> Result<bool, GateError> {
        let fresh = self.to_record(file, options)?;
        let found = Recording::read(&options.out.join(&file.relative));
        Ok(found.ok().flatten().is_some_and(|found| difference(&found, &fresh).is_none()))
    }

    /// The recording of a case before anything is recorded.
    fn to_record(&self, file: &CaseFile, options: &RecordOptions) -> Result<Recording, GateError> {
        let case = Case::read(&file.path)?;
        let Side::Candle { processes, repeats, warmup } = case.real else {
            return Err(GateError::UnsupportedSide { word: case.real.word() });
        };
        if case.live_only {
            return Err(RecordError::LiveOnly { case: file.name.clone() }.into());
        }
        if UNREPEATABLE && !options.allow_dirty {
            return Err(RecordError::Dirty.into());
        }
        if options.out.starts_with(&self.baselines) {
            return Err(RecordError::IntoBaselines { out: options.out.clone() }.into());
        }
        let stage = Stage::new(&case, "", self.context(&|_, _, _| {}))?;
        // What could never be judged is not worth recording.
        let total = processes as usize * repeats as usize;
        if case.expect_outside.is_empty() {
            compare::can_carry(&case.tolerances, stage.workload.requests.len(), total)?;
        }
        Ok(Recording {
            schema_version: super::recording::SCHEMA_VERSION,
            case: file.name.clone(),
            reason: options.reason.clone(),
            commit: crate::COMMIT.map(str::to_owned),
            dirty: UNREPEATABLE,
            program: options.program.clone(),
            host: options.host.clone(),
            recipe: Recipe { processes, repeats, warmup },
            recorded_at: options.now.clone(),
            inputs: stage.inputs()?.of_recording(),
            criterion: Criterion {
                host_speed_us: options.host_speed_us,
                max_host_drift_pct: options.max_host_drift_pct,
            },
            runs: Vec::new(),
            traced: None,
        })
    }
}

impl Recorder {
    fn open(
        file: &CaseFile,
        fresh: Recording,
        target: PathBuf,
        options: &RecordOptions,
    ) -> Result<Self, RecordError> {
        let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = target.with_file_name(format!(".{name}.recording"));
        fs::create_dir_all(&folder).map_err(|e| FileError::io("create", &folder, e))?;
        // The folder itself is the lock: it goes when the process goes, however that ends.
        let lock = File::open(&folder).map_err(|e| FileError::io("open", &folder, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecordError::Busy { case: file.name.clone(), folder });
            }
            Err(TryLockError::Error(e)) => return Err(FileError::io("lock", &folder, e).into()),
        }
        let recording = resumed(&folder, &fresh, options.restart)?.unwrap_or(fresh);
        let recorder =
            Self { file: file.clone(), tried: 0, target, folder, recording, _lock: lock };
        recorder.sweep()?;
        recorder.save()?;
        Ok(recorder)
    }

    /// Removes everything that no finished process left.
    fn sweep(&self) -> Result<(), FileError> {
        let entries = fs::read_dir(&self.folder);
        let entries = entries.map_err(|e| FileError::io("read", &self.folder, e))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            let known = self.recording.kept().any(|run| run.dir.as_ref() == Some(&name));
            let traced = name == run::TRACED && self.recording.traced.is_some();
            if known
                || traced
                || name == PROGRESS
                || (name == TOKEN_IDS && self.recording.kept().next().is_some())
            {
                continue;
            }
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| FileError::io("remove", &path, e))?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), FileError> {
        let path = self.folder.join(PROGRESS);
        let json =
            serde_json::to_vec_pretty(&self.recording).map_err(|e| FileError::json(&path, &e))?;
        write_file(&path, &json)
    }

    /// Where a process may leave its runs.
    pub fn scratch(&self) -> PathBuf {
        self.folder.join(".process")
    }

    /// Repeats there are already, from before a kill.
    pub fn resumed(&self) -> usize {
        self.recording.runs.len()
    }

    /// The number of the process to record next; `None` when there are enough.
    ///
    /// # Errors
    /// As many processes again were refused.
    pub fn next_process(&self) -> Result<Option<u32>, RecordError> {
        let kept = self.kept_processes();
        let next = self.recording.runs.iter().map(|run| run.process + 1).max().unwrap_or(0);
        if kept >= self.processes() {
            return Ok(None);
        }
        if self.tried >= 2 * self.processes() {
            let refused = self.recording.runs.iter().find_map(|run| run.refused.clone());
            return Err(RecordError::Restless {
                case: self.file.name.clone(),
                kept,
                processes: self.processes(),
                reason: refused.unwrap_or_default(),
            });
        }
        Ok(Some(next))
    }

    /// Processes that it takes.
    pub fn processes(&self) -> u32 {
        self.recording.recipe.processes
    }

    fn kept_processes(&self) -> u32 {
        let mut kept: Vec<u32> = self.recording.kept().map(|run| run.process).collect();
        kept.dedup();
        kept.len() as u32
    }

    /// Adds the runs that `process` left in its scratch folder. Returns why repeats were refused.
    ///
    /// # Errors
    /// Runs that cannot be read or written.
    pub fn add(&mut self, process: u32) -> Result<Vec<String>, GateError> {
        self.tried += 1;
        let scratch = self.scratch();
        let mut added = Vec::new();
        for (repeat, dir) in run::read_repeats(&scratch)?.iter().enumerate() {
            added.push(self.take(process, repeat as u32, &run::read(dir)?)?);
        }
        self.take_traced(&scratch)?;
        let refused = added.iter().filter_map(|run| run.refused.clone()).collect();
        self.recording.runs.append(&mut added);
        // From here on the process counts.
        self.save().map_err(RecordError::from)?;
        fs::remove_dir_all(&scratch)
            .map_err(|e| RecordError::from(FileError::io("remove", &scratch, e)))?;
        Ok(refused)
    }

    fn take(&self, process: u32, repeat: u32, run: &Run) -> Result<RecordedRun, GateError> {
        let meta = run.meta.as_ref();
        let speed = meta.and_then(|meta| meta.host_speed_index);
        let host_speed_us = speed.map_or([f64::NAN; 2], |speed| [speed.before_us, speed.after_us]);
        let gpu = meta.and_then(|meta| meta.gpu_state.clone());
        let refused = self.recording.criterion.refuses(host_speed_us, gpu.as_ref());
        let dir = RecordedRun::folder(process, repeat);
        if refused.is_none() {
            run::write_compact(run, &self.folder.join(&dir), Keep::Whole)?;
            if !self.folder.join(TOKEN_IDS).exists() {
                // In one step: what is there is whole.
                let path = self.folder.join(TOKEN_IDS);
                let partial = self.folder.join(format!(".{TOKEN_IDS}"));
                token_ids(run).write(&partial).map_err(RecordError::from)?;
                fs::rename(&partial, &path)
                    .map_err(|e| RecordError::from(FileError::io("write", &path, e)))?;
            }
        }
        Ok(RecordedRun {
            dir: refused.is_none().then_some(dir),
            run_id: meta.and_then(|meta| meta.run_id.clone()).unwrap_or_default(),
            process,
            repeat,
            host_speed_us,
            gpu,
            files: None,
            token_ids: run::token_hash(run),
            refused,
        })
    }

    /// Keeps the repeat whose steps were timed on the GPU, if the process left one.
    fn take_traced(&mut self, scratch: &Path) -> Result<(), GateError> {
        let traced = scratch.join(run::TRACED);
        if traced.is_dir() {
            let dir = self.folder.join(run::TRACED);
            run::write_compact(&run::read(&traced)?, &dir, Keep::Whole)?;
            self.recording.traced = Some(run::files_hash(&dir)?);
        }
        Ok(())
    }

    /// Whether the next process should leave a repeat with steps timed on the GPU: the last one does.
    pub fn wants_traced(&self) -> bool {
        self.kept_processes() + 1 == self.processes()
    }

    /// Puts the recording in place and returns where.
    ///
    /// # Errors
    /// A recording that is too large, or a system error; what was recorded is then kept.
    pub fn finish(mut self) -> Result<PathBuf, GateError> {
        let size = |folder: &Path| size_of(folder).map_err(RecordError::from);
        if size(&self.folder)? > CASE_BUDGET {
            self.thin()?;
        }
        let bytes = size(&self.folder)?;
        if bytes > CASE_BUDGET {
            return Err(RecordError::TooLarge { case: self.file.name.clone(), bytes }.into());
        }
        // Only now are the files what they will be.
        for run in self.recording.runs.iter_mut().filter(|run| run.refused.is_none()) {
            let dir = self.folder.join(RecordedRun::folder(run.process, run.repeat));
            run.files = Some(run::files_hash(&dir)?);
        }
        let done = || -> Result<(), FileError> {
            self.recording.write(&self.folder)?;
            put_in_place(&self.folder, &self.target, RECORDING)?;
            // Killed before this, it is passed over by `simgate accept`.
            let progress = self.target.join(PROGRESS);
            fs::remove_file(&progress).map_err(|e| FileError::io("remove", &progress, e))
        };
        done().map_err(RecordError::from)?;
        Ok(self.target)
    }

    /// Keeps requests and percentiles only of the repeats past the fifth.
    fn thin(&self) -> Result<(), GateError> {
        for recorded in self.recording.kept().skip(ALWAYS_WHOLE) {
            let dir = self.folder.join(RecordedRun::folder(recorded.process, recorded.repeat));
            let run = run::read(&dir)?;
            if run.gaps.is_some() {
                continue;
            }
            let samples = compare::samples_of(&run);
            let gaps = GapPercentiles {
                percentiles_ns: samples.percentiles(Metric::Tbt),
                independent: samples.distinct_gaps as u64,
            };
            run::write_compact(&run, &dir, Keep::Percentiles(gaps))?;
        }
        Ok(())
    }
}

/// What a killed recorder left in `folder`.
///
/// # Errors
/// What one of other making left: its processes cannot stand beside new ones.
fn resumed(
    folder: &Path,
    fresh: &Recording,
    restart: bool,
) -> Result<Option<Recording>, RecordError> {
    let path = folder.join(PROGRESS);
    if restart || !path.exists() {
        return Ok(None);
    }
    let unlike = |what: String| RecordError::Unlike { folder: folder.to_owned(), what };
    let found = Recording::read_file(path).map_err(|error| unlike(error.to_string()))?;
    if let Some(what) = difference(&found, fresh) {
        // Nothing is lost where nothing was recorded.
        if found.runs.is_empty() {
            return Ok(None);
        }
        return Err(unlike(format!("{what} is another")));
    }
    let reason = fresh.reason.clone().or_else(|| found.reason.clone());
    Ok(Some(Recording { reason, ..found }))
}

/// What keeps the processes of two recordings from standing beside each other, if anything does.
fn difference(a: &Recording, b: &Recording) -> Option<&'static str> {
    let limit = |r: &Recording| r.criterion.max_host_drift_pct;
    let same = [
        ("what is served, or with which engine", a.inputs == b.inputs),
        ("the recipe", a.recipe == b.recipe),
        ("the build", a.program == b.program),
        ("the host", a.host == b.host),
        ("--max-host-drift", limit(a) == limit(b)),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

/// `token_ids.csv`: what every repeat with the same hash put out.
fn token_ids(run: &Run) -> TableWriter {
    let mut table = TableWriter::new(&["request_id", "token_ids"]);
    for (i, request) in run.requests.iter().enumerate() {
        let ids = run.tokens.as_ref().map(|tokens| tokens.ids_of(i)).unwrap_or_default();
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        table.row(&[request.request_id.to_string(), ids.join(" ")]);
    }
    table
}
