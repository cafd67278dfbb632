//! `recording.json`: what a recording consists of, why it was made, and which of its repeats were
//! refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::{GateError, RecordError};
use crate::files::{FileError, find, read_json, write_inside};
use crate::run::{self, GpuState};

/// The file that makes a directory a recording.
pub const RECORDING: &str = "recording.json";
pub(super) const SCHEMA_VERSION: u32 = 1;

/// What a recording is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Version of this file's format.
    pub schema_version: u32,
    /// The case.
    pub case: String,
    /// Why it was made; recordings that were accepted have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Commit of the build, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the build had uncommitted changes.
    pub dirty: bool,
    /// SHA-256 of the program that recorded it.
    pub program: String,
    /// CPU of the host.
    pub host: String,
    /// What the case asked for.
    pub recipe: Recipe,
    /// Start, RFC 3339.
    pub recorded_at: String,
    /// What was served, by which engine and model.
    pub inputs: Vec<Fingerprint>,
    /// What a repeat was refused by, fixed before the first.
    pub criterion: Criterion,
    /// Every repeat, the refused ones too, in the order in which they ran.
    pub runs: Vec<RecordedRun>,
    /// SHA-256 of the files of the repeat whose steps were timed on the GPU, which is never gated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traced: Option<String>,
}

/// How often a case is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Processes.
    pub processes: u32,
    /// Repeats in each.
    pub repeats: u32,
    /// Rounds of warm-up before them, at least.
    pub warmup: u32,
}

/// When a repeat is refused. It never looks at latencies. On a GPU, one whose clocks were held down, or
/// that another process used, is refused too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Host-speed index at the start of the recording, us.
    pub host_speed_us: f64,
    /// How far a repeat's index may lie from it, percent.
    pub max_host_drift_pct: f64,
}

impl Criterion {
    /// Why a repeat between host-speed indices `before` and `after` (us), which left the GPU in state
    /// `gpu`, does not count, if so.
    pub fn refuses(&self, [before, after]: [f64; 2], gpu: Option<&GpuState>) -> Option<String> {
        self.refuses_host(before, after).or_else(|| gpu.and_then(refuses_gpu))
    }

    fn refuses_host(&self, before: f64, after: f64) -> Option<String> {
        let drift = |index: f64| (index / self.host_speed_us - 1.0) * 100.0;
        let [before, after] = [drift(before), drift(after)];
        let worst = if before.abs() > after.abs() { before } else { after };
        // An index that is no number is never quiet.
        let quiet = [before, after].iter().all(|drift| drift.abs() <= self.max_host_drift_pct);
        (!quiet).then(|| {
            format!(
                "the host-speed index moved by {worst:+.1} % from the recording's start (limit {} %)",
                self.max_host_drift_pct
            )
        })
    }
}

/// Share of its highest rate that a GPU's clock must have.
const FULL_CLOCK: f64 = 0.9;

fn refuses_gpu(gpu: &GpuState) -> Option<String> {
    let GpuState { sm_mhz, max_sm_mhz, throttled, processes, .. } = gpu;
    if *max_sm_mhz == 0 || *processes == 0 {
        return Some("the GPU's state is unknown: nvidia-smi does not tell".to_owned());
    }
    if let Some(reason) = throttled {
        return Some(format!("the GPU's clocks were held down: {reason}"));
    }
    if f64::from(*sm_mhz) < FULL_CLOCK * f64::from(*max_sm_mhz) {
        return Some(format!("the GPU ran at {sm_mhz} MHz, not near its {max_sm_mhz} MHz"));
    }
    (*processes > 1).then(|| format!("{processes} processes used the GPU"))
}

/// One repeat of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRun {
    /// Its folder; none for a refused one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Its unique name.
    pub run_id: String,
    /// The process that it ran in.
    pub process: u32,
    /// Its number within that.
    pub repeat: u32,
    /// Host-speed index before and after it, us.
    pub host_speed_us: [f64; 2],
    /// The state that it left the GPU in, where it ran on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuState>,
    /// SHA-256 of the files in its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<String>,
    /// SHA-256 of its token ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<String>,
    /// Why it does not count, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Recording {
    /// Reads the one in `dir`, if there is one.
    ///
    /// # Errors
    /// A faulty file, or one of a newer simgate.
    pub fn read(dir: &Path) -> Result<Option<Self>, FileError> {
        let Some(path) = find(dir, RECORDING)? else { return Ok(None) };
        Self::read_file(path).map(Some)
    }

    pub(super) fn read_file(path: PathBuf) -> Result<Self, FileError> {
        // The version first, so that a newer file is not reported as one with unknown keys.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let Version { schema_version: found } = read_json(&path)?;
        if found > SCHEMA_VERSION {
            return Err(FileError::SchemaVersion { path, found, supported: SCHEMA_VERSION });
        }
        read_json(&path)
    }

    /// Writes it into `dir`.
    ///
    /// # Errors
    /// A system error.
    pub fn write(&self, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(RECORDING);
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| FileError::json(&path, &e))?;
        json.push(b'\n');
        write_inside(&path, &json)
    }

    /// Repeats that count.
    pub fn kept(&self) -> impl Iterator<Item = &RecordedRun> {
        self.runs.iter().filter(|run| run.refused.is_none())
    }
}

impl RecordedRun {
    /// Whether the run in its folder says the same of host and GPU as this list, which it is kept by.
    fn agrees_with_meta(&self, dir: &Path) -> Result<(), String> {
        let meta = run::read_meta(&dir.join(Self::folder(self.process, self.repeat)));
        let Some(meta) = meta.map_err(|error| error.to_string())? else { return Ok(()) };
        let speed = meta.host_speed_index.map(|speed| [speed.before_us, speed.after_us]);
        // Numbers lose a last digit when JSON is read and written again.
        let apart = |a: f64, b: f64| (a - b).abs() > 1e-9 * b.abs();
        let moved = |speed: [f64; 2]| (0..2).any(|i| apart(speed[i], self.host_speed_us[i]));
        if meta.gpu_state != self.gpu || speed.is_some_and(moved) {
            return Err("its run_meta.json tells another state of host or GPU than recording.json"
                .to_owned());
        }
        Ok(())
    }

    /// The only name that its folder may have.
    pub(super) fn folder(process: u32, repeat: u32) -> String {
        format!("p{process}r{repeat}")
    }
}

/// Checks that the runs in `dir` are those that its `recording.json` lists, if it has one, byte by byte:
/// a repeat that somebody took out, put in or changed could have been chosen by its latencies.
///
/// # Errors
/// [`RecordError::Altered`] with the first run that is not as listed.
pub(super) fn verify(dir: &Path) -> Result<(), GateError> {
    match Recording::read(dir).map_err(RecordError::from)? {
        Some(recording) => recording.verify(dir),
        None => Ok(()),
    }
}

impl Recording {
    fn verify(&self, dir: &Path) -> Result<(), GateError> {
        let altered = |name: &str, problem: String| {
            GateError::from(RecordError::Altered { run: dir.join(name), problem })
        };
        for run in &self.runs {
            let name = RecordedRun::folder(run.process, run.repeat);
            let refused = self.criterion.refuses(run.host_speed_us, run.gpu.as_ref()).is_some();
            if refused != run.refused.is_some() || refused == run.dir.is_some() {
                let problem = "it is refused, or kept, against the recording's own criterion";
                return Err(altered(&name, problem.to_owned()));
            }
        }
        let listed: BTreeMap<String, &RecordedRun> =
            (self.kept()).map(|run| (RecordedRun::folder(run.process, run.repeat), run)).collect();
        for path in run::read_repeats(dir)? {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if !listed.contains_key(&name) {
                return Err(altered(&name, "recording.json does not list it".to_owned()));
            }
        }
        for (name, run) in listed {
            if !dir.join(&name).is_dir() {
                return Err(altered(&name, "recording.json lists it, but it is gone".to_owned()));
            }
            let found = run::files_hash(&dir.join(&name))?;
            if run.files.as_ref() != Some(&found) {
                let problem = match &run.files {
                    Some(files) => format!("its files changed ({files} -> {found})"),
                    None => "recording.json does not say what its files are".to_owned(),
                };
                return Err(altered(&name, problem));
            }
            run.agrees_with_meta(dir).map_err(|problem| altered(&name, problem))?;
        }
        let traced = dir.join(run::TRACED);
        let found = if traced.is_dir() { Some(run::files_hash(&traced)?) } else { None };
        let problem = match (&self.traced, &found) {
            (listed, found) if listed == found => None,
            (None, _) => Some("recording.json does not list it"),
            (_, None) => Some("recording.json lists it, but it is gone"),
            _ => Some("its files changed"),
        };
        if let Some(problem) = problem {
            return Err(altered(run::TRACED, problem.to_owned()));
        }
        let processes: BTreeSet<u32> = self.kept().map(|run| run.process).collect();
        if processes.len() < self.recipe.processes as usize {
            let (kept, asked) = (processes.len(), self.recipe.processes);
            return Err(altered(RECORDING, format!("it has {kept} of its {asked} processes")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_refused_by_the_hosts_speed() {
        let criterion = Criterion { host_speed_us: 100.0, max_host_drift_pct: 10.0 };
        let refuses = |before, after| criterion.refuses([before, after], None);
        assert_eq!(refuses(109.0, 91.0), None);
        let reason = refuses(100.0, 111.0).unwrap();
        assert!(reason.starts_with("the host-speed index moved by +11.0 %"), "{reason}");
        assert!(refuses(88.0, 100.0).unwrap().contains("-12.0 %"));
        assert!(refuses(f64::NAN, 100.0).is_some());
    }

    #[test]
    fn a_repeat_on_a_gpu_is_refused_by_its_clocks_and_by_company() {
        let criterion = Criterion { host_speed_us: 100.0, max_host_drift_pct: 10.0 };
        let quiet = GpuState {
            sm_mhz: 1_980,
            max_sm_mhz: 1_980,
            memory_mhz: 3_201,
            throttled: None,
            processes: 1,
        };
        let refuses = |gpu: GpuState| criterion.refuses([100.0; 2], Some(&gpu));
        assert_eq!(refuses(quiet.clone()), None);
        let held = GpuState { throttled: Some("power cap".to_owned()), ..quiet.clone() };
        assert!(refuses(held).unwrap().contains("held down: power cap"));
        assert!(refuses(GpuState { sm_mhz: 1_700, ..quiet.clone() }).unwrap().contains("1700 MHz"));
        assert!(refuses(GpuState { processes: 2, ..quiet }).unwrap().contains("2 processes"));
        assert!(refuses(GpuState::default()).unwrap().contains("is unknown"));
    }
}
