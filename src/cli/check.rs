//! `simgate check`: the gate without cargo.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use rayon::prelude::*;
use simgate::case::Case;
use simgate::gate::{CaseFile, Outcome, Settings};
use simgate::report::{self, Style, Times};

use super::outcomes::{json, overview};
use super::progress::Bar;
use super::{OUTSIDE, UNDECIDED, USAGE, WITHIN, say, write_json};

/// Run the gate: judge every case and check its snapshot
///
/// Example: simgate check synthetic --out report
#[derive(Debug, Args)]
pub struct Check {
    /// Only cases whose name contains this (`h100::qwen3`, or as a path, `h100/qwen3`)
    filter: Option<String>,
    /// Print the names of the cases, after checking their files, and run nothing
    #[arg(long)]
    list: bool,
    /// Run real sides anew instead of replaying their recordings
    #[arg(long)]
    live: bool,
    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a comparison directory for each case
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    project: super::Project,
}

impl Check {
    /// Runs the gate and prints an overview, then what is red.
    pub fn run(&self) -> anyhow::Result<u8> {
        let mut settings = Settings::from_env();
        settings.live |= self.live;
        settings.distances = self.out.is_some();
        let live = settings.live;
        let gate = self.project.gate(settings)?;
        let all = gate.case_files()?;
        let files = self.selected(&all)?;
        if self.list {
            return list(&files);
        }
        let (files, skipped): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| gate.skips(file).is_none());
        let bar = Bar::new();
        let check = |file: &&CaseFile| {
            gate.check_with(file, &|what, done, all| bar.show(&file.name, what, done, all))
        };
        // What is measured now has the machine to itself.
        let outcomes: Vec<Outcome> = match live {
            true => files.iter().map(check).collect(),
            false => in_parallel(&files, check),
        };
        bar.clear();
        let skipped: Vec<_> =
            skipped.into_iter().filter_map(|file| Some((file, gate.skips(file)?))).collect();
        print(&outcomes, &skipped);
        for (outcome, file) in outcomes.iter().zip(&files) {
            if let (Some(out), Ok(judged)) = (&self.out, &outcome.judged) {
                let dir = out.join(&file.relative);
                report::write(&judged.report(&outcome.name), &dir)?;
            }
        }
        if let Some(path) = &self.json {
            write_json(path, &json(&outcomes))?;
        }
        let summary = format!("## simgate\n\n{}\n", overview(&outcomes, Style::Markdown));
        report::add_to_step_summary(&summary).context("cannot write the job's summary")?;
        // A gate that judged nothing must not look like one that holds.
        if outcomes.is_empty() {
            bail!("every case that was selected is skipped: nothing was judged");
        }
        let mut codes: Vec<u8> = outcomes.iter().map(Outcome::exit_code).collect();
        let pairing = if self.filter.is_none() { gate.check_pairing() } else { Ok(()) };
        if let Err(error) = pairing {
            eprintln!("error: {error}");
            codes.push(OUTSIDE);
        }
        Ok(codes.into_iter().max_by_key(|code| severity(*code)).unwrap_or(WITHIN))
    }

    fn selected<'a>(&self, all: &'a [CaseFile]) -> anyhow::Result<Vec<&'a CaseFile>> {
        let Some(filter) = &self.filter else { return Ok(all.iter().collect()) };
        let matches = |file: &&CaseFile| {
            file.name.contains(filter)
                || file.relative.contains(filter)
                || file.path.ends_with(filter)
        };
        let files: Vec<_> = all.iter().filter(matches).collect();
        if files.is_empty() {
            bail!("no case matches `{filter}`: `simgate check --list` prints all {}", all.len());
        }
        Ok(files)
    }
}

/// The outcomes in the order of `files`. Each thread takes the next case when it is done with one: they differ in length
/// by far.
fn in_parallel(
    files: &[&CaseFile],
    check: impl Fn(&&CaseFile) -> Outcome + Sync + Send,
) -> Vec<Outcome> {
    let cases = files.iter().enumerate().par_bridge();
    let mut outcomes: Vec<_> = cases.map(|(place, file)| (place, check(file))).collect();
    outcomes.sort_by_key(|outcome| outcome.0);
    outcomes.into_iter().map(|outcome| outcome.1).collect()
}

/// Which exit code wins over several cases: 2 before 1 before 3 before 0.
fn severity(code: u8) -> u8 {
    match code {
        USAGE => 3,
        OUTSIDE => 2,
        UNDECIDED => 1,
        _ => 0,
    }
}

fn list(files: &[&CaseFile]) -> anyhow::Result<u8> {
    let mut faulty = WITHIN;
    for file in files {
        match Case::read(&file.path) {
            Ok(_) => say!("{}", file.name),
            Err(error) => {
                faulty = USAGE;
                eprintln!("{error}");
            }
        }
    }
    Ok(faulty)
}

fn print(outcomes: &[Outcome], skipped: &[(&CaseFile, &str)]) {
    let style = Style::of_stdout();
    say!("{}", overview(outcomes, style));
    // What was measured just now stands in no snapshot, so it is always shown.
    let live = |outcome: &&Outcome| outcome.judged.as_ref().is_ok_and(|judged| judged.live);
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed() || live(outcome)) {
        let reasons = match outcome.reasons() {
            reasons if reasons.is_empty() => outcome.word().to_owned(),
            reasons => reasons.join("\n"),
        };
        say!("\n{}: {reasons}", outcome.name);
        if let Ok(judged) = &outcome.judged {
            let details = judged.report(&outcome.name).details(Times::Rounded, style);
            say!("{}", details.trim_end());
        }
        if let Some(blame) = outcome.blame() {
            say!("{blame}");
        }
        if let Some(annotation) = outcome.annotation() {
            say!("{annotation}");
        }
    }
    if !skipped.is_empty() {
        say!();
    }
    for (file, reason) in skipped {
        say!("skipped {}: {reason}", file.name);
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed()).count();
    let skipped =
        if skipped.is_empty() { String::new() } else { format!(", {} skipped", skipped.len()) };
    say!("\n{passed} passed, {} failed{skipped}", outcomes.len() - passed);
}
