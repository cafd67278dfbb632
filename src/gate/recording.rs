//! `recording.json`: what a recording consists of, why it was made, and which of its repeats were
//! refused.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::files::{FileError, find, read_json, write_inside};

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
    /// Start, RFC 3339.
    pub recorded_at: String,
    /// What was served, by which engine and model.
    pub inputs: Vec<Fingerprint>,
    /// What a repeat was refused by, fixed before the first.
    pub criterion: Criterion,
    /// Every repeat, the refused ones too, in the order in which they ran.
    pub runs: Vec<RecordedRun>,
}

/// When a repeat is refused. It never looks at latencies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Host-speed index at the start of the recording, us.
    pub host_speed_us: f64,
    /// How far a repeat's index may lie from it, percent.
    pub max_host_drift_pct: f64,
}

impl Criterion {
    /// Why a repeat between host-speed indices `before` and `after` (us) does not count, if so.
    pub fn refuses(&self, before: f64, after: f64) -> Option<String> {
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
        let recording: Self = read_json(&path)?;
        if recording.schema_version > SCHEMA_VERSION {
            let (found, supported) = (recording.schema_version, SCHEMA_VERSION);
            return Err(FileError::SchemaVersion { path, found, supported });
        }
        Ok(Some(recording))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_refused_by_the_hosts_speed_alone() {
        let criterion = Criterion { host_speed_us: 100.0, max_host_drift_pct: 10.0 };
        assert_eq!(criterion.refuses(109.0, 91.0), None);
        let reason = criterion.refuses(100.0, 111.0).unwrap();
        assert!(reason.starts_with("the host-speed index moved by +11.0 %"), "{reason}");
        assert!(criterion.refuses(88.0, 100.0).unwrap().contains("-12.0 %"));
        assert!(criterion.refuses(f64::NAN, 100.0).is_some());
    }
}
