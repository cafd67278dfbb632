//! The cases of this repository, one test each.

use std::process::ExitCode;

fn main() -> ExitCode {
    simgate::Gate::new("cases").baselines("baselines").main()
}
