//! `simgate workload`, `real` and `sim`: one part of a case by itself.

use std::path::{Path, PathBuf};

use clap::Args;
use simgate::files::NewDir;
use simgate::gate::{LoadedSide, Role, Settings};
use simgate::{run, workload};

use super::progress::Bar;
use super::say;
use super::{Project, one_case};

/// The file that makes a directory the runs of one side.
const MARKER: &str = "r0/request_metrics.csv";

/// Write the workload of a case
///
/// Example: simgate workload cpu/live --out w
#[derive(Debug, Args)]
pub struct WorkloadCommand {
    /// The case, by name or file
    case: String,
    /// Where to write it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    project: Project,
}

impl WorkloadCommand {
    /// Writes it and says what it is.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let workload = gate.workload(&one_case(&gate, &self.case)?)?;
        workload::write(&workload, &self.out)?;
        say!("{} requests, sha256 {}", workload.requests.len(), workload.hash());
        Ok(0)
    }
}

/// Serve a case's workload for real and write the runs
///
/// Example: simgate real cpu/live --out runs/real
#[derive(Debug, Args)]
pub struct Real {
    /// The case, by name or file
    case: String,
    /// Where to write the runs, one folder a repeat
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Serve one time more, with every step timed on the GPU (column gpu_ns of step_metrics.csv), into
    /// `traced` in DIR; this makes steps a little slower
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    project: Project,
}

impl Real {
    /// Serves, writes and says where.
    pub fn run(&self) -> anyhow::Result<u8> {
        let settings = Settings { live: true, trace: self.trace, ..Settings::from_env() };
        serve(&self.project, &self.case, Role::Real, settings, &self.out)
    }
}

/// Predict a case's runs and write them
///
/// Example: simgate sim cpu/burst --out runs/sim
#[derive(Debug, Args)]
pub struct Sim {
    /// The case, by name or file
    case: String,
    /// Where to write the runs, one folder a seed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    project: Project,
}

impl Sim {
    /// Predicts, writes and says where.
    pub fn run(&self) -> anyhow::Result<u8> {
        serve(&self.project, &self.case, Role::Sim, Settings::from_env(), &self.out)
    }
}

fn serve(
    project: &Project,
    case: &str,
    role: Role,
    settings: Settings,
    out: &Path,
) -> anyhow::Result<u8> {
    let gate = project.gate(settings)?;
    let file = one_case(&gate, case)?;
    let bar = Bar::new();
    let side = gate.serve(&file, role, &|what, done, all| bar.show(&file.name, what, done, all))?;
    bar.clear();
    write_runs(&side, out)?;
    side.notes.iter().for_each(|note| say!("- {note}"));
    say!("{} runs in {}", side.side.runs.len(), out.display());
    Ok(0)
}

/// Writes the runs of a side, one folder a repeat.
pub(super) fn write_runs(side: &LoadedSide, out: &Path) -> anyhow::Result<()> {
    // All runs or none, and none left over from before.
    let new = NewDir::create(out, MARKER)?;
    for (i, run) in side.side.runs.iter().enumerate() {
        run::write(run, &new.path().join(format!("r{i}")))?;
    }
    if let Some(traced) = &side.traced {
        run::write(traced, &new.path().join(run::TRACED))?;
    }
    new.commit()?;
    Ok(())
}
