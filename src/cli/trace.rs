//! `simgate trace`: the steps of both sides on one timeline.

use std::path::PathBuf;

use clap::Args;
use simgate::files::write_file;
use simgate::gate::Settings;
use simgate::report;
use simgate::study::Fault;

use super::explain::of_steps;
use super::{Project, WITHIN, one_case, say};

/// Write the step timelines of both sides of a case as one trace for Perfetto or Chrome
///
/// The real side is its repeat with timed steps, where it has one, the sim side its first seed. Open the file on
/// https://ui.perfetto.dev or chrome://tracing.
///
/// Example: simgate trace h200/qwen3-0.6b/spaced-2s --out trace.json
#[derive(Debug, Args)]
pub struct Trace {
    /// The case, by name or file
    case: String,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Give the simulator a fault, such as no-host
    #[arg(long, value_parser = of_steps)]
    fault: Option<Fault>,
    #[command(flatten)]
    project: Project,
}

impl Trace {
    /// Serves and writes.
    pub fn run(&self) -> anyhow::Result<u8> {
        // What was recorded is shown, whatever the environment asks of the gate.
        let settings = Settings { live: false, ..Settings::from_env() };
        let gate = self.project.gate(settings)?;
        let file = one_case(&gate, &self.case)?;
        let [(real_label, real), (sim_label, sim)] = gate.timelines(&file, self.fault)?;
        let names = [format!("real: {real_label}"), format!("sim: {sim_label}")];
        let trace = report::trace(&file.name, &[(&names[0], &real), (&names[1], &sim)]);
        write_file(&self.out, serde_json::to_string(&trace)?.as_bytes())?;
        let (steps, path) = ([real.steps.len(), sim.steps.len()], self.out.display());
        say!("{} real and {} simulated steps in {path}", steps[0], steps[1]);
        Ok(WITHIN)
    }
}
