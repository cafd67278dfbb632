//! `simgate spread`: how well recordings agree with themselves.

use clap::Args;
use simgate::compare::{Metric, Spread};
use simgate::gate::{RecordedCase, Settings};
use simgate::report::{Style, duration, overview_table, percent};

use super::{Project, matching, named, say};

/// Show how well recordings agree with themselves
///
/// For every figure of every recorded case: the scatter of `ln P` within and between processes, the noise
/// that it leaves (95 %), the tolerance that the case states or else the goal (2, 3, 5 % at p50, p90, p99),
/// and the processes with which the noise takes up half of it at most. `few` marks percentiles that their
/// samples cannot carry.
///
/// Example: simgate spread h200
#[derive(Debug, Args)]
pub struct SpreadCommand {
    /// Only cases whose name contains this
    filter: Option<String>,
    /// Only these metrics, such as `--metric ttft --metric tbt`
    #[arg(long, value_name = "METRIC", value_parser = metric, conflicts_with = "steps")]
    metric: Vec<Metric>,
    /// Show instead where the time of steps goes: medians of the whole step, of the host alone, of launching
    /// and of waiting, and the GPU time of the traced repeat
    #[arg(long)]
    steps: bool,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    project: Project,
}

impl SpreadCommand {
    /// Prints the table.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let mut rows = Vec::new();
        for file in &matching(&gate, self.filter.as_deref())? {
            let Some(recorded) = gate.recorded(file)? else { continue };
            if self.steps {
                rows.extend(steps_row(&file.name, &recorded).map(|row| (row, None)));
                continue;
            }
            let asked = |spread: &&Spread| {
                self.metric.is_empty() || self.metric.contains(&spread.figure.metric)
            };
            let asked = recorded.spreads.iter().filter(asked);
            rows.extend(asked.map(|spread| (row(&file.name, spread), None)));
        }
        anyhow::ensure!(!rows.is_empty(), "no case{} was recorded", named(self.filter.as_deref()));
        let style = if self.markdown { Style::Markdown } else { Style::Plain };
        let header: &[&str] = if self.steps { &STEPS_HEADER } else { &HEADER };
        say!("{}", overview_table(header, &rows, style));
        Ok(0)
    }
}

fn metric(word: &str) -> Result<Metric, String> {
    let known = Metric::ALL.into_iter().find(|metric| metric.as_str() == word);
    known.ok_or_else(|| "write ttft, tbt, tpot or e2e".to_owned())
}

const HEADER: [&str; 9] =
    ["case", "figure", "real", "n", "within", "between", "noise", "tolerance", "K needed"];

const STEPS_HEADER: [&str; 7] = ["case", "steps", "step", "host", "launch", "wait", "GPU"];

fn steps_row(case: &str, recorded: &RecordedCase) -> Option<Vec<String>> {
    let times = recorded.steps?;
    let gpu = recorded.traced.and_then(|traced| traced.gpu);
    let spans = [times.whole, times.host, times.launch, times.wait].map(duration);
    let gpu = gpu.map_or_else(|| "-".to_owned(), duration);
    Some([case.to_owned(), times.steps.to_string()].into_iter().chain(spans).chain([gpu]).collect())
}

fn row(case: &str, spread: &Spread) -> Vec<String> {
    let share = |log: f64| percent(log.exp_m1());
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let needed = match (spread.noise, spread.processes) {
        (None, _) => "-".to_owned(),
        (_, Some(n)) => n.to_string(),
        (_, None) => "> 100".to_owned(),
    };
    vec![
        case.to_owned(),
        spread.figure.to_string(),
        duration(spread.real_ns),
        spread.n.to_string(),
        or_dash(spread.components.and_then(|c| c.within).map(share)),
        or_dash(spread.components.map(|c| share(c.between))),
        or_dash(spread.noise.map(share)),
        percent(spread.tolerance.fraction()),
        if spread.eligible { needed } else { "few".to_owned() },
    ]
}
