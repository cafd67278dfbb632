//! What becomes of a case: its verdict and its snapshot, each by itself.

use super::discover::CaseFile;
use super::judge::{Judged, judge};
use super::snapshot::{self, Drift};
use super::{Context, GateError};

/// What became of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// The verdict's material, or why there is none.
    pub judged: Result<Box<Judged>, GateError>,
    /// How its snapshot differs, if it does.
    pub drift: Option<Drift>,
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
}

/// Judges a case and checks its snapshot. The two do not depend on each other: a red verdict stays
/// red whatever the snapshot says.
pub fn check(file: &CaseFile, context: &Context<'_>) -> Outcome {
    let judged = judge(file, context).map(Box::new);
    let drift = match &judged {
        Ok(judged) if !judged.live => snapshot::check(file, judged, context),
        _ => None,
    };
    Outcome { name: file.name.clone(), judged, drift }
}
