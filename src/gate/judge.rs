//! One case from file to outcome.

use std::path::{Path, PathBuf};

use super::discover::CaseFile;
use super::fingerprint::Fingerprints;
use super::model::CaseModel;
use super::settings::has_gpu;
use super::sides::Stage;
use super::workload::workload;
use super::{Context, GateError};
use crate::case::{Case, Side};
use crate::compare::{CaseVerdict, Comparison, Figure, FigureResult, Rules, Verdict, compare};
use crate::report::{Report, duration, percent, signed_percent};
use crate::workload::Workload;

/// A case that could be judged.
#[derive(Debug)]
pub struct Judged {
    /// The case.
    pub case: Case,
    /// Its comparison.
    pub comparison: Comparison,
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
        Report { title, comparison: &self.comparison, notes: &self.notes }
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
                self.comparison.verdict(),
                CaseVerdict::StructureOnly | CaseVerdict::Judged(Verdict::Within)
            );
        }
        self.comparison.structure.agrees() && self.expected_but_not_outside().is_empty()
    }

    /// The judged figure that lies farthest beyond, or nearest to, its tolerance.
    pub fn worst(&self) -> Option<&FigureResult> {
        let share = |f: &FigureResult| f.tolerance.map_or(0.0, |t| f.error().abs() / t.fraction());
        let judged = self.comparison.figures.iter().filter(|f| f.verdict.is_some());
        judged.max_by(|a, b| {
            (a.verdict, share(a))
                .partial_cmp(&(b.verdict, share(b)))
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// One line that says why the verdict is not the one asked for.
    pub(super) fn reason(&self) -> String {
        if !self.comparison.structure.agrees() {
            return self.report("").remarks().join("; ");
        }
        let missed = self.expected_but_not_outside();
        if let [first, ..] = &missed[..] {
            let names: Vec<String> = missed.iter().map(Figure::to_string).collect();
            let figure = self.comparison.figure(*first).map(describe).unwrap_or_default();
            return format!("expected {} outside, but {figure}", names.join(", "));
        }
        self.worst().map(describe).unwrap_or_else(|| "no figure was judged".to_owned())
    }
}

/// `ttft.p50 -88.62 % (real 17.28 ms, sim 1.968 ms), tolerance 5 %: outside`.
pub fn describe(figure: &FigureResult) -> String {
    format!(
        "{} {} (real {}, sim {}), tolerance {}: {}",
        figure.figure,
        signed_percent(figure.error()),
        duration(figure.real_ns),
        duration(figure.sim_ns),
        figure.tolerance.map_or_else(|| "none".to_owned(), |t| percent(t.fraction())),
        figure.verdict.map_or("not judged", Verdict::as_str),
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
    let model = CaseModel::new(&case, *context);
    let workload = workload(&case, &model, context)?;
    let stage =
        Stage { case: &case, model: &model, workload: &workload, recording, context: *context };
    // A profile that is measured now comes before the run that it predicts.
    if let Side::Native { profile, .. } = &case.sim
        && live
    {
        model.profile(profile, &workload)?;
    }
    let real = stage.load(&case.real, None)?;
    let sim = stage.load(&case.sim, Some(&real.side))?;
    let rules = Rules {
        tolerances: case.tolerances.clone(),
        judge_few: !case.expect_outside.is_empty(),
        ignore_eos: case.engine.as_ref().map(|engine| engine.ignore_eos),
        allow_boundary_mismatch: case.allow_boundary_mismatch.clone(),
        same_plans: same_plans(&case, &workload),
    };
    let comparison = compare(&real.side, &sim.side, &rules)?;
    let mut notes = real.notes;
    notes.extend(sim.notes);
    let fingerprints = Fingerprints::of(&case, &workload, &real.side, &sim.side);
    let device = real
        .side
        .runs
        .iter()
        .find_map(|run| Some(run.meta.as_ref()?.device.as_ref()?.name.clone()));
    Ok(Judged { case, comparison, notes, fingerprints, device, live })
}

/// Whether both sides must take the very same steps: they share the scheduler, and when all requests
/// arrive at once nothing that a clock says enters into its plans.
fn same_plans(case: &Case, workload: &Workload) -> bool {
    matches!((&case.real, &case.sim), (Side::Candle { .. }, Side::Native { .. }))
        && workload.requests.iter().all(|request| request.arrival_ns == 0)
}

/// Whether the case's real side runs anew: measured, so never in a snapshot.
pub(super) fn runs_live(case: &Case, context: &Context<'_>) -> bool {
    let replayable = matches!(case.real, Side::Candle { .. } | Side::Transformers);
    case.live_only || (context.settings.live && replayable)
}

/// Whether a live run of the case wants a GPU.
pub(super) fn needs_gpu(case: &Case) -> bool {
    case.hardware.as_deref().is_some_and(|hardware| hardware != "cpu")
}
