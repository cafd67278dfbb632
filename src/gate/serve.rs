//! One side of a case by itself: what `simgate workload`, `real`, `sim` and `record` need of it.

use super::judge::recording_of;
use super::loaded::LoadedSide;
use super::sides::Stage;
use super::{CaseFile, Gate, GateError, Progress};
use crate::case::{Case, Side};
use crate::compare::{self, Spread};
use crate::run::StepTimes;
use crate::workload::Workload;

/// Which side of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that is believed.
    Real,
    /// The one that is judged.
    Sim,
}

/// What a recording tells of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedCase {
    /// How far its repeats agree, figure by figure.
    pub spreads: Vec<Spread>,
    /// Where the time of their steps goes.
    pub steps: Option<StepTimes>,
    /// And that of the repeat whose steps were timed on the GPU.
    pub traced: Option<StepTimes>,
}

impl Gate {
    /// The workload of a case.
    ///
    /// # Errors
    /// A faulty case, or a workload that cannot be read or made.
    pub fn workload(&self, file: &CaseFile) -> Result<Workload, GateError> {
        let case = Case::read(&file.path)?;
        Ok(Stage::new(&case, "", self.context(&|_, _, _| {}))?.workload)
    }

    /// The runs of one side of a case. A candle side runs live where the settings say so.
    ///
    /// # Errors
    /// Whatever keeps the side from its runs.
    pub fn serve(
        &self,
        file: &CaseFile,
        role: Role,
        progress: Progress<'_>,
    ) -> Result<LoadedSide, GateError> {
        let case = Case::read(&file.path)?;
        let context = self.context(progress);
        let stage = Stage::new(&case, recording_of(file, &context), context)?;
        let side = match role {
            Role::Real => &case.real,
            Role::Sim => &case.sim,
        };
        match side {
            Side::Recorded { .. } | Side::Import { .. } => {
                Err(GateError::NothingToServe { word: side.word() })
            }
            side => stage.load(side, None),
        }
    }

    /// What the recording of a case tells of itself; `None` for a case without one.
    ///
    /// # Errors
    /// A faulty case, or a recording that cannot be read or is not of this case as it stands.
    pub fn recorded(&self, file: &CaseFile) -> Result<Option<RecordedCase>, GateError> {
        let case = Case::read(&file.path)?;
        if case.live_only || !case.real.is_served() {
            return Ok(None);
        }
        let context = self.context(&|_, _, _| {});
        let stage = Stage::new(&case, recording_of(file, &context), context)?;
        let Some(recorded) = stage.recorded()? else { return Ok(None) };
        let ignore_eos = case.engine.as_ref().map(|engine| engine.ignore_eos);
        let traced = stage.traced()?;
        Ok(Some(RecordedCase {
            spreads: compare::spreads(&recorded.side, &case.tolerances, ignore_eos)?,
            steps: StepTimes::of(&recorded.side.runs),
            traced: StepTimes::of(&traced),
        }))
    }

    /// Where the recording of a case lies.
    pub fn recording(&self, file: &CaseFile) -> std::path::PathBuf {
        recording_of(file, &self.context(&|_, _, _| {}))
    }
}
