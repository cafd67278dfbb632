//! `simgate explain` and `simgate ablations`: what the error of a simulator comes from, and what each part of its
//! prediction is worth.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use simgate::case::Case;
use simgate::compare::{CaseVerdict, Figure, Metric, Percentile};
use simgate::gate::{CaseFile, Gate, Judged, Settings};
use simgate::report::{Style, overview_table, signed_percent, waterfall};
use simgate::study::{Explained, Fault, Part, blamed_beyond, culprit};

use super::{Project, matching, named, one_case, say};

/// Show where the error of a case comes from
///
/// Replaces one part of the prediction after another by what the recording's repeat with timed steps shows: which
/// requests each step serves, how long the GPU works, how long the host does, and when a step begins. A part's
/// share is the mean over all orders of what replacing it changes. The rest is how far that repeat lies from the
/// others.
///
/// Example: simgate explain h200/qwen3-0.6b/burst
#[derive(Debug, Args)]
pub struct Explain {
    /// The case, by name or file
    case: String,
    /// Give the simulator a fault, such as no-host, to see it named
    #[arg(long, value_parser = of_steps)]
    fault: Option<Fault>,
    /// Write a waterfall of every figure to DIR, as SVG
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    project: Project,
}

/// A fault of how steps are predicted or planned.
pub fn of_steps(name: &str) -> Result<Fault, String> {
    let names = || Fault::all().filter(|(fault, _)| fault.is_of_steps()).map(|(_, name)| name);
    match name.parse() {
        Ok(fault) if Fault::is_of_steps(fault) => Ok(fault),
        _ => Err(format!("expected one of {}", names().collect::<Vec<&str>>().join(", "))),
    }
}

impl Explain {
    /// Explains and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let file = one_case(&gate, &self.case)?;
        let explained = gate.explain(&file, self.fault)?;
        let tolerances = Case::read(&file.path)?.tolerances;
        let limit = |e: &Explained| blamed_beyond(e, &explained, &tolerances);
        let rows: Vec<_> = explained.iter().map(|e| (row(e, limit(e)), None)).collect();
        say!("{}", overview_table(&HEADER, &rows, Style::of_stdout()));
        match culprit(&explained, &tolerances) {
            Some(part) => say!("most of the error: {}", part.as_str()),
            None => say!("no figure is farther off than its tolerance: nothing to blame"),
        }
        if let Some(out) = &self.out {
            std::fs::create_dir_all(out)
                .with_context(|| format!("cannot create {}", out.display()))?;
            for e in &explained {
                let path = out.join(format!("{}.svg", e.figure));
                let svg = waterfall(&e.figure.to_string(), &bars(e));
                let svg = svg.map_err(anyhow::Error::msg).context("cannot draw a waterfall")?;
                std::fs::write(&path, svg)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            say!("{} waterfalls in {}", explained.len(), out.display());
        }
        Ok(0)
    }
}

const HEADER: [&str; 9] = [
    "figure",
    "error",
    "plan composition",
    "GPU time",
    "host spans",
    "queueing",
    "rest",
    "all known",
    "culprit",
];

fn row(e: &Explained, limit: f64) -> Vec<String> {
    let share = |log: f64| signed_percent(log.exp_m1());
    let mut row = vec![e.figure.to_string(), share(e.error)];
    row.extend(e.shares.map(share));
    row.extend([share(e.remainder), share(e.reproduced)]);
    row.push(e.culprit(limit).map_or("-", Part::as_str).to_owned());
    row
}

/// What a waterfall shows.
fn bars(e: &Explained) -> Vec<(String, f64)> {
    let parts = Part::ALL.into_iter().zip(e.shares).map(|(part, share)| (part.as_str(), share));
    let all = parts.chain([("rest", e.remainder)]);
    all.map(|(name, share)| (name.to_owned(), share)).collect()
}

/// Show what each part of the prediction is worth
///
/// Judges every case that is predicted from a profile of a GPU once as it is, and once with each part left out or
/// replaced by what other simulators have. Nothing is written.
///
/// Example: simgate ablations h200
#[derive(Debug, Args)]
pub struct Ablations {
    /// Only cases whose name contains this
    filter: Option<String>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    project: Project,
}

impl Ablations {
    /// Judges and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let ablations = Fault::all().filter(|(fault, _)| matches!(fault, Fault::Ablated(_)));
        let faults: Vec<(Option<Fault>, &str)> = std::iter::once((None, "as it is"))
            .chain(ablations.map(|(fault, name)| (Some(fault), name)))
            .collect();
        let mut rows = Vec::new();
        for file in &matching(&gate, self.filter.as_deref())? {
            if gate.skips(file).is_some() || !gate.has_parts(file)? {
                continue;
            }
            for (fault, name) in &faults {
                rows.push((ablated(&gate, file, *fault, name), None));
            }
        }
        anyhow::ensure!(
            !rows.is_empty(),
            "no case{} is predicted from a profile of a GPU",
            named(self.filter.as_deref())
        );
        let style = if self.markdown { Style::Markdown } else { Style::Plain };
        let header = [
            "case",
            "prediction",
            "ttft.p50",
            "ttft.p90",
            "ttft.p99",
            "tbt.p50",
            "tbt.p90",
            "tbt.p99",
            "verdict",
        ];
        say!("{}", overview_table(&header, &rows, style));
        Ok(0)
    }
}

/// A row of errors; a prediction that is refused says why.
fn ablated(gate: &Gate, file: &CaseFile, fault: Option<Fault>, name: &str) -> Vec<String> {
    let mut row = vec![file.name.clone(), name.to_owned()];
    match gate.judge_fault(file, fault) {
        Ok(judged) => {
            row.extend(errors(&judged));
            row.push(match judged.verdict() {
                CaseVerdict::Judged(verdict) => verdict.as_str().to_owned(),
                CaseVerdict::StructureOnly => "structure only".to_owned(),
            });
        }
        Err(error) => {
            row.extend(std::iter::repeat_n("-".to_owned(), 6));
            row.push(format!("refused: {error}"));
        }
    }
    row
}

fn errors(judged: &Judged) -> Vec<String> {
    let mut errors = Vec::new();
    for metric in [Metric::Ttft, Metric::Tbt] {
        for percentile in Percentile::ALL {
            let figure = judged.comparison.figure(Figure { metric, percentile });
            errors.push(figure.map_or("-".to_owned(), |f| signed_percent(f.error())));
        }
    }
    errors
}
