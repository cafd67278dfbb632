//! `simgate accept`: takes recordings as baselines.

use std::path::PathBuf;

use clap::Args;
use simgate::gate::{Gate, RECORDING, Settings};
use simgate::report::{Report, Style, Times};

use super::{CaseFile, Project, one_case, say};

/// Take recordings as the baselines of their cases
///
/// Shows old against new first: the same engine measured twice, with the interval of the difference.
///
/// Example: simgate accept cpu/spaced --reason "new attention kernel"
#[derive(Debug, Args)]
pub struct Accept {
    /// The cases, by name or file
    #[arg(required = true, value_name = "CASE")]
    names: Vec<String>,
    /// Where the recordings lie: the folder that `simgate record` wrote to
    #[arg(long, value_name = "DIR", default_value = "recordings")]
    from: PathBuf,
    /// Why the baselines change, where the recordings do not say
    #[arg(long)]
    reason: Option<String>,
    /// Take recordings of a build whose tree had uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
    /// Only show old against new
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    project: Project,
}

impl Accept {
    /// Shows what changes, then moves. All recordings are checked before the first one moves.
    pub fn run(&self) -> anyhow::Result<u8> {
        let gate = self.project.gate(Settings::from_env())?;
        let mut acceptances = Vec::new();
        for name in &self.names {
            let file = one_case(&gate, name)?;
            acceptances.push((self.acceptance(&gate, &file)?, file));
        }
        for (acceptance, file) in acceptances {
            match &acceptance.change {
                Ok(change) => {
                    let report = Report {
                        title: &file.name,
                        verdict: change.verdict(),
                        comparison: change,
                        notes: &[],
                        beside: Vec::new(),
                    };
                    let details = report.details(Times::Rounded, Style::of_stdout());
                    say!("{}: the old baseline (real) against the new one (sim)", file.name);
                    say!("{}", details.trim_end());
                }
                Err(reason) => say!("{}: nothing to compare with: {reason}", file.name),
            }
            if !self.dry_run {
                let place = acceptance.accept()?;
                say!("{}: accepted in {}", file.name, place.display());
            }
        }
        if !self.dry_run {
            say!("`simgate check` now shows new figures: look at them with `cargo insta review`");
        }
        Ok(0)
    }

    fn acceptance(
        &self,
        gate: &Gate,
        file: &CaseFile,
    ) -> anyhow::Result<simgate::gate::Acceptance> {
        let from = std::path::absolute(&self.from)?;
        // The recording itself may be named, too.
        let inside = from.join(&file.relative);
        let dir = if from.join(RECORDING).is_file() { from } else { inside };
        Ok(gate.acceptance(file, &dir, self.reason.as_deref(), self.allow_dirty)?)
    }
}
