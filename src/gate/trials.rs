//! Cases as libtest-mimic trials, by nextest's contract: names only while listing, one case parsed
//! under `--exact`, skipped cases known at list time.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use super::discover::CaseFile;
use super::{Gate, GateError};
use crate::report::{Style, Times};

/// The test that holds snapshots and cases together.
const PAIRING: &str = "snapshots::match-cases";

/// Exit code of a gate that cannot even list its cases.
const USAGE: u8 = 2;

pub(super) fn main(gate: Gate) -> ExitCode {
    let arguments = Arguments::from_args();
    match trials(gate, &arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::from(USAGE)
        }
    }
}

fn trials(gate: Gate, arguments: &Arguments) -> Result<Vec<Trial>, GateError> {
    let gate = Arc::new(gate);
    let mut trials = Vec::new();
    for file in gate.case_files()? {
        if !selected(&file.name, arguments) {
            continue;
        }
        let skipped = gate.skips(&file).is_some();
        let gate = Arc::clone(&gate);
        let name = file.name.clone();
        trials.push(Trial::test(name, move || run(&gate, &file)).with_ignored_flag(skipped));
    }
    trials.push(Trial::test(PAIRING, move || {
        gate.check_pairing().map_err(|error| {
            eprintln!("Error: {error}");
            Failed::from(error)
        })
    }));
    Ok(trials)
}

/// libtest's own rule, applied before a file is opened.
fn selected(name: &str, arguments: &Arguments) -> bool {
    arguments.filter.as_ref().is_none_or(|filter| {
        if arguments.exact { name == filter } else { name.contains(filter.as_str()) }
    })
}

fn run(gate: &Gate, file: &CaseFile) -> Result<(), Failed> {
    let outcome = gate.check(file);
    if outcome.passed() {
        return Ok(());
    }
    // nextest takes the line that starts with `Error: ` as the JUnit message.
    let headline = outcome.headline();
    eprintln!("Error: {}: {headline}", file.name);
    if let Ok(judged) = &outcome.judged {
        eprint!("{}", judged.report(&file.name).details(Times::Rounded, Style::of_stdout()));
    }
    if let Some(blame) = outcome.blame() {
        eprintln!("{blame}");
    }
    if let Some(annotation) = outcome.annotation() {
        eprintln!("{annotation}");
    }
    Err(Failed::from(headline))
}
