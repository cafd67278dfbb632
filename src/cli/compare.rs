//! `simgate compare`: two run directories side by side.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use simgate::case::{Case, parse_tolerance};
use simgate::compare::{CaseVerdict, Rules, Tolerance, Tolerances, Verdict, compare};
use simgate::gate::{Gate, load_recorded};
use simgate::report::{self, Report, Style, Times};
use simgate::run::Boundary;

use super::{OUTSIDE, UNDECIDED, WITHIN, say};

/// Compare two recorded runs, or two folders of repeats
///
/// Without a tolerance there are no verdicts and the exit code is 0.
///
/// Example: simgate compare runs/real runs/sim --tolerance 5% --boundary engine
#[derive(Debug, Args)]
pub struct Compare {
    /// The side that is believed: a run directory, or a folder of repeats
    real: PathBuf,
    /// The side that is judged
    sim: PathBuf,
    /// Take workload, engine, boundaries and tolerances from a case file
    #[arg(long, value_name = "FILE", conflicts_with = "tolerance")]
    case: Option<PathBuf>,
    /// Hold every figure that both sides have to this
    #[arg(long, value_name = "PERCENT", value_parser = parse_tolerance, allow_hyphen_values = true)]
    tolerance: Option<Tolerance>,
    /// Where runs without run_meta.json were timed
    #[arg(long)]
    boundary: Option<BoundaryArg>,
    /// Write a comparison directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BoundaryArg {
    Engine,
    Server,
    Client,
}

impl From<BoundaryArg> for Boundary {
    fn from(boundary: BoundaryArg) -> Self {
        match boundary {
            BoundaryArg::Engine => Self::Engine,
            BoundaryArg::Server => Self::Server,
            BoundaryArg::Client => Self::Client,
        }
    }
}

impl Compare {
    /// Compares, prints, and writes the directory if asked.
    pub fn run(&self) -> anyhow::Result<u8> {
        let boundary = self.boundary.map(Boundary::from);
        if let Some(path) = &self.case {
            let here = std::env::current_dir().context("cannot read the working directory")?;
            let judged = Gate::new(here.join("cases")).judge_recordings(
                Case::read(path)?,
                [&here.join(&self.real), &here.join(&self.sim)],
                boundary,
            )?;
            let title = self.title();
            self.print(&judged.report(&title))?;
            return Ok(judged.exit_code());
        }
        let load = |dir| {
            load_recorded(dir, boundary).context("say it with --boundary, if that is missing")
        };
        let real = load(&self.real)?;
        let sim = load(&self.sim)?;
        let rules = Rules {
            tolerances: self.tolerance.map_or(Tolerances::None, Tolerances::Blanket),
            ..Rules::default()
        };
        let comparison = compare(&real.side, &sim.side, &rules)?;
        let notes: Vec<String> = real.notes.into_iter().chain(sim.notes).collect();
        let title = self.title();
        self.print(&Report {
            title: &title,
            verdict: comparison.verdict(),
            comparison: &comparison,
            notes: &notes,
            beside: Vec::new(),
        })?;
        Ok(match comparison.verdict() {
            _ if self.tolerance.is_none() => WITHIN,
            CaseVerdict::StructureOnly | CaseVerdict::Judged(Verdict::Within) => WITHIN,
            CaseVerdict::Judged(Verdict::Undecided) => UNDECIDED,
            CaseVerdict::Judged(Verdict::Outside) => OUTSIDE,
        })
    }

    fn title(&self) -> String {
        format!("{} against {}", self.sim.display(), self.real.display())
    }

    fn print(&self, report: &Report<'_>) -> anyhow::Result<()> {
        say!("{}", report.details(Times::Exact, Style::of_stdout()).trim_end());
        if let Some(out) = &self.out {
            report::write(report, out)?;
            say!("report: {}", out.join("summary.md").display());
        }
        Ok(())
    }
}
