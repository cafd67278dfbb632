//! `simgate record`: the real side of cases, in processes of their own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use simgate::backend::{host, host_speed, now};
use simgate::case::parse_tolerance;
use simgate::compare::Tolerance;
use simgate::files::sha256_hex;
use simgate::gate::{CaseFile, Gate, RecordOptions, Recorder, Settings};

use super::say;
use super::{Project, one_case};

/// Record the real side of cases
///
/// Every process of a case's recipe is a process of its own, warmed up until its step times are
/// stationary; cases take turns. A recorder that was killed goes on where it was. `simgate accept` then
/// takes the recordings as baselines.
///
/// Example: simgate record cpu/spaced cpu/burst --reason "new attention kernel"
#[derive(Debug, Args)]
pub struct Record {
    /// The cases, by name or file
    #[arg(required = true, value_name = "CASE")]
    names: Vec<String>,
    /// Where to write the recordings, each under its case's path
    #[arg(long, value_name = "DIR", default_value = "recordings")]
    out: PathBuf,
    /// Why the baselines change
    #[arg(long)]
    reason: Option<String>,
    /// Record with a build whose tree had uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
    /// Refuse a repeat when the host's speed before or after it lies farther than this from that at the
    /// start
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = parse_tolerance)]
    max_host_drift: Tolerance,
    /// Throw away what an earlier recorder left unfinished with another build, case or recipe
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    project: Project,
}

impl Record {
    /// Records process by process, and puts each recording in place when it is complete.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let files = self.names.iter().map(|name| one_case(&gate, name));
        let mut files = files.collect::<anyhow::Result<Vec<CaseFile>>>()?;
        let mut seen = BTreeSet::new();
        files.retain(|file| seen.insert(file.name.clone()));
        let program = std::env::current_exe().context("cannot find this program again")?;
        let program = std::fs::read(program).context("cannot read this program")?;
        let options = RecordOptions {
            out: std::path::absolute(&self.out)?,
            reason: self.reason.clone(),
            allow_dirty: self.allow_dirty,
            // Without the dust of the conversion.
            max_host_drift_pct: (self.max_host_drift.fraction() * 1e11).round() / 1e9,
            host_speed_us: host_speed::index_us(),
            now: now(),
            program: sha256_hex(&program),
            host: host().cpu,
            restart: self.restart,
        };
        let mut recorders = Vec::new();
        for file in &files {
            let recorder = gate.recorder(file, &options)?;
            if recorder.resumed() > 0 {
                say!("{}: goes on behind {} repeats", file.name, recorder.resumed());
            }
            recorders.push(recorder);
        }
        // One process of each case in turn, so that a slow minute touches all of them. A case that
        // fails does not keep the others from their end.
        let mut failed = Vec::new();
        while !recorders.is_empty() {
            let mut unfinished = Vec::new();
            for mut recorder in recorders {
                let name = recorder.file.name.clone();
                match self.advance(&mut recorder) {
                    Ok(true) => unfinished.push(recorder),
                    Ok(false) => {
                        if let Err(error) = finish(&gate, recorder) {
                            failed.push(format!("{name}: {error}"));
                        }
                    }
                    Err(error) => failed.push(format!("{name}: {error}")),
                }
            }
            recorders = unfinished;
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        let names: Vec<&str> = files.iter().map(|file| file.relative.as_str()).collect();
        say!("look at them and take them with `simgate accept {}`", names.join(" "));
        Ok(0)
    }

    /// Records one more process; `false` when there are enough.
    fn advance(&self, recorder: &mut Recorder) -> anyhow::Result<bool> {
        let Some(process) = recorder.next_process()? else { return Ok(false) };
        self.record(recorder, process)?;
        Ok(true)
    }

    /// One process of one case.
    fn record(&self, recorder: &mut Recorder, process: u32) -> anyhow::Result<()> {
        let name = recorder.file.name.clone();
        eprintln!("{name}: process {process}, {} of them must count", recorder.processes());
        self.serve(recorder, process)?;
        for reason in recorder.add(process)? {
            say!("{name}: process {process}: a repeat is refused: {reason}");
        }
        Ok(())
    }

    /// Serves a case in a process of its own.
    fn serve(&self, recorder: &Recorder, process: u32) -> anyhow::Result<()> {
        let name = &recorder.file.name;
        let program = std::env::current_exe().context("cannot find this program again")?;
        let status = Command::new(program)
            .arg("real")
            .arg(name)
            .args(["--process", &process.to_string()])
            .args(["--parent", &std::process::id().to_string(), "--out"])
            .arg(recorder.scratch())
            .arg("--cases")
            .arg(&self.project.cases)
            .arg("--baselines")
            .arg(&self.project.baselines)
            .args(recorder.wants_traced().then_some("--trace"))
            .stdout(Stdio::null())
            .status()
            .context("cannot start a process to record in")?;
        ensure!(
            status.success(),
            "process {process} of {name} failed; what was recorded before it is kept, and the next `simgate record` goes on there"
        );
        Ok(())
    }
}

/// Puts a recording in place, and holds it to its case.
fn finish(gate: &Gate, recorder: Recorder) -> anyhow::Result<()> {
    let file = recorder.file.clone();
    let place = recorder.finish()?;
    say!("{}: recorded in {}", file.name, place.display());
    Ok(gate.hold_recording(&file, &place)?)
}
