//! What becomes of a case: its verdict and its snapshot, each by itself.

use std::path::PathBuf;

use super::discover::CaseFile;
use super::explain::explain_case;
use super::judge::{Judged, judge};
use super::snapshot::{self, Drift};
use super::{Context, GateError};
use crate::case::CaseError;
use crate::report;
use crate::study::{self, Part};

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// The verdict's material, or why there is none.
    pub judged: Result<Box<Judged>, GateError>,
    /// How its snapshot differs, if it does.
    pub drift: Option<Drift>,
    /// Its file.
    pub path: PathBuf,
    /// The same from the project's folder.
    pub file: PathBuf,
    /// The part of the prediction that most of a red case's error comes from, where its recording can tell.
    pub culprit: Option<Part>,
}

impl Outcome {
    /// Whether the case is green: its verdict and its snapshot, each by itself.
    pub fn passed(&self) -> bool {
        self.drift.is_none() && self.judged.as_ref().is_ok_and(|judged| judged.verdict_passes())
    }

    /// 0 green, 1 outside or drifted, 2 an error, 3 undecided.
    pub fn exit_code(&self) -> u8 {
        match &self.judged {
            Err(_) => 2,
            Ok(_) if self.drift.is_some() => 1,
            Ok(judged) => judged.exit_code(),
        }
    }

    /// The verdict's word, or `error`.
    pub fn word(&self) -> &'static str {
        self.judged.as_ref().map_or("error", |judged| judged.verdict().as_str())
    }

    /// Why the case is not green, one line each.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match &self.judged {
            Err(error) => reasons.push(error.to_string()),
            Ok(judged) if !judged.verdict_passes() => reasons.push(judged.reason()),
            Ok(_) => {}
        }
        reasons.extend(self.drift.as_ref().map(ToString::to_string));
        reasons
    }

    /// The likely culprit as a sentence, where there is one.
    pub fn blame(&self) -> Option<String> {
        let name = &self.name;
        let told = |part: Part| {
            format!(
                "most of the error: {} (`simgate explain {name}` has the shares)",
                part.as_str()
            )
        };
        self.culprit.map(told)
    }

    /// Why it is not green, in one line, the likely culprit last.
    pub fn headline(&self) -> String {
        self.reasons().into_iter().chain(self.blame()).collect::<Vec<_>>().join("; ")
    }

    /// The line of its file that it is about: the worst figure's tolerance, or the first fault; from 1.
    pub fn line(&self) -> Option<u64> {
        match &self.judged {
            Ok(judged) => judged.worst_line(),
            Err(GateError::Case(CaseError::Invalid(faults))) => {
                Some(faults.problems().first()?.line)
            }
            Err(_) => None,
        }
    }

    /// Why it is not green, for the job of GitHub Actions that this runs in; `None` where it is green, or runs
    /// elsewhere.
    pub fn annotation(&self) -> Option<String> {
        let red = !self.passed() && report::on_github();
        let line = self.line().unwrap_or(1);
        red.then(|| report::annotation(&self.path, line, &self.name, &self.headline()))
    }
}

/// Judges a case and checks its snapshot. The two do not depend on each other: a red verdict stays
/// red whatever the snapshot says.
pub fn check(file: &CaseFile, context: &Context<'_>) -> Outcome {
    let judged = judge(file, context).map(Box::new);
    let drift = match &judged {
        Ok(judged) if !judged.live => snapshot::check(file, judged, context),
        _ => None,
    };
    let culprit = judged.as_ref().ok().and_then(|judged| culprit(file, judged, context));
    let shown = file.path.strip_prefix(context.root).unwrap_or(&file.path).to_owned();
    Outcome {
        name: file.name.clone(),
        judged,
        drift,
        path: file.path.clone(),
        file: shown,
        culprit,
    }
}

/// What a red case's error comes from; nothing is known of one without a recording that tells.
fn culprit(file: &CaseFile, judged: &Judged, context: &Context<'_>) -> Option<Part> {
    let red = !judged.verdict_passes() && judged.case.expect_outside.is_empty() && !judged.live;
    let explained = red.then(|| explain_case(file, context, context.settings.fault))?.ok()?;
    study::culprit(&explained, &judged.case.tolerances)
}
