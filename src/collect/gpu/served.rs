//! Steps of calibration runs, as the fit sees them.

use std::path::Path;

use crate::collect::CollectError;
use crate::files::FileError;
use crate::model::StepSize;
use crate::predict::Idle;
use crate::run::{self, Run};

/// A calibration run.
#[derive(Debug)]
pub(super) struct ServedRun {
    /// Its number among all.
    pub number: u32,
    /// Its name among all runs.
    pub run_id: String,
    /// The process that served it.
    pub process: u32,
    pub eager: bool,
    /// Most tokens and sequences of the engine's steps.
    pub limits: (u32, u32),
    pub steps: Vec<ServedStep>,
}

/// A step of a calibration run.
#[derive(Debug)]
pub(super) struct ServedStep {
    pub bucket: StepSize,
    /// Tokens computed now, and tokens in the cache before, of each sequence.
    pub sequences: Vec<(u32, u32)>,
    /// Schedule, prepare, post, ns.
    pub host: [u64; 3],
    pub launch_ns: u64,
    /// From launch to tokens, ns.
    pub device_ns: u64,
    /// The idle time before it.
    pub idle: Idle,
}

impl ServedStep {
    /// All host spans, ns.
    pub fn host_ns(&self) -> u64 {
        self.host.iter().fold(0, |sum, &span| sum.saturating_add(span))
    }

    /// From its scheduling to its tokens, ns.
    pub fn body(&self) -> f64 {
        self.host[0] as f64 + self.host[1] as f64 + self.device_ns as f64
    }
}

/// The calibration runs in a folder, by name.
pub(super) fn read(folder: &Path) -> Result<Vec<ServedRun>, CollectError> {
    let entries = std::fs::read_dir(folder).map_err(|e| FileError::io("read", folder, e))?;
    let mut dirs: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    dirs.sort();
    let mut runs = Vec::new();
    for (number, dir) in dirs.iter().enumerate() {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let odd = || CollectError::OddCalibration { path: dir.clone() };
        let limits = limits(&name).ok_or_else(odd)?;
        let run = run::read(dir)?;
        let process = run.meta.as_ref().and_then(|meta| meta.process).ok_or_else(odd)?;
        let run_id = run.meta.as_ref().and_then(|meta| meta.run_id.clone()).ok_or_else(odd)?;
        let steps = steps(&run).ok_or_else(odd)?;
        let eager = name.contains("-eager-");
        runs.push(ServedRun { number: number as u32, run_id, process, eager, limits, steps });
    }
    Ok(runs)
}

/// The limits at the end of a run's name: `p0-burst-512x128`.
fn limits(name: &str) -> Option<(u32, u32)> {
    let (tokens, sequences) = name.rsplit_once('-')?.1.split_once('x')?;
    Some((tokens.parse().ok()?, sequences.parse().ok()?))
}

/// The steps of a run; `None` where a plan, or a bucket, does not fit its step.
fn steps(run: &Run) -> Option<Vec<ServedStep>> {
    let mut idle = Idle::default();
    let mut steps = Vec::new();
    for (record, plans) in run.steps.iter().zip(run.plans_by_step()?) {
        idle.step(record.idle_before_ns);
        let sequences: Vec<(u32, u32)> = plans.iter().map(|plan| plan.sequence()).collect();
        let bucket: StepSize = record.bucket.as_deref()?.parse().ok()?;
        if !bucket.holds(StepSize::of_tokens(sequences.iter().map(|sequence| sequence.0))) {
            return None;
        }
        steps.push(ServedStep {
            bucket,
            sequences,
            host: [record.schedule_ns, record.prepare_ns, record.post_ns],
            launch_ns: record.launch_ns,
            device_ns: record.launch_ns.saturating_add(record.wait_ns),
            idle,
        });
    }
    Some(steps)
}
