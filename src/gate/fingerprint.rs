//! Hashes of what a snapshot depends on, so that an edit of an input is told apart from a drift of
//! numbers.

use std::fmt;

use crate::case::Case;
use crate::compare::Side;
use crate::engine::EngineConfig;
use crate::files::Hasher;
use crate::run;
use crate::workload::Workload;

/// Hex digits shown: enough to tell inputs apart, short enough to read.
const SHOWN: usize = 12;

/// What a case's figures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of the workload.
    pub workload: String,
    /// Of the engine configuration.
    pub engine: Option<String>,
    /// Of the real side's times.
    pub real: String,
    /// Of the sim side's times.
    pub sim: String,
}

impl Fingerprints {
    /// Takes them.
    pub(super) fn of(case: &Case, workload: &Workload, real: &Side, sim: &Side) -> Self {
        Self {
            workload: workload.hash(),
            engine: case.engine.as_ref().map(EngineConfig::hash),
            real: runs(real),
            sim: runs(sim),
        }
    }
}

fn runs(side: &Side) -> String {
    let mut hasher = Hasher::new("simgate side v1");
    side.runs.iter().for_each(|run| hasher.text(&run::hash(run)));
    hasher.finish()
}

impl fmt::Display for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine.as_deref().unwrap_or("none");
        for (i, (name, hash)) in [
            ("workload", self.workload.as_str()),
            ("engine", engine),
            ("real", &self.real),
            ("sim", &self.sim),
        ]
        .into_iter()
        .enumerate()
        {
            let gap = if i == 0 { "" } else { "\n" };
            write!(f, "{gap}{name}: {}", &hash[..hash.len().min(SHOWN)])?;
        }
        Ok(())
    }
}
