//! What people and programs read of a comparison: terminal table, `summary.md`, CSV tables, SVG
//! curves, JSON, and the directory that holds them.

mod cdf;
mod csv;
mod directory;
mod github;
mod json;
mod number;
mod page;
mod pareto;
mod power;
mod summary;
mod table;
mod trace;
mod waterfall;

pub use directory::{MARKER, write};
pub use github::{add_to_step_summary, annotation, on_github};
pub use json::{CaseJson, CheckJson, DistanceJson, FigureJson};
pub use number::{duration, interval, percent, signed_percent, significant};
pub use page::Page;
pub use pareto::{ParetoPoint, pareto};
pub use power::{PowerJson, killed_by_none, not_killed, power_matrix, power_rates};
pub use table::{Style, Times, overview_table};
use table::{distances_table, figures_table};
pub use trace::trace;
pub use waterfall::waterfall;

use crate::compare::{Advice, CaseVerdict, Comparison, DistanceResult};

/// A comparison with its name and what else a reader must know.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The case, or the two directories.
    pub title: &'a str,
    /// What it comes to, everything beside it included.
    pub verdict: CaseVerdict,
    /// What was compared.
    pub comparison: &'a Comparison,
    /// Remarks, such as checks that were skipped.
    pub notes: &'a [String],
    /// Comparisons to show beside it, each with what it is.
    pub beside: Vec<(String, &'a Comparison)>,
}

impl Report<'_> {
    /// Everything to say beside the figures, one sentence each.
    pub fn remarks(&self) -> Vec<String> {
        let c = self.comparison;
        let mut remarks = Vec::new();
        let mut counted = |n: usize, text: &str| {
            if n > 0 {
                let requests = if n == 1 { "request" } else { "requests" };
                remarks.push(format!("{n} {requests} {text}"));
            }
        };
        counted(c.structure.status.len(), "ended differently on the two sides or between repeats");
        counted(
            c.structure.tokens.len(),
            "got other numbers of tokens than asked for, or than on the other side or in other repeats",
        );
        counted(c.not_ok, "failed alike in every run and take no part");
        counted(
            c.cut,
            "stopped early on the real side: their sim tokens are cut to the real count",
        );
        counted(c.of_one_token, "of one token: no TPOT");
        counted(c.without_token, "without a token: no TTFT");
        for (what, ids) in [("status", &c.structure.status), ("token count", &c.structure.tokens)] {
            if !ids.is_empty() {
                remarks.push(format!("{what} differs: requests {}", crate::compare::list_ids(ids)));
            }
        }
        remarks.extend(c.structure.plan.clone());
        for (metric, reason) in &c.unavailable {
            remarks.push(format!("{} refused: {reason}", metric.title()));
        }
        if let Some(reason) = &c.boundary_mismatch {
            let (real, sim) = (c.real.boundary, c.sim.boundary);
            remarks.push(format!("timed at unlike boundaries ({real} against {sim}): {reason}"));
        }
        if c.real.assumed {
            remarks.push("no real run names its process: each is taken for one".to_owned());
        }
        for figure in &c.figures {
            if let Some(advice) = figure.advice {
                remarks.push(format!("{} is undecided: {}", figure.figure, self::advice(advice)));
            }
        }
        for (label, figures) in &c.outliers {
            let figures: Vec<String> = figures.iter().map(ToString::to_string).collect();
            remarks.push(format!("{label} is an outlier in {}; it counts", figures.join(", ")));
        }
        remarks.extend(self.notes.iter().cloned());
        remarks
    }

    /// The whole comparison as text: what it rests on, all figures, all remarks.
    pub fn details(&self, times: Times, style: Style) -> String {
        let table = figures_table(self.comparison, times, style);
        let mut text = format!("{}\n{table}\n", basis(self.comparison));
        let gated = |d: &&DistanceResult| d.verdict.is_some();
        let gated: Vec<_> = self.comparison.distances.iter().filter(gated).collect();
        if !gated.is_empty() {
            text.push_str(&format!("\n{}\n", distances_table(&gated, style)));
        }
        for (title, comparison) in &self.beside {
            let table = figures_table(comparison, times, style);
            text.push_str(&format!("{title}: {}\n{table}\n", basis(comparison)));
        }
        self.remarks().iter().for_each(|remark| text.push_str(&format!("- {remark}\n")));
        text
    }
}

/// How many runs stand behind each side.
fn basis(c: &Comparison) -> String {
    let counted = |n: usize, what: &str, plural: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {plural}"),
    };
    format!(
        "{} requests; real {} of {}, sim {}; timed at the {}",
        c.requests,
        counted(c.real.repeats, "run", "runs"),
        counted(c.real.processes, "process", "processes"),
        counted(c.sim.repeats, "run", "runs"),
        c.real.boundary
    )
}

/// What would decide an undecided figure.
pub fn advice(advice: Advice) -> String {
    match advice {
        Advice::Processes(n) => format!("record it anew with {n} processes"),
        Advice::Seeds(m) => format!("simulate {m} seeds"),
        Advice::Both(n, m) => format!("record it anew with {n} processes and simulate {m} seeds"),
        Advice::AtTolerance => {
            "the error sits at the tolerance, which no number of processes would decide".to_owned()
        }
        Advice::TooNoisy => {
            "the scatter between processes is too wide for 100 of them to decide".to_owned()
        }
        Advice::Recording => "one live process cannot decide it; its recording may".to_owned(),
    }
}
