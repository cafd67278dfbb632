//! What a comparison starts from: the runs of each side, and what they are held to.

use std::collections::BTreeSet;

use super::tolerance::Tolerances;
use crate::run::{Boundary, Run};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Side {
    /// A name for each run, used in messages: its directory, or its backend and repeat.
    pub labels: Vec<String>,
    /// The runs, one a repeat or seed.
    pub runs: Vec<Run>,
    /// Where all of them were timed.
    pub boundary: Boundary,
    /// Whether one process made all of them, whatever they say.
    pub one_process: bool,
}

impl Side {
    pub(super) fn labelled(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.labels.iter().map(String::as_str).zip(&self.runs)
    }

    /// Distinct processes: runs of one process are not independent. Where no run names its process,
    /// each counts as one of its own; where only some do, the others count as one together.
    fn processes(&self) -> usize {
        if self.one_process {
            return 1;
        }
        let named: BTreeSet<Option<u32>> =
            self.runs.iter().map(|run| run.meta.as_ref().and_then(|m| m.process)).collect();
        if named.iter().any(Option::is_some) { named.len() } else { self.runs.len() }
    }

    pub(super) fn summary(&self) -> SideSummary {
        SideSummary {
            labels: self.labels.clone(),
            repeats: self.runs.len(),
            processes: self.processes(),
            boundary: self.boundary,
        }
    }
}

/// What a comparison is held to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What is gated, and how tightly.
    pub tolerances: Tolerances,
    /// Judge percentiles with few samples too (negative controls).
    pub judge_few: bool,
    /// Whether the engine runs every request to its full length; `None` when unknown.
    pub ignore_eos: Option<bool>,
    /// Why unlike boundaries may be compared here.
    pub allow_boundary_mismatch: Option<String>,
    /// Whether all runs must have taken the same steps.
    pub same_plans: bool,
}

/// A side, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideSummary {
    /// A name for each run.
    pub labels: Vec<String>,
    /// Runs.
    pub repeats: usize,
    /// Distinct processes among them.
    pub processes: usize,
    /// Where they were timed.
    pub boundary: Boundary,
}
