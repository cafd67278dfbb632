//! `simgate report`: all cases, and the power of their gate, as files that people and programs read.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use simgate::files::{read_text, write_file};
use simgate::gate::{CaseFile, Outcome, Settings};
use simgate::report::{self, Page, Style};

use super::outcomes::{json, overview};
use super::progress::Bar;
use super::{Project, WITHIN, matching, named, say, write_json};

/// Write a report of all cases: one HTML page, a summary, and a folder a case
///
/// Judges every case with all distances, and writes DIR/index.html, which needs nothing beside it, DIR/summary.md,
/// DIR/check.json, and a comparison directory for each case. The exit code says whether the report was written:
/// `simgate check` says whether the gate holds.
///
/// Example: simgate power --json power.json; simgate report --out report --power power.json
#[derive(Debug, Args)]
pub struct ReportCommand {
    /// Only cases whose name contains this
    filter: Option<String>,
    /// Where to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What `simgate power --json` wrote, to be shown on the page
    #[arg(long, value_name = "FILE")]
    power: Option<PathBuf>,
    /// Run real sides anew instead of replaying their recordings
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    project: Project,
}

impl ReportCommand {
    /// Judges and writes.
    pub fn run(&self) -> anyhow::Result<u8> {
        let mut settings = Settings::from_env();
        settings.live |= self.live;
        settings.distances = true;
        let gate = self.project.gate(settings)?;
        // Read first: a faulty file is no reason to judge everything.
        let power = self.power.as_deref().map(read_power).transpose()?;
        let files = matching(&gate, self.filter.as_deref())?;
        let files: Vec<&CaseFile> = files.iter().filter(|f| gate.skips(f).is_none()).collect();
        if files.is_empty() {
            bail!(
                "no case{} can be judged here: there is nothing to report",
                named(self.filter.as_deref())
            );
        }
        let bar = Bar::new();
        let check = |file: &&CaseFile| {
            gate.check_with(file, &|what, done, all| bar.show(&file.name, what, done, all))
        };
        let outcomes: Vec<Outcome> = files.iter().map(check).collect();
        bar.clear();
        for (outcome, file) in outcomes.iter().zip(&files) {
            if let Ok(judged) = &outcome.judged {
                report::write(&judged.report(&outcome.name), &self.out.join(&file.relative))?;
            }
        }
        let summary = format!("# simgate\n\n{}\n", overview(&outcomes, Style::Markdown));
        write_file(&self.out.join("summary.md"), summary.as_bytes())?;
        let document = json(&outcomes);
        write_json(&self.out.join("check.json"), &document)?;
        let details = outcomes.iter().map(|outcome| {
            let judged = outcome.judged.as_ref().ok();
            let remarks = judged.map(|judged| judged.report(&outcome.name).remarks());
            (remarks.unwrap_or_default(), judged.map(|judged| &judged.comparison))
        });
        let page = Page::new(document, details, power).html()?;
        let path = self.out.join("index.html");
        write_file(&path, page.as_bytes())?;
        say!("{} cases in {}", outcomes.len(), path.display());
        Ok(WITHIN)
    }
}

/// The document of `simgate power --json`.
fn read_power(path: &std::path::Path) -> anyhow::Result<serde_json::Value> {
    let text = read_text(path)?;
    let wrong = || format!("{}: not what `simgate power --json FILE` writes", path.display());
    let value: serde_json::Value = serde_json::from_str(&text).with_context(wrong)?;
    let list = |value: &serde_json::Value, key: &str| value[key].as_array().cloned();
    let cases = list(&value, "cases").filter(|_| list(&value, "faults").is_some());
    let whole = |case: &serde_json::Value| case["case"].is_string() && case["faults"].is_array();
    if !cases.is_some_and(|cases| cases.iter().all(whole)) {
        bail!("{}: it lacks the lists `faults` and `cases`, or a case its name or faults", wrong());
    }
    Ok(value)
}
