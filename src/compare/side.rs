//! What a comparison starts from: the runs of each side, and what they are held to.

use std::collections::{BTreeMap, BTreeSet};

use super::distance::Distance;
use super::figure::Figure;
use super::tolerance::Tolerances;
use crate::run::{Boundary, NATIVE, Run, VIDUR};
use crate::stats::Mean;

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Side {
    /// A name for each run, used in messages: its directory, or its backend and repeat.
    pub labels: Vec<String>,
    /// The runs, one a repeat or seed.
    pub runs: Vec<Run>,
    /// Where all of them were timed.
    pub boundary: Boundary,
    /// Where they come from, whatever they say themselves.
    pub origin: Origin,
}

/// Where the runs of a side come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Files: what they say of themselves holds.
    Recorded,
    /// One process measured all of them.
    OneProcess,
    /// A program computed them: they may repeat to the nanosecond.
    Computed,
}

impl Side {
    pub(super) fn labelled(&self) -> impl Iterator<Item = (&str, &Run)> {
        self.labels.iter().map(String::as_str).zip(&self.runs)
    }

    /// The places of the runs of each process: runs of one process are not independent. Where no run
    /// names its process, each counts as one of its own, unless they are numbered as the repeats of
    /// one; where only some do, the others count as one together.
    pub(super) fn processes(&self, role: Role) -> Vec<Vec<usize>> {
        let all = 0..self.runs.len();
        let unnamed = !self.names_processes();
        if self.origin == Origin::OneProcess
            || (unnamed && role == Role::Real && self.numbers_repeats())
        {
            return vec![all.collect()];
        }
        if unnamed {
            return all.map(|run| vec![run]).collect();
        }
        let process = |run: &Run| run.meta.as_ref().and_then(|meta| meta.process);
        let named: BTreeSet<Option<u32>> = self.runs.iter().map(process).collect();
        let of = |name| all.clone().filter(|&run| process(&self.runs[run]) == name).collect();
        named.into_iter().map(of).collect()
    }

    /// Whether its measured runs say which repeat of a process they are, but not of which process.
    fn numbers_repeats(&self) -> bool {
        let later = |run: &Run| run.meta.as_ref().and_then(|meta| meta.repeat) > Some(0);
        !self.is_computed() && self.runs.iter().any(later)
    }

    /// Distinct processes among the runs of a real side.
    pub fn process_count(&self) -> usize {
        self.processes(Role::Real).len()
    }

    /// Its processes dealt out to two sides in turn, to be held against each other; `None` where there are
    /// fewer than two.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let processes = self.processes(Role::Real);
        let half = |first: usize| {
            let places: Vec<usize> =
                processes.iter().skip(first).step_by(2).flatten().copied().collect();
            Self {
                labels: places.iter().map(|&run| self.labels[run].clone()).collect(),
                runs: places.iter().map(|&run| self.runs[run].clone()).collect(),
                boundary: self.boundary,
                origin: self.origin,
            }
        };
        (processes.len() > 1).then(|| [half(0), half(1)])
    }

    /// Whether its runs were computed, as far as anything says so.
    pub(super) fn is_computed(&self) -> bool {
        let simulator = |run: &Run| {
            run.meta.as_ref().is_some_and(|meta| [NATIVE, VIDUR].contains(&&*meta.backend))
        };
        self.origin == Origin::Computed || self.runs.iter().all(simulator)
    }

    /// Whether its only run was computed here, by a program that always comes to the same: seeded ones run several times,
    /// and what names a process was measured.
    pub(super) fn is_exact(&self) -> bool {
        self.origin == Origin::Computed && self.runs.len() == 1 && !self.names_processes()
    }

    /// Whether several runs stand there that name no process, so that each was taken for one.
    fn assumes_processes(&self) -> bool {
        self.runs.len() > 1
            && self.origin != Origin::OneProcess
            && !self.is_computed()
            && !self.names_processes()
    }

    fn names_processes(&self) -> bool {
        let names = |run: &Run| run.meta.as_ref().is_some_and(|meta| meta.process.is_some());
        self.runs.iter().any(names)
    }

    /// Whether its runs were measured, as far as they say: then one alone is no prediction.
    pub(super) fn measured(&self) -> bool {
        self.origin == Origin::OneProcess || self.names_processes()
    }

    pub(super) fn summary(&self, role: Role) -> SideSummary {
        SideSummary {
            labels: self.labels.clone(),
            repeats: self.runs.len(),
            processes: self.processes(role).len(),
            by_process: self.processes(role),
            assumed: role == Role::Real
                && self.assumes_processes()
                && self.processes(role).len() > 1,
            boundary: self.boundary,
        }
    }
}

/// Which side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that is believed.
    Real,
    /// The one that is judged; what it numbers may be seeds.
    Sim,
}

/// Computed amplification by figure.
pub type Kappas = BTreeMap<Figure, f64>;

/// What a comparison is held to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What is gated, and how tightly.
    pub tolerances: Tolerances,
    /// Distances that are gated, and how tightly, as fractions.
    pub distances: BTreeMap<Distance, f64>,
    /// Find all distances, not only those that are gated.
    pub all_distances: bool,
    /// Judge percentiles with few samples too (negative controls).
    pub judge_few: bool,
    /// Whether the engine runs every request to its full length; `None` when unknown.
    pub ignore_eos: Option<bool>,
    /// Why unlike boundaries may be compared here.
    pub allow_boundary_mismatch: Option<String>,
    /// Whether all runs must have taken the same steps.
    pub same_plans: bool,
    /// How much load amplifies step-time errors, where the sim can be run again to know.
    pub kappa: Option<Kappas>,
    /// Amplification that the case states, to widen tolerances by.
    pub stated_kappa: BTreeMap<Figure, f64>,
    /// The spread of a recording, where the real side was measured too few times to have its own.
    pub lent: Option<Spreads>,
    /// Give the sim side the real side's spread: it is the same engine, measured anew.
    pub lend_to_sim: bool,
    /// The real side ran on another machine than the one that was profiled: nothing can be decided.
    pub other_machine: bool,
}

/// The real side of a comparison, to lend its spread to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Spreads {
    /// `ln P` of each figure.
    pub(super) means: BTreeMap<Figure, Mean>,
    /// Repeats behind them.
    pub(super) repeats: usize,
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
    /// The places of the runs of each process, or of each run by itself where they are of none.
    pub by_process: Vec<Vec<usize>>,
    /// Whether none of them names its process, so that each was taken for one.
    pub assumed: bool,
    /// Where they were timed.
    pub boundary: Boundary,
}
