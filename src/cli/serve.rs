//! `simgate workload`, `real` and `sim`: one part of a case by itself.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use simgate::files::NewDir;
use simgate::gate::{LoadedSide, Role, Settings};
use simgate::run::TokenTimes;
use simgate::{run, workload};

use super::latencies;
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

/// Predict a case's runs, and write them or show their latencies
///
/// Without `--out` a native side is simulated once, without keeping what each step did, and its latencies are printed: of
/// all requests, and of each replica where there are several.
///
/// Example: simgate sim cpu/burst --out runs/sim
#[derive(Debug, Args)]
pub struct Sim {
    /// The case, by name or file
    case: String,
    /// Where to write the runs, one folder a seed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Requests of the workload, where not as many as the case says
    #[arg(long, value_name = "N", conflicts_with = "out", value_parser = clap::value_parser!(u32).range(1..))]
    requests: Option<u32>,
    /// The seed to simulate
    #[arg(long, value_name = "N", conflicts_with = "out", default_value_t = 0)]
    seed: u32,
    #[command(flatten)]
    project: Project,
}

impl Sim {
    /// Predicts, and writes or prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        match &self.out {
            Some(out) => serve(&self.project, &self.case, Role::Sim, Settings::from_env(), out),
            None => self.show(),
        }
    }

    fn show(&self) -> anyhow::Result<u8> {
        let started = Instant::now();
        let gate = self.project.gate(Settings::from_env())?;
        let file = one_case(&gate, &self.case)?;
        let bar = Bar::new();
        let show = |what: &str, done, all| bar.show(&file.name, what, done, all);
        let parts = gate.sim_parts(&file, self.requests, &show)?;
        bar.clear();
        let mut simulator = parts.simulator(parts.engine.clone(), parts.cluster)?;
        let read_s = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let run = simulator.run(&parts.workload, self.seed)?;
        let simulated_s = started.elapsed().as_secs_f64();
        say!("{}", latencies::table(&run, parts.cluster.replicas).trim_end());
        simulator.remarks().iter().for_each(|remark| say!("- {remark}"));
        let tokens = run.tokens.as_ref();
        say!(
            "{} requests, {} output tokens in {} steps; read in {read_s:.3} s, simulated in {simulated_s:.3} s",
            run.requests.len(),
            tokens.map_or(0, TokenTimes::len),
            tokens.map_or(0, TokenTimes::distinct),
        );
        Ok(0)
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
