//! The power of a case: every fault in turn is given to its sim side, and judged as the gate judges.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::judge::{self, rules};
use super::loaded::{finish, same_workload};
use super::sides::Stage;
use super::{CaseFile, Gate, GateError, LoadedSide, RECORDING, provenance};
use crate::case::{Case, Side};
use crate::compare::{
    self, CasePower, CaseVerdict, Comparison, FalseAlarms, FaultOutcome, Figure, Injected, Origin,
    Rules, Shift, Verdict, compare,
};
use crate::profile::{Profile, ProfileMeta};
use crate::stats::at_most;
use crate::study::Fault;
use crate::study::power::{LeftOut, held_out, left_out, not_applicable, properties, rates};

/// Seeds with which a fault is tried first.
const FIRST_SEEDS: u32 = 4;

impl Gate {
    /// Finds out which faults a case notices, how often it would be red for nothing, and what it can see.
    ///
    /// # Errors
    /// Whatever keeps the case from a verdict without a fault.
    pub fn power(&self, file: &CaseFile) -> Result<CasePower, GateError> {
        let case = Case::read(&file.path)?;
        let context = self.context(&|_, _, _| {});
        let stage = Stage::new(&case, judge::recording_of(file, &context), context)?;
        let trial = Trial::new(&stage)?;
        let gated = trial.intact.gated_figures();
        let control = !case.expect_outside.is_empty();
        let processes = trial.real.side.process_count();
        let known = !gated.is_empty() && !control && processes >= compare::MIN_PROCESSES;
        let count = trial.intact.gated_count();
        let rates = known.then(|| rates(&gated, count));
        let false_alarms = rates.as_ref().map(|([zero, half], _)| {
            let found = left_out(&gated, count);
            FalseAlarms {
                trials: found.trials,
                alarms: found.alarms,
                at_most: at_most(found.alarms, found.trials),
                outside: [zero.outside, half.outside],
                undecided: [zero.undecided, half.undecided],
            }
        });
        let min_detectable = rates.map(|(_, smallest)| smallest).unwrap_or_default();
        let of_profile = trial.profile.map(|profile| &profile.times);
        let properties = properties(&case, of_profile, &trial.real.side, &trial.sim.side);
        let inject = |(fault, name): (Fault, &'static str)| match not_applicable(fault, &properties)
        {
            Some(reason) => Ok(Injected {
                fault: name,
                by_times: false,
                outcome: FaultOutcome::NotApplicable { reason },
                shift: None,
                detectable: false,
            }),
            None => trial.inject(fault, &min_detectable),
        };
        let faults = Fault::injected().map(inject).collect::<Result<_, GateError>>()?;
        Ok(CasePower {
            case: file.name.clone(),
            control,
            gated: case.is_gated(),
            faults,
            false_alarms,
            min_detectable,
        })
    }
}

impl Gate {
    /// Holds recordings of a case that were made since, wherever under `dir` they lie, against its baseline: how many
    /// of their processes lie outside, each of which is a false alarm.
    ///
    /// # Errors
    /// A recording of something else, or from another machine, or a case whose baseline cannot be judged.
    pub fn held_out(&self, file: &CaseFile, dir: &Path) -> Result<LeftOut, GateError> {
        let case = Case::read(&file.path)?;
        let context = self.context(&|_, _, _| {});
        let stage = Stage::new(&case, judge::recording_of(file, &context), context)?;
        let trial = Trial::new(&stage)?;
        let gated = trial.intact.gated_figures();
        let mut counted = LeftOut::default();
        for folder in recordings_of(file, dir)? {
            let Some(fresh) = stage.recorded_in(&folder)? else { continue };
            // Another machine, or what fitted the profile, tells nothing of the baseline.
            let (mut rules, _) = rules(&stage, trial.profile, &fresh.side, false)?;
            rules.distances.clear();
            let compared = compare(&fresh.side, &trial.sim.side, &rules)?;
            let fresh = compared.gated_figures();
            let same = fresh.iter().map(|f| f.figure).eq(gated.iter().map(|f| f.figure));
            if !same {
                return Err(GateError::OtherFigures { dir: folder });
            }
            let found = held_out(&gated, &fresh, trial.intact.gated_count());
            counted.trials += found.trials;
            counted.alarms += found.alarms;
        }
        Ok(counted)
    }
}

/// The recordings of a case under `dir`, whatever folders they lie in.
fn recordings_of(file: &CaseFile, dir: &Path) -> Result<Vec<PathBuf>, GateError> {
    let own = dir.join(&file.relative);
    if own.join(RECORDING).is_file() {
        return Ok(vec![own]);
    }
    let failed = |source| GateError::Io { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Folders only, and no links: they might lead back.
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(recordings_of(file, &entry.path())?);
        }
    }
    found.sort();
    Ok(found)
}

/// What a verdict makes of a fault.
fn outcome(verdict: CaseVerdict) -> FaultOutcome {
    match verdict {
        CaseVerdict::Judged(Verdict::Outside) => FaultOutcome::Outside,
        CaseVerdict::Judged(Verdict::Undecided) => FaultOutcome::Undecided,
        CaseVerdict::Judged(Verdict::Within) | CaseVerdict::StructureOnly => FaultOutcome::Survived,
    }
}

/// A case that is judged again and again.
struct Trial<'a> {
    stage: &'a Stage<'a>,
    profile: Option<&'a Profile>,
    real: LoadedSide,
    sim: LoadedSide,
    rules: Rules,
    /// Without a fault.
    intact: Comparison,
    /// The same of the first seeds; `None` where the sim side has no more, or is not simulated.
    first: Option<Comparison>,
}

impl<'a> Trial<'a> {
    fn new(stage: &'a Stage<'a>) -> Result<Self, GateError> {
        let case = stage.case;
        let profile = match &case.sim {
            Side::Native { profile, .. } => Some(stage.model.profile(profile, &stage.workload)?),
            _ => None,
        };
        let [real, sim] = judge::load(stage, [&case.real, &case.sim], false)?;
        let (mut rules, _) = rules(stage, profile, &real.side, false)?;
        rules.all_distances = false;
        let intact = compare(&real.side, &sim.side, &rules)?;
        let more = matches!(case.sim, Side::Native { seeds, .. } if seeds > FIRST_SEEDS);
        let first = more.then(|| compare(&real.side, &of_first_seeds(&sim.side), &rules));
        let first = first.transpose()?;
        Ok(Self { stage, profile, real, sim, rules, intact, first })
    }

    /// Judges the case with a fault in its sim side.
    ///
    /// # Errors
    /// What no check of the gate refused: a file that cannot be read kills no fault.
    fn inject(
        &self,
        fault: Fault,
        min_detectable: &BTreeMap<Figure, f64>,
    ) -> Result<Injected, GateError> {
        let (outcome, judged) = match self.judge(fault) {
            Ok(judged) => (outcome(judged.0.verdict()), Some(judged)),
            Err(error) => {
                let message = error.to_string();
                let Some(check) = error.check() else { return Err(error) };
                (FaultOutcome::Refused { check, message }, None)
            }
        };
        let shift =
            judged.as_ref().and_then(|(faulty, intact)| shift(faulty, intact, min_detectable));
        let seen = |shift: &Shift| {
            min_detectable.get(&shift.figure).is_some_and(|&least| shift.fraction.abs() > least)
        };
        let by_times = |comparison: &Comparison| {
            let figures = comparison.figures.iter().map(|figure| figure.verdict);
            let distances = comparison.distances.iter().map(|distance| distance.verdict);
            let outside = figures.chain(distances).any(|v| v == Some(Verdict::Outside));
            comparison.structure.agrees() && outside
        };
        Ok(Injected {
            fault: fault.as_str(),
            by_times: judged.as_ref().is_some_and(|(faulty, _)| by_times(faulty)),
            detectable: shift.as_ref().is_some_and(seen),
            shift,
            outcome,
        })
    }

    /// The case with a fault, and the same without it.
    fn judge(&self, fault: Fault) -> Result<(Comparison, &Comparison), GateError> {
        let stage = self.stage;
        if let Some(profile) = self.profile.filter(|_| fault == Fault::StaleProfile) {
            let elsewhere = "another machine".to_owned();
            let device_uuid = profile.meta.device_uuid.as_ref().map(|_| elsewhere.clone());
            let meta = ProfileMeta { host: elsewhere, device_uuid, ..profile.meta.clone() };
            provenance::check(&meta, &self.real.side, stage.case, false)?;
        }
        if let Some(first) = self.first.as_ref().filter(|_| fault.is_of_steps()) {
            // A gross fault is outside with a few seeds already, which can tell less than all of them can.
            let few = self.compared(self.faulty(fault, FIRST_SEEDS)?)?;
            if few.verdict() == CaseVerdict::Judged(Verdict::Outside) {
                return Ok((few, first));
            }
        }
        Ok((self.compared(self.faulty(fault, u32::MAX)?)?, &self.intact))
    }

    /// Holds a faulty sim side against the real one.
    fn compared(&self, faulty: compare::Side) -> Result<Comparison, GateError> {
        for (run, label) in faulty.runs.iter().zip(&faulty.labels) {
            same_workload(run, label, &self.stage.workload)?;
        }
        // Kappa stays what it is without the fault: computing it anew could only turn more cases red.
        Ok(compare(&self.real.side, &faulty, &self.rules)?)
    }

    /// The sim side with a fault; where it is simulated, of so many seeds at most.
    fn faulty(&self, fault: Fault, seeds: u32) -> Result<compare::Side, GateError> {
        if let Fault::Results(results) = fault {
            let mut side = self.sim.side.clone();
            results.apply(&mut side.runs);
            return Ok(side);
        }
        match &self.stage.case.sim {
            Side::Native { profile, seeds: all } if fault.is_of_steps() => {
                let real = Some(&self.real.side);
                let runs = self.stage.native(profile, seeds.min(*all), real, Some(fault))?;
                Ok(finish(runs, None, Origin::Computed)?.side)
            }
            _ => Ok(self.sim.side.clone()),
        }
    }
}

/// A simulated side with its first seeds only.
fn of_first_seeds(side: &compare::Side) -> compare::Side {
    let count = FIRST_SEEDS as usize;
    compare::Side {
        labels: side.labels.iter().take(count).cloned().collect(),
        runs: side.runs.iter().take(count).cloned().collect(),
        ..*side
    }
}

/// The gated figure that a fault moves most, by the smallest shift that the case can detect, or by the
/// tolerance where that is not known.
fn shift(
    faulty: &Comparison,
    intact: &Comparison,
    min_detectable: &BTreeMap<Figure, f64>,
) -> Option<Shift> {
    let judged = intact.figures.iter().filter(|f| f.verdict.is_some());
    let moved = judged.filter_map(|before| {
        let after = faulty.figure(before.figure)?;
        let shift = Shift { figure: before.figure, fraction: after.sim_ns / before.sim_ns - 1.0 };
        let least = min_detectable.get(&before.figure).copied();
        let least = least.or(before.tolerance.map(|t| t.fraction()))?;
        shift.fraction.is_finite().then_some((shift.fraction.abs() / least, shift))
    });
    moved.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, shift)| shift)
}
