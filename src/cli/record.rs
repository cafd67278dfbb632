//! `simgate record`: the real side of cases, in processes of their own, as their baselines.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;
use simgate::files::NewDir;
use simgate::gate::{CaseFile, Gate, Settings};
use simgate::run;

use super::say;
use super::{Project, one_case};

/// Record the real side of cases as their baselines
///
/// Every process of a case's recipe is a process of its own; cases take turns.
///
/// Example: simgate record cpu/spaced cpu/burst
#[derive(Debug, Args)]
pub struct Record {
    /// The cases, by name or file
    #[arg(required = true, value_name = "CASE")]
    names: Vec<String>,
    #[command(flatten)]
    project: Project,
}

/// A recording under way.
struct Recording {
    file: CaseFile,
    processes: u32,
    new: NewDir,
}

/// The file that makes a directory a recording.
const MARKER: &str = "recording.json";

impl Record {
    /// Records into temporary siblings, and puts all in place at the end.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let mut recordings = Vec::new();
        for name in &self.names {
            recordings.push(start(&gate, name)?);
        }
        let most = recordings.iter().map(|r| r.processes).max().unwrap_or(0);
        for process in 0..most {
            for recording in recordings.iter().filter(|r| process < r.processes) {
                eprintln!(
                    "{}: process {} of {}",
                    recording.file.name,
                    process + 1,
                    recording.processes
                );
                self.record(recording, process)?;
            }
        }
        for recording in recordings {
            let runs = run::read_repeats(recording.new.path())?.len();
            let text = format!("{{\"schema_version\": 1, \"runs\": {runs}}}\n");
            std::fs::write(recording.new.path().join(MARKER), text)?;
            recording.new.commit()?;
            say!("{}: {runs} runs recorded", recording.file.name);
        }
        Ok(0)
    }

    /// One process, whose runs are moved to `p<process>r<repeat>`.
    fn record(&self, recording: &Recording, process: u32) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("cannot find this program again")?;
        let out = recording.new.path().join(".process");
        let status = Command::new(program)
            .arg("real")
            .arg(&recording.file.name)
            .args(["--process", &process.to_string(), "--out"])
            .arg(&out)
            .arg("--cases")
            .arg(&self.project.cases)
            .arg("--baselines")
            .arg(&self.project.baselines)
            .stdout(std::process::Stdio::null())
            .status()
            .context("cannot start a process to record in")?;
        ensure!(
            status.success(),
            "process {process} of {} failed: nothing was recorded",
            recording.file.name
        );
        for (repeat, from) in run::read_repeats(&out)?.iter().enumerate() {
            pack(from)?;
            std::fs::rename(from, recording.new.path().join(format!("p{process}r{repeat}")))?;
        }
        std::fs::remove_dir_all(out)?;
        Ok(())
    }
}

fn start(gate: &Gate, name: &str) -> anyhow::Result<Recording> {
    let file = one_case(gate, name)?;
    let (processes, _) = gate.recipe(&file)?;
    let new = NewDir::create(&gate.recording(&file), MARKER)?;
    Ok(Recording { file, processes, new })
}

/// Packs a run's CSVs.
fn pack(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let text = simgate::files::read_text(&path)?;
            let packed = path.with_extension("csv.zst");
            simgate::files::write_inside(&packed, text.as_bytes())?;
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}
