//! `simgate vidur`: a run of Vidur's simulated again, and how far apart the two are.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use simgate::backend::vidur::{
    Parity, Vidur, VidurRequest, VidurRun, VidurRunConfig, VidurSimulator, parity,
};
use simgate::predict::VidurPredictor;
use simgate::profile::vidur::VidurBundle;
use simgate::report::{Style, overview_table};
use simgate::run;
use simgate::workload::{TraceRow, read_vidur_rows, vidur_workload};

use super::{OUTSIDE, WITHIN, say};

/// Times may differ by so much, as a share.
const TOLERANCE: f64 = 1e-6;

/// Simulate a run of Vidur's again, and show how far each column lies from Vidur's
///
/// Exit code 1 where a time differs by more than a millionth, or a count at all.
///
/// Example: simgate vidur simulator_output/2026-11-21 --bundle data/profiling/a100 --trace conv1000.csv
#[derive(Debug, Args)]
pub struct VidurCommand {
    /// What Vidur wrote: config.json, request_metrics.csv and, where kept, batch_metrics.csv
    run_dir: PathBuf,
    /// Folder of Vidur's profiles or fitted tables
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// The trace; else the one that config.json names, beside the bundle or the run
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the simulated run
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl VidurCommand {
    /// Simulates, compares and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        let config = VidurRunConfig::read(&self.run_dir.join("config.json"))?;
        let rows = read_vidur_rows(&self.trace_path(&config)?, config.trace)?;
        let started = Instant::now();
        let settings = config.settings;
        let (tensor, pipeline) = (settings.tensor_parallel, settings.pipeline_parallel);
        let block_tokens = config.config.block_tokens;
        let bundle =
            VidurBundle::read(&self.bundle, &config.shape, tensor, pipeline, block_tokens)?;
        let predictor = VidurPredictor::new(&bundle, &config.shape, settings)?;
        let read_s = started.elapsed().as_secs_f64();
        let simulator = VidurSimulator::new(predictor, config.config)?;
        let request = |row: &TraceRow| VidurRequest {
            arrived_at: row.arrived_at,
            prefill_tokens: row.prefill_tokens,
            decode_tokens: row.decode_tokens,
        };
        let requests: Vec<VidurRequest> = rows.iter().map(request).collect();
        let started = Instant::now();
        let simulated = simulator.run(&requests)?;
        let run_s = started.elapsed().as_secs_f64();
        let parity = self.compare(&simulated)?;
        print(&parity);
        summary(&simulated, &bundle, read_s, run_s);
        if let Some(out) = &self.out {
            let workload = vidur_workload(&rows);
            run::write(&Vidur::new(simulator).as_run(&workload, &simulated), out)?;
            say!("run: {}", out.display());
        }
        Ok(if parity.iter().all(|parity| parity.holds(TOLERANCE)) { WITHIN } else { OUTSIDE })
    }

    fn compare(&self, simulated: &VidurRun) -> anyhow::Result<Vec<Parity>> {
        let file = |name: &str| {
            let packings = ["", ".gz", ".zst"].map(|end| self.run_dir.join(format!("{name}{end}")));
            packings.into_iter().find(|path| path.is_file())
        };
        let requests = file("request_metrics.csv").with_context(|| {
            format!(
                "{}: no request_metrics.csv here: name a folder that Vidur wrote",
                self.run_dir.display()
            )
        })?;
        Ok(parity(simulated, &requests, file("batch_metrics.csv").as_deref())?)
    }

    fn trace_path(&self, config: &VidurRunConfig) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.trace {
            return Ok(path.clone());
        }
        let named = &config.trace_file;
        let name = named.file_name().map_or(named.as_path(), Path::new);
        let beside = [
            self.bundle.join(name),
            self.run_dir.join(name),
            self.run_dir.join("..").join(name),
            named.clone(),
        ];
        beside.iter().find(|path| path.is_file()).cloned().with_context(|| {
            format!(
                "the trace {} lies neither beside the bundle nor beside the run: name it with --trace",
                named.display()
            )
        })
    }
}

fn print(parity: &[Parity]) {
    let rows: Vec<_> = parity
        .iter()
        .map(|parity| {
            let apart = if parity.largest == 0.0 {
                "0".to_owned()
            } else {
                format!("{:.1e} (row {})", parity.largest, parity.at)
            };
            let verdict = if parity.holds(TOLERANCE) { "same" } else { "DIFFERS" };
            let cells =
                [parity.column.to_owned(), parity.rows.to_string(), apart, verdict.to_owned()];
            (cells.to_vec(), None)
        })
        .collect();
    let header = ["column", "rows", "largest difference", ""];
    say!("{}", overview_table(&header, &rows, Style::of_stdout()).trim_end());
}

fn summary(run: &VidurRun, bundle: &VidurBundle, read_s: f64, run_s: f64) {
    let tokens: usize = run.token_times.iter().map(Vec::len).sum();
    let end = run.requests.iter().map(|request| request.completed_at).fold(0.0, f64::max);
    say!(
        "{} requests, {} batches, {tokens} output tokens, {end:.3} s simulated in {run_s:.3} s; the bundle was read in {read_s:.3} s",
        run.requests.len(),
        run.steps.len()
    );
    bundle.remarks().iter().for_each(|remark| say!("- {remark}"));
}
