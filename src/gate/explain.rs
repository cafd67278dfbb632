//! Cases whose error is taken apart, and cases with a fault in their simulator.

use super::anew::no_prediction;
use super::judge::{self, recording_of};
use super::sides::Stage;
use super::{CaseFile, Context, Gate, GateError, Judged, LoadedSide};
use crate::case::{Case, Side};
use crate::profile::Times;
use crate::run::Run;
use crate::study::{self, Evidence, Explained, Fault};

/// Simulations that an explanation takes for each combination of known parts.
const SEEDS: u32 = 4;

impl Gate {
    /// Where the error of a case's simulator comes from, by its recording's repeat with timed steps.
    ///
    /// # Errors
    /// A case that is not predicted by simgate's simulator, has no such repeat, or cannot be predicted.
    pub fn explain(
        &self,
        file: &CaseFile,
        fault: Option<Fault>,
    ) -> Result<Vec<Explained>, GateError> {
        explain_case(file, &self.context(&|_, _, _| {}), fault)
    }

    /// The steps of both sides of a case: those of the real side's repeat with timed steps, or of its first, and
    /// those of the simulator, with a fault or without.
    ///
    /// # Errors
    /// A side that cannot be read or predicted, or whose runs have no steps.
    pub fn timelines(
        &self,
        file: &CaseFile,
        fault: Option<Fault>,
    ) -> Result<[(String, Run); 2], GateError> {
        let case = Case::read(&file.path)?;
        let mut gate = self.clone();
        gate.settings.fault = fault;
        let context = gate.context(&|_, _, _| {});
        let stage = Stage::new(&case, recording_of(file, &context), context)?;
        let [real, sim] = judge::load(&stage, [&case.real, &case.sim], false)?;
        let first = |loaded: LoadedSide| {
            let mut runs = loaded.side.labels.into_iter().zip(loaded.side.runs);
            runs.find(|(_, run)| !run.steps.is_empty())
        };
        let traced = stage.traced()?.map(|run| ("its repeat with timed steps".to_owned(), run));
        let known =
            |side: &'static str, run: Option<(String, Run)>| run.ok_or(GateError::NoSteps { side });
        Ok([known("real", traced.or_else(|| first(real)))?, known("sim", first(sim))?])
    }

    /// The runs of a case's sim side as the gate judges it, with a fault of its steps or without.
    ///
    /// # Errors
    /// A side that cannot be read or predicted.
    pub fn simulated(&self, file: &CaseFile, fault: Option<Fault>) -> Result<Vec<Run>, GateError> {
        let case = Case::read(&file.path)?;
        let mut gate = self.clone();
        gate.settings.fault = fault;
        let context = gate.context(&|_, _, _| {});
        let stage = Stage::new(&case, recording_of(file, &context), context)?;
        let [_, sim] = judge::load(&stage, [&case.real, &case.sim], false)?;
        Ok(sim.side.runs)
    }

    /// Judges a case whose simulator has a fault of its steps ([`Fault::is_of_steps`]), or none.
    ///
    /// # Errors
    /// Whatever keeps it from a verdict.
    pub fn judge_fault(&self, file: &CaseFile, fault: Option<Fault>) -> Result<Judged, GateError> {
        let mut gate = self.clone();
        gate.settings.fault = fault;
        judge::judge(file, &gate.context(&|_, _, _| {}))
    }

    /// Whether simgate's simulator predicts a case.
    ///
    /// # Errors
    /// A faulty case.
    pub fn is_predicted(&self, file: &CaseFile) -> Result<bool, GateError> {
        Ok(matches!(Case::read(&file.path)?.sim, Side::Native { .. }))
    }

    /// Whether a case's prediction has parts that can be left out: one from a profile of a GPU.
    ///
    /// # Errors
    /// A faulty case, or a profile that cannot be read.
    pub fn has_parts(&self, file: &CaseFile) -> Result<bool, GateError> {
        let case = Case::read(&file.path)?;
        let Side::Native { profile, .. } = &case.sim else { return Ok(false) };
        if case.live_only {
            return Ok(false);
        }
        let context = self.context(&|_, _, _| {});
        let stage = Stage::new(&case, recording_of(file, &context), context)?;
        let profile = stage.model.profile(profile, &stage.workload)?;
        Ok(matches!(profile.times, Times::Gpu(_)))
    }
}

/// Where the error of a case's simulator comes from.
///
/// # Errors
/// As [`Gate::explain`].
pub(super) fn explain_case(
    file: &CaseFile,
    context: &Context<'_>,
    fault: Option<Fault>,
) -> Result<Vec<Explained>, GateError> {
    let case = Case::read(&file.path)?;
    let Side::Native { profile, .. } = &case.sim else {
        return Err(GateError::NotExplained { word: case.sim.word() });
    };
    if case.engine.as_ref().is_some_and(|engine| !engine.ignore_eos) {
        return Err(GateError::NotExplained { word: "native, with ignore_eos: false" });
    }
    let stage = Stage::new(&case, recording_of(file, context), *context)?;
    let dir = stage.recording().to_owned();
    let recorded = stage.recorded()?.ok_or(GateError::NoBaseline { dir: dir.clone() })?;
    let traced = stage.traced()?.ok_or(GateError::NoTrace { dir })?;
    let intact = stage.simulator(profile, Some(&recorded.side), None)?;
    let native = stage.simulator(profile, Some(&recorded.side), fault)?;
    study::explain(Evidence {
        native: &native,
        intact: &intact,
        workload: &stage.workload,
        traced: &traced,
        recorded: &recorded.side.runs,
        seeds: SEEDS,
    })
    .map_err(no_prediction)
}
