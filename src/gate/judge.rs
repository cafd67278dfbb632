//! One case from file to outcome.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::discover::CaseFile;
use super::fingerprint::Fingerprints;
use super::loaded::LoadedSide;
use super::model::CPU;
use super::settings::has_gpu;
use super::sides::{Elsewhere, Stage};
use super::{Context, GateError, provenance};
use crate::case::{Case, Side};
use crate::compare::{
    self, CaseVerdict, Comparison, DistanceResult, Figure, FigureResult, Rules, StepFigure,
    Tolerances, Verdict, compare,
};
use crate::profile::Profile;
use crate::report::{self, Report, duration, percent, signed_percent};
use crate::workload::Workload;

/// A case that could be judged.
#[derive(Debug)]
pub struct Judged {
    /// The case.
    pub case: Case,
    /// Its comparison.
    pub comparison: Comparison,
    /// How long whole steps take on both sides.
    pub steps: Vec<StepFigure>,
    /// A live real side against the recorded one.
    pub baseline: Option<Comparison>,
    /// Against recordings from other machines, by their folder's name: shown, never judged.
    pub cross: Vec<(String, Comparison)>,
    /// Remarks, such as checks that were skipped.
    pub notes: Vec<String>,
    /// What its figures come from.
    pub fingerprints: Fingerprints,
    /// The real side's device, where its runs name one.
    pub device: Option<String>,
    /// Whether the real side ran anew.
    pub live: bool,
}

impl Judged {
    /// What a reader sees.
    pub fn report<'a>(&'a self, title: &'a str) -> Report<'a> {
        let baseline = self.baseline.as_ref();
        Report {
            title,
            verdict: self.verdict(),
            comparison: &self.comparison,
            notes: &self.notes,
            beside: (self.cross.iter())
                .map(|(name, comparison)| (format!("cross-machine, {name}"), comparison))
                .chain(baseline.map(|c| ("live against recorded".to_owned(), c)))
                .collect(),
        }
    }

    /// What the case comes to. A live run that lies outside its own recording's tolerance is outside:
    /// the baseline is stale.
    pub fn verdict(&self) -> CaseVerdict {
        if self.is_stale() {
            return CaseVerdict::Judged(Verdict::Outside);
        }
        self.comparison.verdict()
    }

    fn is_stale(&self) -> bool {
        let outside = CaseVerdict::Judged(Verdict::Outside);
        self.baseline.as_ref().is_some_and(|comparison| comparison.verdict() == outside)
    }

    /// Figures that must be outside and are not.
    fn expected_but_not_outside(&self) -> Vec<Figure> {
        let outside = |figure: &Figure| {
            self.comparison.figure(*figure).is_some_and(|f| f.verdict == Some(Verdict::Outside))
        };
        self.case.expect_outside.iter().filter(|figure| !outside(figure)).copied().collect()
    }

    /// Whether the verdict is the one that the case asks for. A negative control passes when every
    /// figure that it names is outside, and nothing else of it is broken.
    pub fn verdict_passes(&self) -> bool {
        if self.case.expect_outside.is_empty() {
            return matches!(
                self.verdict(),
                CaseVerdict::StructureOnly | CaseVerdict::Judged(Verdict::Within)
            );
        }
        self.comparison.structure.agrees()
            && !self.is_stale()
            && self.expected_but_not_outside().is_empty()
    }

    /// 0 where the verdict is the one asked for, 3 undecided, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        let undecided = self.verdict() == CaseVerdict::Judged(Verdict::Undecided);
        match self.verdict_passes() {
            true => 0,
            false if undecided && self.case.expect_outside.is_empty() => 3,
            false => 1,
        }
    }

    /// The judged figure that lies farthest beyond, or nearest to, its tolerance.
    pub fn worst(&self) -> Option<&FigureResult> {
        worst(&self.comparison)
    }

    /// The judged distance that lies farthest beyond its tolerance, where no figure's verdict is as bad.
    pub fn worst_distance(&self) -> Option<&DistanceResult> {
        let share = |d: &DistanceResult| d.tolerance.map_or(0.0, |tolerance| d.value / tolerance);
        let judged = self.comparison.distances.iter().filter(|d| d.verdict.is_some());
        let worst =
            judged.max_by(|a, b| a.verdict.cmp(&b.verdict).then(share(a).total_cmp(&share(b))));
        worst.filter(|distance| self.worst().is_none_or(|f| distance.verdict > f.verdict))
    }

    /// The line of the case file that holds what is worst to its tolerance; from 1.
    pub fn worst_line(&self) -> Option<u64> {
        match self.worst_distance() {
            Some(distance) => self.case.distance_lines.get(&distance.distance).copied(),
            None => self.case.lines.get(&self.worst()?.figure).copied(),
        }
    }

    /// One line that says why the verdict is not the one asked for.
    pub(super) fn reason(&self) -> String {
        if let Some(baseline) = self.baseline.as_ref().filter(|_| self.is_stale()) {
            let what = worst(baseline).map(describe).unwrap_or_else(|| "structure".to_owned());
            return format!("the baseline is stale: live against recorded, {what}");
        }
        if !self.comparison.structure.agrees() {
            return self.report("").remarks().join("; ");
        }
        let missed = self.expected_but_not_outside();
        if let [first, ..] = &missed[..] {
            let names: Vec<String> = missed.iter().map(Figure::to_string).collect();
            let figure = self.comparison.figure(*first).map(describe).unwrap_or_default();
            return format!("expected {} outside, but {figure}", names.join(", "));
        }
        match self.worst_distance() {
            Some(distance) => describe_distance(distance),
            None => self.worst().map_or_else(|| "no figure was judged".to_owned(), describe),
        }
    }
}

/// The judged figure that lies farthest beyond, or nearest to, its tolerance.
fn worst(comparison: &Comparison) -> Option<&FigureResult> {
    let share = |f: &FigureResult| f.tolerance.map_or(0.0, |t| f.error().abs() / t.fraction());
    let judged = comparison.figures.iter().filter(|f| f.verdict.is_some());
    judged.max_by(|a, b| a.verdict.cmp(&b.verdict).then(share(a).total_cmp(&share(b))))
}

/// `ttft.p50 -88.62 % [-90.1 %, -87.0 %] (real 17.28 ms, sim 1.968 ms), tolerance 5 %: outside`.
pub fn describe(figure: &FigureResult) -> String {
    let interval = figure.interval().map(|i| format!(" {}", report::interval(i)));
    let what = figure.advice.map(|advice| format!(": {}", report::advice(advice)));
    format!(
        "{} {}{} (real {}, sim {}), tolerance {}: {}{}",
        figure.figure,
        signed_percent(figure.error()),
        interval.unwrap_or_default(),
        duration(figure.real_ns),
        duration(figure.sim_ns),
        figure.tolerance.map_or_else(|| "none".to_owned(), |t| percent(t.fraction())),
        figure.verdict.map_or("not judged", Verdict::as_str),
        what.unwrap_or_default(),
    )
}

/// `ttft.requests 210 % (at most 215 %), tolerance 20 %: outside`.
fn describe_distance(distance: &DistanceResult) -> String {
    let high = distance.high.map(|high| format!(" (at most {})", percent(high)));
    format!(
        "{} {}{}, tolerance {}: {}",
        distance.distance,
        percent(distance.value),
        high.unwrap_or_default(),
        distance.tolerance.map_or_else(|| "none".to_owned(), percent),
        distance.verdict.map_or("not judged", Verdict::as_str),
    )
}

/// Reads, serves and compares a case.
///
/// # Errors
/// Whatever keeps it from a verdict.
pub fn judge(file: &CaseFile, context: &Context<'_>) -> Result<Judged, GateError> {
    judge_case(Case::read(&file.path)?, &recording_of(file, context), context)
}

/// Where a case's own recording lies.
pub(super) fn recording_of(file: &CaseFile, context: &Context<'_>) -> PathBuf {
    context.baselines.join(&file.relative)
}

/// Serves and compares a case whose own recording lies at `recording`.
///
/// # Errors
/// Whatever keeps it from a verdict.
pub fn judge_case(
    case: Case,
    recording: &Path,
    context: &Context<'_>,
) -> Result<Judged, GateError> {
    let live = runs_live(&case, context);
    if live && context.settings.attempt > 1 {
        return Err(GateError::Retried { attempt: context.settings.attempt });
    }
    if live && needs_gpu(&case) && context.settings.require_gpu && !has_gpu() {
        return Err(GateError::NoGpu);
    }
    let sides = [case.real.clone(), case.sim.clone()];
    judge_sides(case, sides, recording, live, context)
}

/// Holds recordings on both sides to everything that a case says.
///
/// # Errors
/// Whatever keeps it from a verdict.
pub fn judge_given(
    case: Case,
    sides: [Side; 2],
    context: &Context<'_>,
) -> Result<Judged, GateError> {
    judge_sides(case, sides, Path::new(""), false, context)
}

fn judge_sides(
    case: Case,
    [real_side, sim_side]: [Side; 2],
    recording: &Path,
    live: bool,
    context: &Context<'_>,
) -> Result<Judged, GateError> {
    let stage = Stage::new(&case, recording, *context)?;
    let (model, workload) = (&stage.model, &stage.workload);
    let mut fingerprints = stage.inputs()?.clone();
    // The simulator's profile; one that is measured now comes before the run that it predicts. Runs that
    // are given need it only where it lies ready.
    let profile = match &case.sim {
        Side::Native { profile, .. } => {
            let ready = model.profile_dir(profile).is_some_and(|dir| dir.is_dir());
            (ready || sim_side == case.sim).then(|| model.profile(profile, workload)).transpose()?
        }
        _ => None,
    };
    let [real, sim] = load(&stage, [&real_side, &sim_side], live)?;
    let mut notes = real.notes;
    notes.extend(sim.notes);
    let (mut rules, remarks) = rules(&stage, profile, &real.side, live)?;
    notes.extend(remarks);
    if live && !case.distances.is_empty() {
        notes.push("distances are judged on the recording, not live".to_owned());
    }
    let against_itself = sim_side == Side::Itself;
    // Another machine's scatter says nothing of this one's.
    let here = provenance::same_machine(&real.side, &sim.side);
    rules.lend_to_sim = live && against_itself && here;
    if live && against_itself {
        let elsewhere = if here { "" } else { ", which is of another machine" };
        notes.push(format!("the recording (real){elsewhere}, against a live run (sim)"));
    }
    let recorded = if live && !against_itself { stage.recorded()? } else { None };
    // A recording from another machine says nothing of how this one scatters.
    let recorded = recorded.filter(|r| provenance::same_machine(&r.side, &real.side));
    let anew =
        |rules: &Rules| recorded.as_ref().map(|r| live_against(r, &real.side, rules)).transpose();
    let shown = Rules {
        tolerances: Tolerances::None,
        distances: BTreeMap::new(),
        all_distances: false,
        ..rules.clone()
    };
    rules.lent = anew(&shown)?.as_ref().map(Comparison::spreads);
    let comparison = compare(&real.side, &sim.side, &rules)?;
    let steps = compare::step_figures(&real.side, &sim.side);
    let baseline = anew(&Rules { tolerances: comparison.gated(), ..rules.clone() })?;
    let elsewhere = if live { Vec::new() } else { stage.recorded_elsewhere()? };
    let mut cross = Vec::new();
    for other in &elsewhere {
        match against_elsewhere(other, &sim.side, &shown) {
            Ok(comparison) => cross.push((other.name.clone(), comparison)),
            Err(error) => notes.push(format!("cross-machine, {}: {error}", other.name)),
        }
    }
    let [real_dir, sim_dir] = [&real_side, &sim_side].map(|side| stage.recording_of(side));
    fingerprints.add_side("real", &real.side, real_dir.as_deref());
    fingerprints.add_side("sim", &sim.side, sim_dir.as_deref());
    for other in &elsewhere {
        let Ok(loaded) = &other.side else { continue };
        let dir = other.dir.strip_prefix(context.root).unwrap_or(&other.dir);
        fingerprints.add_side("cross", &loaded.side, Some(dir));
    }
    fingerprints.add_recordings([real_dir, sim_dir], context)?;
    // Of two measured sides the later one is what was asked about.
    let of_device = if live && against_itself { &sim.side } else { &real.side };
    let device = of_device
        .runs
        .iter()
        .find_map(|run| Some(run.meta.as_ref()?.device.as_ref()?.name.clone()));
    Ok(Judged { case, comparison, steps, baseline, cross, notes, fingerprints, device, live })
}

/// What the sides of a case are held to, and remarks about it.
///
/// # Errors
/// A profile that may not predict `real`, or a step that cannot be predicted.
pub(super) fn rules(
    stage: &Stage<'_>,
    profile: Option<&Profile>,
    real: &compare::Side,
    live: bool,
) -> Result<(Rules, Vec<String>), GateError> {
    let case = stage.case;
    let mut rules = Rules {
        tolerances: case.tolerances.clone(),
        // One live process has no scatter of its own to judge a distance by.
        distances: if live { BTreeMap::new() } else { case.distances.clone() },
        all_distances: stage.context.settings.distances,
        judge_few: !case.expect_outside.is_empty(),
        ignore_eos: case.engine.as_ref().map(|engine| engine.ignore_eos),
        allow_boundary_mismatch: case.allow_boundary_mismatch.clone(),
        same_plans: same_plans(case, &stage.workload),
        stated_kappa: case.kappa.iter().copied().collect(),
        ..Rules::default()
    };
    let Some(profile) = profile else { return Ok((rules, Vec::new())) };
    let origin = provenance::check(&profile.meta, real, case, live)?;
    rules.other_machine = origin.other_machine;
    rules.kappa = stage.kappas(real)?;
    Ok((rules, origin.notes))
}

/// Both sides. One that is compared with itself gives every other process to the sim side; served anew, it
/// is compared with its recording.
pub(super) fn load(
    stage: &Stage<'_>,
    [real, sim]: [&Side; 2],
    live: bool,
) -> Result<[LoadedSide; 2], GateError> {
    if *sim != Side::Itself {
        let real = stage.load(real, None)?;
        let sim = stage.load(sim, Some(&real.side))?;
        return Ok([real, sim]);
    }
    let none = || GateError::OneProcess { dir: stage.recording().to_owned() };
    let loaded = stage.load(real, None)?;
    if live {
        return Ok([stage.recorded()?.ok_or_else(none)?, loaded]);
    }
    let [even, odd] = loaded.side.halves().ok_or_else(none)?;
    let mut notes = loaded.notes;
    notes.push("the real side against itself: every other process of its recording".to_owned());
    let half = |side, notes| LoadedSide { side, notes, traced: None };
    Ok([half(even, notes), half(odd, Vec::new())])
}

/// The sim side against a recording from another machine, or why the two cannot be compared.
fn against_elsewhere(
    other: &Elsewhere,
    sim: &compare::Side,
    shown: &Rules,
) -> Result<Comparison, String> {
    let loaded = other.side.as_ref().map_err(GateError::to_string)?;
    // It is shown, never judged.
    let rules = Rules { same_plans: false, ..shown.clone() };
    compare(&loaded.side, sim, &rules).map_err(|error| error.to_string())
}

/// The same engine measured anew, held to the case's tolerances against its own recording.
fn live_against(
    baseline: &LoadedSide,
    live: &compare::Side,
    rules: &Rules,
) -> Result<Comparison, GateError> {
    let rules = Rules {
        distances: BTreeMap::new(),
        all_distances: false,
        judge_few: true,
        kappa: None,
        stated_kappa: Default::default(),
        lent: None,
        lend_to_sim: true,
        ..rules.clone()
    };
    Ok(compare::compare(&baseline.side, live, &rules)?)
}

/// Whether both sides must take the very same steps: they share the scheduler, and when all requests
/// arrive at once nothing that a clock says enters into its plans.
fn same_plans(case: &Case, workload: &Workload) -> bool {
    matches!((&case.real, &case.sim), (Side::Candle { .. }, Side::Native { .. } | Side::Itself))
        && workload.requests.iter().all(|request| request.arrival_ns == 0)
}

/// Whether a side of the case runs anew: measured, so never in a snapshot.
pub(super) fn runs_live(case: &Case, context: &Context<'_>) -> bool {
    let any = case.real.is_served() || case.sim.is_served();
    case.live_only || (context.settings.live && any)
}

/// Whether a live run of the case wants a GPU.
pub(super) fn needs_gpu(case: &Case) -> bool {
    case.hardware.as_deref().is_some_and(|hardware| hardware != CPU)
}
