//! Arguments, output and exit codes of the `simgate` command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use simgate::files::write_file;
use simgate::gate::{CaseFile, Gate, Settings};

mod accept;
#[cfg(feature = "candle")]
mod bench;
mod capacity;
mod check;
mod compare;
mod errors;
mod explain;
mod latencies;
mod new;
mod outcomes;
mod power;
#[cfg(feature = "candle")]
mod profile;
mod progress;
#[cfg(feature = "candle")]
mod record;
mod report;
mod serve;
mod spread;
mod trace;
mod vidur;

/// Exit code of a gate that holds.
const WITHIN: u8 = 0;
/// Exit code of a case that is outside, or whose snapshot differs.
const OUTSIDE: u8 = 1;
/// Exit code of a usage or input error.
const USAGE: u8 = 2;
/// Exit code of a case that cannot be decided.
const UNDECIDED: u8 = 3;

/// Prints a line. Whoever closed our output has read enough: that is no error.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}
use say;

/// Gates LLM-inference simulators on fidelity.
///
/// Exit codes: 0 within, 1 outside, 2 usage or input error, 3 undecided.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Compare(compare::Compare),
    New(new::New),
    Workload(serve::WorkloadCommand),
    Real(serve::Real),
    Sim(serve::Sim),
    #[cfg(feature = "candle")]
    Profile(profile::Profile),
    #[cfg(feature = "candle")]
    Record(record::Record),
    #[cfg(feature = "candle")]
    #[command(hide = true)]
    RecordProcess(record::RecordProcess),
    Accept(accept::Accept),
    Spread(spread::SpreadCommand),
    Errors(errors::Errors),
    Explain(explain::Explain),
    Ablations(explain::Ablations),
    Power(power::Power),
    Capacity(capacity::Capacity),
    Report(report::ReportCommand),
    Trace(trace::Trace),
    Vidur(vidur::VidurCommand),
    #[cfg(feature = "candle")]
    Bench(bench::Bench),
    /// Print the JSON Schema of a case file
    ///
    /// Example: simgate schema > cases/case.schema.json
    Schema,
}

/// Folders of a project, from the working directory.
#[derive(Debug, Args)]
struct Project {
    /// Folder of cases
    #[arg(long, value_name = "DIR", default_value = "cases")]
    cases: PathBuf,
    /// Folder of baselines and snapshots
    #[arg(long, value_name = "DIR", default_value = "baselines")]
    baselines: PathBuf,
}

impl Project {
    /// Its gate.
    fn gate(&self, settings: Settings) -> anyhow::Result<Gate> {
        // From the working directory, also under `cargo run`.
        let here = std::env::current_dir().context("cannot read the working directory")?;
        let gate = Gate::new(here.join(&self.cases)).baselines(here.join(&self.baselines));
        Ok(gate.settings(settings))
    }
}

/// The one case that `name` stands for: its name, its place under `cases/`, or its file.
fn one_case(gate: &Gate, name: &str) -> anyhow::Result<CaseFile> {
    let files = gate.case_files()?;
    let given = std::path::absolute(name).unwrap_or_default();
    let is_meant = |f: &CaseFile| f.name == name || f.relative == name || f.path == given;
    match files.iter().position(is_meant) {
        Some(place) => Ok(files[place].clone()),
        None => {
            bail!("no case is called `{name}`: `simgate check --list` prints all {}", files.len())
        }
    }
}

/// The cases whose name or file contains `filter`.
fn matching(gate: &Gate, filter: Option<&str>) -> anyhow::Result<Vec<CaseFile>> {
    let filter = filter.unwrap_or_default();
    let mut files = gate.case_files()?;
    files.retain(|file| file.name.contains(filter) || file.relative.contains(filter));
    Ok(files)
}

/// How cases that a filter chose are spoken of.
fn named(filter: Option<&str>) -> String {
    filter.map(|filter| format!(" with `{filter}` in its name")).unwrap_or_default()
}

/// Writes a document for programs.
fn write_json(path: &Path, document: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(write_file(path, text.as_bytes())?)
}

/// An error and its causes; a message that holds its cause already is not continued by it.
fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match &text[..] {
            "" => cause,
            told if told.contains(&cause) => text,
            told => format!("{told}: {cause}"),
        }
    })
}

/// Runs the command; every error is one message on standard error and exit code 2.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check(check) => check.run(),
        Command::Accept(accept) => accept.run(),
        Command::Spread(spread) => spread.run(),
        Command::Compare(compare) => compare.run(),
        Command::New(new) => new.run(),
        Command::Workload(workload) => workload.run(),
        Command::Real(real) => real.run(),
        Command::Sim(sim) => sim.run(),
        Command::Errors(errors) => errors.run(),
        Command::Explain(explain) => explain.run(),
        Command::Ablations(ablations) => ablations.run(),
        Command::Power(power) => power.run(),
        Command::Capacity(capacity) => capacity.run(),
        Command::Report(report) => report.run(),
        Command::Trace(trace) => trace.run(),
        Command::Vidur(vidur) => vidur.run(),
        #[cfg(feature = "candle")]
        Command::RecordProcess(process) => process.run(),
        #[cfg(feature = "candle")]
        Command::Profile(profile) => profile.run(),
        #[cfg(feature = "candle")]
        Command::Record(record) => record.run(),
        #[cfg(feature = "candle")]
        Command::Bench(bench) => bench.run(),
        Command::Schema => {
            say!("{}", simgate::case::schema::json_schema().trim_end());
            Ok(WITHIN)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::from(USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_of_every_command_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
