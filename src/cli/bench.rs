//! `simgate bench`: the speed of an engine's steps on this GPU.

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use simgate::backend::LoadedModel;
use simgate::collect::{Speed, Timing, speed};
use simgate::model::Placement;

use super::progress::Bar;
use super::say;

/// Time single steps on this GPU
///
/// Prints, for steps of several shapes and both launch modes, the median and the 99th percentile from the
/// batch's description to its tokens, how far the rounds' medians lie apart, the GPU time of each op, and
/// what reading weights and KV cache takes at the measured bandwidth.
///
/// Example: simgate bench qwen3-0.6b
#[derive(Debug, Args)]
pub struct Bench {
    /// The model, a folder in models/
    #[arg(default_value = "qwen3-0.6b")]
    model: String,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// Rounds over all shapes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

impl Bench {
    /// Measures and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        let loaded =
            Rc::new(LoadedModel::open(&self.models.join(&self.model), &Placement::gpu()?)?);
        let bar = Bar::new();
        let speed = speed(&loaded, self.rounds, &|what, done, all| {
            bar.show("bench", what, done, all);
        })?;
        bar.clear();
        let device = loaded.device.as_ref().map_or("unknown GPU", |device| &device.name);
        let commit = simgate::COMMIT.unwrap_or("unknown commit");
        let dirty = if simgate::DIRTY { " with changes" } else { "" };
        say!("{} on {device}, weights {}, simgate {commit}{dirty}", self.model, loaded.weights);
        say!("{}", steps(&speed));
        say!("{}", ops(&speed));
        for (sequences, launch, us) in &speed.host {
            let launch = launch.as_str();
            say!(
                "host time outside launch and wait, batch {sequences}, {launch}: {us:.1} us a step"
            );
        }
        say!("copies on the GPU move {:.2} TB/s", speed.bandwidth / 1e12);
        if let Some(now) = since_start() {
            let first = now - speed.first_token.elapsed().as_secs_f64();
            say!("start to first token: {first:.1} s");
        }
        Ok(0)
    }
}

fn table(header: Vec<&str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn finish(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn steps(speed: &Speed) -> String {
    let mut table =
        table(vec!["step (us)", "bucket", "launch", "p50", "p99", "rounds apart", "memory limit"]);
    for timing in &speed.timings {
        let Timing { shape, bucket, launch, p50, p99, bytes, .. } = timing;
        let least = p50.iter().copied().fold(f64::INFINITY, f64::min);
        let most = p50.iter().copied().fold(0.0, f64::max);
        table.add_row(vec![
            shape.to_string(),
            bucket.clone(),
            launch.as_str().to_owned(),
            format!("{:.0}", p50.iter().sum::<f64>() / p50.len() as f64),
            format!("{p99:.0}"),
            format!("{:.2} %", (most / least - 1.0) * 100.0),
            format!("{:.0}", bytes / speed.bandwidth * 1e6),
        ]);
    }
    finish(table)
}

fn ops(speed: &Speed) -> String {
    let mut names: Vec<_> = speed.timings.iter().flat_map(|t| t.ops.iter().map(|o| o.0)).collect();
    names.sort();
    names.dedup();
    let header = ["GPU time of ops (us)"].into_iter().chain(names.iter().map(|op| op.as_str()));
    let mut table = table(header.chain(["sum"]).collect());
    for timing in speed.timings.iter().filter(|t| !t.ops.is_empty()) {
        let of = |op| {
            timing.ops.iter().find(|o| o.0 == op).map_or(String::new(), |o| format!("{:.0}", o.1))
        };
        let sum: f64 = timing.ops.iter().map(|o| o.1).sum();
        let cells = names.iter().map(|op| of(*op));
        table.add_row(
            [timing.shape.to_string()].into_iter().chain(cells).chain([format!("{sum:.0}")]),
        );
    }
    finish(table)
}

/// Seconds since this process was started, as Linux tells them.
fn since_start() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold spaces: state is field 3, the start field 22, in ticks of 10 ms.
    let ticks: f64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    Some(uptime.split(' ').next()?.parse::<f64>().ok()? - ticks / 100.0)
}
