//! What can be told of a case's power: which faults it notices, how often it is red for nothing, and what shift
//! it can see. Plain results; `study` finds them.

use std::collections::BTreeMap;

use super::figure::Figure;

/// What became of a fault.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultOutcome {
    /// The case is outside: the fault is killed.
    Outside,
    /// The case cannot tell, which kills nothing.
    Undecided,
    /// A check refused the sim side, which kills the fault, too.
    Refused {
        /// The check's name.
        check: &'static str,
        /// What it said.
        message: String,
    },
    /// The case is as green as without the fault.
    Survived,
    /// The fault changes nothing that the case has.
    NotApplicable {
        /// Why not.
        reason: &'static str,
    },
}

impl FaultOutcome {
    /// The word in files.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Undecided => "undecided",
            Self::Refused { .. } => "refused",
            Self::Survived => "survived",
            Self::NotApplicable { .. } => "not_applicable",
        }
    }

    /// Whether the fault turned the case red for good.
    pub fn kills(&self) -> bool {
        matches!(self, Self::Outside | Self::Refused { .. })
    }
}

/// How far a fault moves a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The gated figure that it moves most, by what the case can see of it.
    pub figure: Figure,
    /// With the fault over without it, minus 1.
    pub fraction: f64,
}

/// A fault and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// Its name.
    pub fault: &'static str,
    /// Whether a figure or a distance is outside with it, whatever structure and checks say.
    pub by_times: bool,
    /// What became of it.
    pub outcome: FaultOutcome,
    /// How far it moves what the case gates; `None` where it gates nothing or nothing could be compared.
    pub shift: Option<Shift>,
    /// Whether it moves a gated figure by more than the case's smallest detectable shift of it.
    pub detectable: bool,
}

/// How often a case is red, or cannot tell, for nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FalseAlarms {
    /// Recorded repeats that were each held against the other processes.
    pub trials: usize,
    /// Of those, outside.
    pub alarms: usize,
    /// What the rate is at most, at 95 %.
    pub at_most: f64,
    /// Share outside by the model, with a sim error of zero and of half the tolerances.
    pub outside: [f64; 2],
    /// Share undecided, likewise.
    pub undecided: [f64; 2],
}

/// The power of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CasePower {
    /// Its name.
    pub case: String,
    /// Whether it is a negative control, outside to begin with.
    pub control: bool,
    /// Whether it judges anything but structure.
    pub gated: bool,
    /// Every fault, in order.
    pub faults: Vec<Injected>,
    /// `None` where nothing is gated, or too few processes were recorded to tell.
    pub false_alarms: Option<FalseAlarms>,
    /// The smallest shift of each gated figure that turns the case red in 80 % of draws, from an error of zero,
    /// as a fraction; the worse of both signs. Infinite where none does.
    pub min_detectable: BTreeMap<Figure, f64>,
}

impl CasePower {
    /// The name of the fault that is none.
    pub const NO_OP: &'static str = "no-op";

    /// Whether no fault turns it red, which makes it no check at all. Where it judges times, only they count: wrong
    /// structure, and what a profile does not cover, are red with any tolerance.
    pub fn kills_nothing(&self) -> bool {
        let counts = |f: &Injected| f.outcome.kills() && (f.by_times || !self.gated);
        !self.control && !self.faults.iter().any(counts)
    }

    /// Whether it is red without a fault.
    pub fn is_red_already(&self) -> bool {
        let survived = |f: &Injected| matches!(f.outcome, FaultOutcome::Survived);
        !self.control && !self.faults.iter().any(|f| f.fault == Self::NO_OP && survived(f))
    }

    /// Faults that move a figure by more than the case can detect, and yet are not killed.
    pub fn missed(&self) -> impl Iterator<Item = &Injected> {
        let control = self.control;
        self.faults.iter().filter(move |f| !control && f.detectable && !f.outcome.kills())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(outcomes: &[(&'static str, FaultOutcome)], control: bool) -> CasePower {
        let injected = |(fault, outcome): &(&'static str, FaultOutcome)| Injected {
            fault,
            by_times: *fault == "no-host" && *outcome == FaultOutcome::Outside,
            outcome: outcome.clone(),
            shift: None,
            detectable: true,
        };
        CasePower {
            case: "c".to_owned(),
            control,
            gated: true,
            faults: outcomes.iter().map(injected).collect(),
            false_alarms: None,
            min_detectable: BTreeMap::new(),
        }
    }

    #[test]
    fn only_outside_and_refused_kill_and_a_control_needs_none() {
        let harmless = [("no-op", FaultOutcome::Survived), ("no-host", FaultOutcome::Undecided)];
        assert!(case(&harmless, false).kills_nothing());
        assert!(!case(&harmless, true).kills_nothing());
        let outside = case(&[harmless[0].clone(), ("no-host", FaultOutcome::Outside)], false);
        assert!(!outside.kills_nothing() && !outside.is_red_already());
        let refused = FaultOutcome::Refused { check: "workload", message: String::new() };
        assert!(refused.kills() && case(&[("no-host", refused)], false).kills_nothing());
        // Of what judges times, wrong structure does not count.
        let structural = [harmless[0].clone(), ("request-lost", FaultOutcome::Outside)];
        assert!(case(&structural, false).kills_nothing());
        assert!(!CasePower { gated: false, ..case(&structural, false) }.kills_nothing());
        assert!(case(&[("no-op", FaultOutcome::Outside)], false).is_red_already());
        assert_eq!(case(&harmless, false).missed().count(), 2);
    }
}
