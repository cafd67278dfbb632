//! `simgate record`: the real side of cases, in processes of their own.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use simgate::backend::{host, host_speed, now};
use simgate::case::parse_tolerance;
use simgate::compare::Tolerance;
use simgate::files::sha256_hex;
use simgate::gate::{CaseFile, Gate, RecordOptions, Recorder, Role, Settings};

use super::progress::Bar;
use super::say;
use super::serve::write_runs;
use super::{Project, chain, one_case};

/// Record the real side of cases
///
/// Every process of a case's recipe is a process of its own, which serves all cases in turn, each warmed up
/// until its step times are stationary. A recorder that was killed goes on where it was. `simgate accept` then
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
        let mut recorders = self.recorders(&gate, &files, &options)?;
        // A process serves every case in turn, so that a slow minute touches all of them and the model is
        // loaded once. A case that fails does not keep the others from their end.
        let mut failed = Vec::new();
        while !recorders.is_empty() {
            recorders = self.round(&gate, recorders, &mut failed)?;
        }
        ensure!(failed.is_empty(), "{}", failed.join("\n"));
        let names: Vec<&str> = files.iter().map(|file| file.relative.as_str()).collect();
        say!("look at them and take them with `simgate accept {}`", names.join(" "));
        Ok(0)
    }

    /// A recorder for every case. Where some of the cases were being recorded when a recorder of the same making
    /// was killed, those that it had finished are left as they are; otherwise all are recorded anew.
    fn recorders(
        &self,
        gate: &Gate,
        files: &[CaseFile],
        options: &RecordOptions,
    ) -> anyhow::Result<Vec<Recorder>> {
        let (mut finished, mut recorders) = (Vec::new(), Vec::new());
        for file in files {
            if !self.restart && gate.is_recorded(file, options)? {
                finished.push(file);
                continue;
            }
            let recorder = gate.recorder(file, options)?;
            if recorder.resumed() > 0 {
                say!("{}: goes on behind {} repeats", file.name, recorder.resumed());
            }
            recorders.push(recorder);
        }
        if recorders.iter().any(|recorder| recorder.resumed() > 0) {
            finished.iter().for_each(|file| say!("{}: recorded already", file.name));
            return Ok(recorders);
        }
        for file in finished {
            recorders.push(gate.recorder(file, options)?);
        }
        Ok(recorders)
    }

    /// Has one more process serve every case that needs one. Returns the cases that may need another.
    fn round(
        &self,
        gate: &Gate,
        recorders: Vec<Recorder>,
        failed: &mut Vec<String>,
    ) -> anyhow::Result<Vec<Recorder>> {
        let mut waiting = Vec::new();
        for recorder in recorders {
            let case = recorder.file.name.clone();
            match recorder.next_process() {
                Ok(Some(process)) => {
                    let (trace, out) = (recorder.wants_traced(), recorder.scratch());
                    eprintln!("{case}: process {process}, {} must count", recorder.processes());
                    waiting.push((Job { case, process, trace, out }, recorder));
                }
                Ok(None) => {
                    let done = finish(gate, recorder);
                    failed.extend(done.err().map(|error| format!("{case}: {}", chain(&error))));
                }
                Err(error) => failed.push(format!("{case}: {error}")),
            }
        }
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        let mut child = self.start(waiting.iter().map(|(job, _)| job))?;
        let answers = child.stdout.take().context("a process to record in has no output")?;
        let mut unfinished = Vec::new();
        for line in BufReader::new(answers).lines() {
            let answer: Answer =
                serde_json::from_str(&line?).context("a process to record in made no sense")?;
            let Some(place) = waiting.iter().position(|(job, _)| job.case == answer.case) else {
                continue;
            };
            let (job, mut recorder) = waiting.remove(place);
            let added = match answer.error {
                Some(error) => Err(anyhow::anyhow!(error)),
                None => add(&mut recorder, job.process),
            };
            match added {
                Ok(()) => unfinished.push(recorder),
                Err(error) => failed.push(format!("{}: {}", job.case, chain(&error))),
            }
        }
        let status = child.wait().context("cannot wait for a process to record in")?;
        // The first one that was not answered is where it ended; those behind it were never served.
        let mut unserved = waiting.into_iter();
        failed.extend(unserved.next().map(|(Job { case, process, .. }, _)| {
            format!(
                "{case}: process {process} did not come to its end ({status}); what was recorded before it is kept, and the next `simgate record` goes on there"
            )
        }));
        unfinished.extend(unserved.map(|(_, recorder)| recorder));
        Ok(unfinished)
    }

    /// Starts a process that serves `jobs` and answers each with a line.
    fn start<'a>(&self, jobs: impl Iterator<Item = &'a Job>) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find this program again")?;
        let mut child = Command::new(program)
            .arg("record-process")
            .args(["--parent", &std::process::id().to_string()])
            .arg("--cases")
            .arg(&self.project.cases)
            .arg("--baselines")
            .arg(&self.project.baselines)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a process to record in")?;
        let input = child.stdin.take().context("a process to record in has no input")?;
        let jobs: Vec<&Job> = jobs.collect();
        // A process that has ended already is told of by how it ended.
        let _ = serde_json::to_writer(input, &jobs);
        Ok(child)
    }
}

/// What one process serves of one case.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    case: String,
    process: u32,
    trace: bool,
    out: PathBuf,
}

/// What came of a job.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    case: String,
    error: Option<String>,
}

/// Serve what a recorder asks for
#[derive(Debug, Args)]
pub struct RecordProcess {
    /// The recorder that this process dies with
    #[arg(long, value_name = "PID")]
    parent: u32,
    #[command(flatten)]
    project: Project,
}

impl RecordProcess {
    /// Reads the jobs, serves them in their order and answers each.
    pub fn run(&self) -> anyhow::Result<u8> {
        die_with(self.parent)?;
        let jobs: Vec<Job> = serde_json::from_reader(std::io::stdin())
            .context("a recorder says on standard input what to serve")?;
        for job in jobs {
            let error = self.serve(&job).err().map(|error| chain(&error));
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &Answer { case: job.case, error })?;
            writeln!(out)?;
        }
        Ok(0)
    }

    fn serve(&self, job: &Job) -> anyhow::Result<()> {
        let (process, trace) = (job.process, job.trace);
        let settings =
            Settings { live: true, process, trace, keep_model: true, ..Settings::from_env() };
        let gate = self.project.gate(settings)?;
        let file = one_case(&gate, &job.case)?;
        let bar = Bar::new();
        let side = gate
            .serve(&file, Role::Real, &|what, done, all| bar.show(&file.name, what, done, all))?;
        bar.clear();
        write_runs(&side, &job.out)
    }
}

/// A process that outlived its recorder would slow down what the next one measures.
#[cfg(target_os = "linux")]
fn die_with(parent: u32) -> anyhow::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before we asked.
    let alive = getppid().is_some_and(|pid| pid.as_raw_nonzero().get() as u32 == parent);
    ensure!(alive, "the recorder (process {parent}) is gone");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: u32) -> anyhow::Result<()> {
    Ok(())
}

/// Keeps what a process left of one case.
fn add(recorder: &mut Recorder, process: u32) -> anyhow::Result<()> {
    for reason in recorder.add(process)? {
        say!("{}: process {process}: a repeat is refused: {reason}", recorder.file.name);
    }
    Ok(())
}

/// Puts a recording in place, and holds it to its case.
fn finish(gate: &Gate, recorder: Recorder) -> anyhow::Result<()> {
    let file = recorder.file.clone();
    let place = recorder.finish()?;
    say!("{}: recorded in {}", file.name, place.display());
    Ok(gate.hold_recording(&file, &place)?)
}
