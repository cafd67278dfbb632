//! `simgate errors`: how far every prediction lies from what was recorded, in one table.

use clap::Args;
use simgate::compare::Metric;
use simgate::gate::{Judged, Settings};
use simgate::report::{Style, duration, interval, overview_table, percent, signed_percent};

use super::{Project, matching, named, say};

/// Show how far predictions lie from recordings
///
/// A row for each case and each of TTFT, TBT and the time of whole steps at p50, p90 and p99; below them the
/// largest error of each. Nothing is written, and no snapshot is looked at.
///
/// Example: simgate errors h200 --markdown
#[derive(Debug, Args)]
pub struct Errors {
    /// Only cases whose name contains this
    filter: Option<String>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    project: Project,
}

const HEADER: [&str; 9] =
    ["case", "figure", "real", "sim", "error", "interval", "noise", "kappa", "tolerance"];

impl Errors {
    /// Judges and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let mut rows = Vec::new();
        let mut worst: Vec<(String, f64, String)> = Vec::new();
        let mut devices: Vec<String> = Vec::new();
        for file in &matching(&gate, self.filter.as_deref())? {
            if gate.skips(file).is_some() || !gate.is_predicted(file)? {
                continue;
            }
            let judged = match gate.judge_fault(file, None) {
                Ok(judged) => judged,
                Err(error) => {
                    let mut row = vec![file.name.clone(), format!("refused: {error}")];
                    row.resize(HEADER.len(), "-".to_owned());
                    rows.push((row, None));
                    continue;
                }
            };
            for (figure, error, row) in figures(&file.name, &judged) {
                rows.push((row, None));
                match worst.iter_mut().find(|(of, ..)| *of == figure) {
                    None => worst.push((figure, error, file.name.clone())),
                    Some(worst) if error.abs() > worst.1.abs() => {
                        (worst.1, worst.2) = (error, file.name.clone());
                    }
                    Some(_) => {}
                }
            }
            devices.extend(judged.device.filter(|device| !devices.contains(device)));
        }
        anyhow::ensure!(!rows.is_empty(), "no case{} is predicted", named(self.filter.as_deref()));
        let style = if self.markdown { Style::Markdown } else { Style::Plain };
        say!("{}", overview_table(&HEADER, &rows, style));
        let worst: Vec<_> = worst
            .into_iter()
            .map(|(figure, error, case)| (vec![figure, signed_percent(error), case], None))
            .collect();
        say!("{}", overview_table(&["figure", "largest error", "case"], &worst, style));
        let commit = simgate::COMMIT.unwrap_or("unknown commit");
        say!("{}; simgate {commit}", devices.join(", "));
        Ok(0)
    }
}

/// (figure, error, row) of everything that the table has of a case.
fn figures(case: &str, judged: &Judged) -> Vec<(String, f64, Vec<String>)> {
    let mut all = Vec::new();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut row = |name: String, [real, sim]: [f64; 2], error: f64, rest: [Option<String>; 4]| {
        let numbers = [duration(real), duration(sim), signed_percent(error)];
        let mut row = vec![case.to_owned(), name.clone()];
        row.extend(numbers.into_iter().chain(rest.map(or_dash)));
        all.push((name, error, row));
    };
    let noise = |noise: Option<f64>| noise.map(|noise| percent(noise.exp_m1()));
    for f in &judged.comparison.figures {
        if matches!(f.figure.metric, Metric::Ttft | Metric::Tbt) {
            let rest = [
                f.interval().map(interval),
                noise(f.noise),
                f.kappa.map(|kappa| format!("{kappa:.2}")),
                f.tolerance.map(|tolerance| percent(tolerance.fraction())),
            ];
            row(f.figure.to_string(), [f.real_ns, f.sim_ns], f.error(), rest);
        }
    }
    for step in &judged.steps {
        let rest = [Some(interval(step.interval())), noise(step.noise), None, None];
        let name = format!("step.{}", step.percentile.as_str());
        row(name, [step.real_ns, step.sim_ns], step.error(), rest);
    }
    all
}
