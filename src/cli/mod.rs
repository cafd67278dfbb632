//! Arguments, output and exit codes of the `simgate` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod compare;
mod new;

/// Exit codes: 0 within, 1 outside, 2 usage or input error, 3 undecided.
const USAGE: u8 = 2;

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
    /// Print the JSON Schema of a case file
    ///
    /// Example: simgate schema > cases/case.schema.json
    Schema,
}

/// Runs the command; every error is one message on standard error and exit code 2.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check(check) => check.run(),
        Command::Compare(compare) => compare.run(),
        Command::New(new) => new.run(),
        Command::Schema => {
            print!("{}", simgate::case::schema::json_schema());
            Ok(0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(USAGE)
        }
    }
}
