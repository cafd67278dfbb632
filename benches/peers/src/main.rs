//! Times simgate's engine beside aisimulate-core: the same requests, the same scheduler settings, the
//! same step times, one thread each, in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};

mod aisimulate_side;
mod requests;
mod side;
mod simgate_side;

use requests::Request;
use side::{Outcome, Settings};

/// Time simgate's engine beside aisimulate-core
///
/// Example: cargo run --release -- trace.csv --time-scale 4 --max-tokens 4096
#[derive(Debug, Parser)]
struct Args {
    /// Trace with the columns arrived_at (s), num_prefill_tokens and num_decode_tokens; without one,
    /// requests are drawn
    trace: Option<PathBuf>,
    /// Factor on the trace's arrival times
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "trace")]
    time_scale: f64,
    /// Most tokens of a request; prompts are cut
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(2..))]
    max_tokens: u32,
    /// Requests to draw
    #[arg(long, value_name = "N", default_value_t = 10_000, conflicts_with = "trace", value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Requests a second of those drawn
    #[arg(long, default_value_t = 1.4, conflicts_with = "trace")]
    qps: f64,
    /// Seed of those drawn
    #[arg(long, default_value_t = 0, conflicts_with = "trace")]
    seed: u64,
    /// Runs of each, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Most tokens of a step
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    chunk_tokens: u32,
    /// Most sequences at once
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    max_sequences: u32,
    /// KV blocks of 16 tokens
    #[arg(long, value_name = "N", default_value_t = 27_904, value_parser = clap::value_parser!(u32).range(1..))]
    kv_blocks: u32,
    /// What prompt tokens add to a step, ms
    #[arg(long, value_name = "MS", default_value_t = 40.0)]
    prefill_ms: f64,
    /// What decodes add to a step, ms
    #[arg(long, value_name = "MS", default_value_t = 25.0)]
    decode_ms: f64,
    /// Let aisimulate-core build its records of single requests
    #[arg(long)]
    request_records: bool,
}

impl Args {
    fn requests(&self) -> anyhow::Result<Vec<Request>> {
        for (flag, value) in [("--time-scale", self.time_scale), ("--qps", self.qps)] {
            ensure!(value.is_finite() && value > 0.0, "{flag} {value}: give a number above 0");
        }
        match &self.trace {
            Some(path) => requests::trace(path, self.time_scale, self.max_tokens),
            None => {
                let count = self.requests as usize;
                Ok(requests::drawn(count, self.qps, self.max_tokens, self.seed))
            }
        }
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let ns = |flag: &str, ms: f64| {
            let ns = (ms * 1e6).round();
            ensure!((1.0..=1e15).contains(&ns), "{flag} {ms}: give ms, from 0.000001 to 1e9");
            Ok(ns as u64)
        };
        Ok(Settings {
            chunk_tokens: self.chunk_tokens,
            max_sequences: self.max_sequences,
            kv_block_tokens: 16,
            kv_blocks: self.kv_blocks,
            prefill_ns: ns("--prefill-ms", self.prefill_ms)?,
            decode_ns: ns("--decode-ms", self.decode_ms)?,
            request_records: self.request_records,
        })
    }
}

type Run = fn(&[Request], &Settings) -> anyhow::Result<Outcome>;

const SIDES: [(&str, Run); 2] =
    [("simgate", simgate_side::run), ("aisimulate-core", aisimulate_side::run)];

fn main() -> ExitCode {
    match compare(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> anyhow::Result<()> {
    let (requests, settings) = (args.requests()?, args.settings()?);
    let mut outcomes = [Vec::new(), Vec::new()];
    for repeat in 0..args.repeats as usize {
        // Each goes first in every other repeat.
        for turn in 0..SIDES.len() {
            let side = (repeat + turn) % SIDES.len();
            let (name, run) = SIDES[side];
            let outcome = run(&requests, &settings)?;
            outcome.check(name, &requests)?;
            outcomes[side].push(outcome);
        }
    }
    print(&outcomes);
    Ok(())
}

/// Fastest and median wall time, s.
fn times(outcomes: &[Outcome]) -> (f64, f64) {
    let mut times: Vec<f64> = outcomes.iter().map(|o| o.wall_s).collect();
    let [median] = simgate::stats::percentiles(&mut times, [0.5]);
    (times.iter().copied().fold(f64::INFINITY, f64::min), median)
}

fn print(outcomes: &[Vec<Outcome>; 2]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(vec![
        "",
        "requests",
        "output tokens",
        "prefill steps",
        "decode steps",
        "simulated s",
        "min s",
        "median s",
        "M tokens/s",
    ]);
    for ((name, _), outcomes) in SIDES.iter().zip(outcomes) {
        let last = &outcomes[outcomes.len() - 1];
        let (min_s, median_s) = times(outcomes);
        table.add_row(vec![
            (*name).to_owned(),
            last.completed.to_string(),
            last.output_tokens.to_string(),
            last.prefill_steps.to_string(),
            last.decode_steps.to_string(),
            format!("{:.3}", last.simulated_s),
            format!("{min_s:.3}"),
            format!("{median_s:.3}"),
            format!("{:.2}", last.output_tokens as f64 / median_s / 1e6),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    let [ours, theirs] = outcomes.each_ref().map(|outcomes| times(outcomes));
    println!(
        "\nsimgate is {:.2} times as fast (median; min {:.2})",
        theirs.1 / ours.1,
        theirs.0 / ours.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_take_the_same_steps_while_blocks_last() {
        let settings = Settings {
            chunk_tokens: 64,
            max_sequences: 8,
            kv_block_tokens: 16,
            kv_blocks: 4096,
            prefill_ns: 3_000_000,
            decode_ns: 2_000_000,
            request_records: false,
        };
        let requests = requests::drawn(40, 2.0, 400, 1);
        let [ours, theirs] = SIDES.map(|(name, run)| {
            let outcome = run(&requests, &settings).unwrap();
            outcome.check(name, &requests).unwrap();
            (outcome.prefill_steps, outcome.decode_steps, outcome.simulated_s)
        });
        assert_eq!((ours.0, ours.1), (theirs.0, theirs.1));
        assert!((ours.2 - theirs.2).abs() < 1e-3, "{} and {}", ours.2, theirs.2);
    }
}
