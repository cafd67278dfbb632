//! `simgate power`: can each case fail?

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, ensure};
use clap::Args;
use simgate::compare::CasePower;
use simgate::gate::{CaseFile, Gate, Settings};
use simgate::report::{
    PowerJson, Style, killed_by_none, not_killed, overview_table, percent, power_matrix,
    power_rates,
};
use simgate::stats::at_most;

use super::progress::Bar;
use super::{OUTSIDE, Project, USAGE, WITHIN, chain, matching, named, say, write_json};

/// Show whether each case can fail: inject faults into its sim side and see which it notices
///
/// Prints the matrix of faults and cases, what was not killed, how often each case would be red for nothing, and
/// the smallest shift that it detects. A fault is killed where the case is outside, or refuses the sim side. Exits
/// with 1 for a case that kills nothing, or that is red without a fault; negative controls are exempt.
///
/// Example: simgate power h200 --json power.json
#[derive(Debug, Args)]
pub struct Power {
    /// Only cases whose name contains this
    filter: Option<String>,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Count false alarms among recordings made since, such as those of a night: how many of their processes lie
    /// outside of the baseline
    #[arg(long, value_name = "DIR")]
    held_out: Option<PathBuf>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    project: Project,
}

impl Power {
    /// Injects and prints.
    pub fn run(&self) -> anyhow::Result<u8> {
        // What was recorded is judged, whatever the environment asks of the gate.
        let settings = Settings { live: false, ..Settings::from_env() };
        let gate = self.project.gate(settings)?;
        let (files, skipped): (Vec<_>, Vec<_>) = matching(&gate, self.filter.as_deref())?
            .into_iter()
            .partition(|file| gate.skips(file).is_none());
        ensure!(!files.is_empty(), "no case{} can be judged here", named(self.filter.as_deref()));
        if let Some(dir) = &self.held_out {
            return held_out(&gate, &files, dir);
        }
        let (cases, errors) = all(&gate, &files);
        if let ([], [error, ..]) = (&cases[..], &errors[..]) {
            anyhow::bail!("{}", chain(error));
        }
        let style = if self.markdown { Style::Markdown } else { Style::Plain };
        say!("{}", power_matrix(&cases, style));
        say!("killed by no case: {}\n", killed_by_none(&cases));
        say!("not killed, though applicable:\n{}\n", not_killed(&cases, style));
        say!("red or undecided for nothing:\n{}\n", power_rates(&cases, style));
        for file in &skipped {
            say!("skipped {}: {}", file.name, gate.skips(file).unwrap_or_default());
        }
        if let Some(path) = &self.json {
            write_json(path, &PowerJson::new(&cases, simgate::COMMIT))?;
        }
        let missed: usize = cases.iter().map(|case| case.missed().count()).sum();
        say!("{missed} faults shift a figure by more than its case can detect and are not killed");
        let mut code = WITHIN;
        for error in &errors {
            eprintln!("error: {}", chain(error));
            code = USAGE;
        }
        for case in &cases {
            if case.is_red_already() {
                eprintln!("error: {} is red without a fault: nothing can be told of it", case.case);
                code = code.max(OUTSIDE);
            } else if case.kills_nothing() {
                eprintln!(
                    "error: {} kills no fault: a case that cannot fail is no check",
                    case.case
                );
                code = code.max(OUTSIDE);
            }
        }
        Ok(code)
    }
}

/// Counts false alarms among recordings under `dir`.
fn held_out(gate: &Gate, files: &[CaseFile], dir: &Path) -> anyhow::Result<u8> {
    let mut rows = Vec::new();
    let (mut trials, mut alarms) = (0, 0);
    let mut row = |case: &str, alarms: usize, trials: usize| {
        let bound = percent(at_most(alarms, trials));
        rows.push((vec![case.to_owned(), format!("{alarms} of {trials}"), bound], None));
    };
    for file in files {
        let found = gate.held_out(file, dir).with_context(|| file.name.clone())?;
        if found.trials > 0 {
            row(&file.name, found.alarms, found.trials);
            (trials, alarms) = (trials + found.trials, alarms + found.alarms);
        }
    }
    ensure!(trials > 0, "{}: there is no recording of any of these cases", dir.display());
    row("all", alarms, trials);
    say!("{}", overview_table(&["case", "red processes", "at most"], &rows, Style::of_stdout()));
    Ok(WITHIN)
}

/// The power of all cases, on as many threads as there are cores, and what kept others from it.
fn all(gate: &Gate, files: &[CaseFile]) -> (Vec<CasePower>, Vec<anyhow::Error>) {
    let (bar, next) = (Bar::new(), AtomicUsize::new(0));
    let (done, found) = mpsc::channel();
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver lives as long as the scope.
                    let _ = done.send(gate.power(file).with_context(|| file.name.clone()));
                }
            });
        }
        drop(done);
        for power in found {
            match power {
                Ok(power) => cases.push(power),
                Err(error) => errors.push(error),
            }
            let count = cases.len() + errors.len();
            bar.show("power", "faults", count as u64, files.len() as u64);
        }
    });
    bar.clear();
    cases.sort_by(|a, b| a.case.cmp(&b.case));
    (cases, errors)
}
