//! Recordings under construction. Every process of a recording is added in one step, so that a recorder
//! killed at any moment leaves whole processes, and the next one goes on behind them. The finished
//! recording takes its place in one step, too.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::fingerprint::{Fingerprint, Fingerprints};
use super::model::CaseModel;
use super::recording::{Criterion, RECORDING, RecordedRun, Recording};
use super::{CaseFile, Gate, GateError, RecordError, workload};
use crate::case::{Case, Side};
use crate::files::{FileError, TableWriter, put_in_place, read_json, size_of, write_file};
use crate::run::{self, GapPercentiles, Keep, Run};

/// Most bytes that the recording of a case may take.
pub const CASE_BUDGET: u64 = 2_000_000;
/// Repeats that are kept whole also where that would take more.
const ALWAYS_WHOLE: usize = 5;
/// What is recorded so far, in the folder under construction.
const PROGRESS: &str = "progress.json";
/// Token ids, once a recording.
const TOKEN_IDS: &str = "token_ids.csv.zst";

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
}

/// A recording under construction.
#[derive(Debug)]
pub struct Recorder {
    /// The case.
    pub file: CaseFile,
    /// Processes that it takes.
    pub processes: u32,
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
        let case = Case::read(&file.path)?;
        let Side::Candle { processes, .. } = case.real else {
            return Err(GateError::UnsupportedSide { word: case.real.word() });
        };
        if case.live_only {
            return Err(RecordError::LiveOnly { case: file.name.clone() }.into());
        }
        if crate::DIRTY && !options.allow_dirty {
            return Err(RecordError::Dirty.into());
        }
        let context = self.context(&|_, _, _| {});
        let model = CaseModel::new(&case, context);
        let workload = workload::workload(&case, &model, &context)?;
        let inputs = Fingerprints::of_inputs(&case, &workload, &model, &context)?.of_recording();
        let target = options.out.join(&file.relative);
        Ok(Recorder::open(file, processes, target, inputs, options)?)
    }
}

impl Recorder {
    fn open(
        file: &CaseFile,
        processes: u32,
        target: PathBuf,
        inputs: Vec<Fingerprint>,
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
        let fresh = Recording {
            schema_version: super::recording::SCHEMA_VERSION,
            case: file.name.clone(),
            reason: options.reason.clone(),
            commit: crate::COMMIT.map(str::to_owned),
            dirty: crate::DIRTY,
            recorded_at: options.now.clone(),
            inputs,
            criterion: Criterion {
                host_speed_us: options.host_speed_us,
                max_host_drift_pct: options.max_host_drift_pct,
            },
            runs: Vec::new(),
        };
        let recording = resumed(&folder, &fresh)?.unwrap_or(fresh);
        let recorder =
            Self { file: file.clone(), processes, target, folder, recording, _lock: lock };
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
            if known || name == PROGRESS || (name == TOKEN_IDS && !self.recording.runs.is_empty()) {
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
        let tried = self.recording.runs.iter().map(|run| run.process + 1).max().unwrap_or(0);
        if kept >= self.processes {
            return Ok(None);
        }
        if tried >= 2 * self.processes {
            let refused = self.recording.runs.iter().find_map(|run| run.refused.clone());
            return Err(RecordError::Restless {
                case: self.file.name.clone(),
                kept,
                processes: self.processes,
                reason: refused.unwrap_or_default(),
            });
        }
        Ok(Some(tried))
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
        let scratch = self.scratch();
        let mut added = Vec::new();
        for (repeat, dir) in run::read_repeats(&scratch)?.iter().enumerate() {
            added.push(self.take(process, repeat as u32, &run::read(dir)?)?);
        }
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
        let [before, after] = host_speed_us;
        let refused = self.recording.criterion.refuses(before, after);
        let dir = format!("p{process}r{repeat}");
        if refused.is_none() {
            run::write_compact(run, &self.folder.join(&dir), Keep::Whole)?;
            if !self.folder.join(TOKEN_IDS).exists() {
                token_ids(run).write(&self.folder.join(TOKEN_IDS)).map_err(RecordError::from)?;
            }
        }
        Ok(RecordedRun {
            dir: refused.is_none().then_some(dir),
            run_id: meta.and_then(|meta| meta.run_id.clone()).unwrap_or_default(),
            process,
            repeat,
            host_speed_us,
            token_ids: run::token_hash(run),
            refused,
        })
    }

    /// Puts the recording in place and returns where.
    ///
    /// # Errors
    /// A recording that is too large, or a system error; what was recorded is then kept.
    pub fn finish(self) -> Result<PathBuf, GateError> {
        let bytes = || size_of(&self.folder).map_err(RecordError::from);
        if bytes()? > CASE_BUDGET {
            self.thin()?;
        }
        if bytes()? > CASE_BUDGET {
            let (case, bytes) = (self.file.name.clone(), bytes()?);
            return Err(RecordError::TooLarge { case, bytes }.into());
        }
        let done = || -> Result<(), FileError> {
            self.recording.write(&self.folder)?;
            put_in_place(&self.folder, &self.target, RECORDING)?;
            let progress = self.target.join(PROGRESS);
            fs::remove_file(&progress).map_err(|e| FileError::io("remove", &progress, e))
        };
        done().map_err(RecordError::from)?;
        Ok(self.target)
    }

    /// Keeps requests and percentiles only of the repeats past the fifth.
    fn thin(&self) -> Result<(), GateError> {
        for recorded in self.recording.kept().skip(ALWAYS_WHOLE) {
            let Some(dir) = recorded.dir.as_ref().map(|dir| self.folder.join(dir)) else {
                continue;
            };
            let run = run::read(&dir)?;
            if run.gaps.is_some() {
                continue;
            }
            let samples = crate::compare::samples_of(&run);
            let gaps = GapPercentiles {
                percentiles_ns: samples.percentiles(crate::compare::Metric::Tbt),
                independent: samples.distinct_gaps as u64,
            };
            run::write_compact(&run, &dir, Keep::Percentiles(gaps))?;
        }
        Ok(())
    }
}

/// What a killed recorder left in `folder`, if it was of the same making.
fn resumed(folder: &Path, fresh: &Recording) -> Result<Option<Recording>, FileError> {
    let path = folder.join(PROGRESS);
    if !path.exists() {
        return Ok(None);
    }
    let found: Recording = read_json(&path)?;
    let limit = |r: &Recording| r.criterion.max_host_drift_pct;
    let same = found.inputs == fresh.inputs
        && (&found.commit, found.dirty) == (&fresh.commit, fresh.dirty)
        && limit(&found) == limit(fresh);
    let reason = fresh.reason.clone().or_else(|| found.reason.clone());
    Ok(same.then_some(Recording { reason, ..found }))
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
