//! `simgate capacity`: the highest arrival rate at which latency targets hold, over a grid of settings.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use simgate::case::parse_percent;
use simgate::engine::Cluster;
use simgate::gate::Settings;
use simgate::study::capacity::{
    Axis, Defaults, Grid, Partition, Precision, Results, Slo, Slos, Task, run,
};

use super::progress::Bar;
use super::{Project, USAGE, WITHIN, one_case, say};

mod output;
mod predictor;

/// Show the highest arrival rate at which latency targets hold
///
/// Simulates the case's workload at rate after rate, for every combination of the settings in the grid, until the
/// highest rate is found at which all targets hold and every request is served. Prints a row for each combination,
/// and marks those that no other beats. Exits with 2 where no combination could be simulated.
///
/// Example: simgate capacity h200/qwen3-0.6b/poisson-30 --slo ttft.p99=500ms --slo tbt.p99=50ms
/// --grid engine.chunk_tokens=256,512 --out capacity
#[derive(Debug, Args)]
pub struct Capacity {
    /// The case, by name or file
    #[arg(required_unless_present = "merge")]
    case: Option<String>,
    /// A target, such as ttft.p99=500ms: ttft, tbt, tpot or e2e at p50, p90 or p99. Once for each
    #[arg(long, value_name = "FIGURE=LIMIT", required_unless_present = "merge")]
    slo: Vec<Slo>,
    /// Values of a setting to try, such as engine.chunk_tokens=256,512. Once for each setting
    #[arg(long, value_name = "KEY=VALUE,..")]
    grid: Vec<Axis>,
    /// Only every Nth combination from the Mth, to spread a grid over machines
    #[arg(long, value_name = "count:M/N")]
    partition: Option<Partition>,
    /// Requests of the workload, where not as many as the case says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    requests: Option<u32>,
    /// Seeds to simulate at each rate: a target holds where it holds for the mean over them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// How close to find a rate: from 0.01% to 100%
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = precision)]
    precision: Precision,
    /// Threads; as many as there are cores where not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Put the capacity.csv of all partitions together instead of simulating
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["case", "slo", "grid", "partition", "requests", "seeds", "precision", "jobs"]
    )]
    merge: Vec<PathBuf>,
    /// Write capacity.csv, pareto.svg and summary.md
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    project: Project,
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::from_fraction(parse_percent(text)?)
        .ok_or_else(|| format!("`{text}` is no precision: it lies from 0.01% to 100%"))
}

impl Capacity {
    /// Searches, or puts together, and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        // First of all: a folder that cannot be written is no reason to search in vain.
        let out = self.out.as_deref().map(output::begin).transpose()?;
        let results = match &self.case {
            Some(case) => self.search(case)?,
            None => Results::merge(&self.merge)?,
        };
        output::print(&results);
        if let (Some(new), Some(out)) = (out, &self.out) {
            output::write(&results, new)?;
            say!("capacity.csv, pareto.svg and summary.md in {}", out.display());
        }
        let all_failed = results.rows.iter().all(|row| row.found.is_none());
        Ok(if all_failed && !results.rows.is_empty() { USAGE } else { WITHIN })
    }

    fn search(&self, case: &str) -> anyhow::Result<Results> {
        let slos = Slos::new(self.slo.clone())?;
        let grid = Grid::new(self.grid.clone())?;
        let gate = self.project.gate(Settings::from_env())?;
        let file = one_case(&gate, case)?;
        let bar = Bar::new();
        let parts = gate.sim_parts(&file, self.requests, &|what, done, all| {
            bar.show(&file.name, what, done, all);
        })?;
        let Cluster { replicas, tensor_parallel, pipeline_parallel, .. } = parts.cluster;
        let mut candidates =
            grid.candidates(Defaults { replicas, tensor_parallel, pipeline_parallel });
        let (predict, start_per_s) = predictor::predictor(parts, self.seeds, &candidates)?;
        if let Some(partition) = self.partition {
            candidates = partition.of(candidates);
        }
        let jobs = self.jobs.unwrap_or(0) as usize;
        let task = Task { slos: &slos, start_per_s, precision: self.precision, jobs };
        let bar = Mutex::new(bar);
        let lock = || bar.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = run(&candidates, &predict, task, &|done, all| {
            lock().show(&file.name, "capacity", done, all);
        })?;
        lock().clear();
        Ok(Results { keys: grid.keys(), slos, rows })
    }
}
