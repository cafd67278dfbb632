//! Runs of a backend, held to what a run must be.

use std::ops::Range;

use super::loaded::Runs;
use super::{Context, GateError};
use crate::backend::{Backend, BackendError, Kind};
use crate::run::{self, Run};
use crate::workload::Workload;

/// Seeds of a seeded backend, when the case does not say.
pub(super) const SEEDS: u32 = 16;
/// Fewest seeds whose spread can be told.
const MIN_SEEDS: u32 = 3;
/// Repeats of a measured backend, when the case does not say.
const REPEATS: u32 = 5;

/// Serves with a backend that the test program registers, and says what kind it is.
pub(super) fn registered(
    name: &str,
    repeats: Option<u32>,
    live_only: bool,
    workload: &Workload,
    context: &Context<'_>,
) -> Result<(Runs, Kind), GateError> {
    let mut backend = context.registry.make(name).ok_or_else(|| GateError::UnknownBackend {
        name: name.to_owned(),
        registered: context.registry.names().into_iter().map(str::to_owned).collect(),
    })?;
    let repeats = match backend.kind() {
        Kind::Deterministic => 1,
        Kind::Recorded { runs } => runs,
        Kind::Measured => repeats.unwrap_or(REPEATS),
        Kind::Seeded => repeats.unwrap_or(SEEDS),
    };
    if backend.kind() == Kind::Measured && !live_only {
        return Err(GateError::MeasuredBaseline { name: name.to_owned() });
    }
    if backend.kind() == Kind::Seeded && repeats < MIN_SEEDS {
        return Err(GateError::FewSeeds { name: name.to_owned(), repeats });
    }
    let runs = collect(backend.as_mut(), name, 0..repeats, workload)?;
    let labels = (0..repeats).map(|repeat| format!("{name} #{repeat}")).collect();
    Ok(((runs, labels), backend.kind()))
}

/// Serves `workload` once for each of `repeats`.
pub(super) fn collect(
    backend: &mut dyn Backend,
    name: &str,
    repeats: Range<u32>,
    workload: &Workload,
) -> Result<Vec<Run>, GateError> {
    let serve = |repeat| {
        let run = backend.run(workload, repeat).map_err(|source| match source {
            // A recording's error names its file.
            BackendError::Run(error) => GateError::Run(error),
            source => GateError::Backend { name: name.to_owned(), repeat, source },
        })?;
        if !run.requests.is_sorted_by_key(|r| r.request_id) {
            return Err(GateError::Backend {
                name: name.to_owned(),
                repeat,
                source: BackendError::Failed("its requests do not ascend by id".to_owned()),
            });
        }
        // What comes from files was checked row by row.
        let recorded = matches!(backend.kind(), Kind::Recorded { .. });
        match run::fault(&run).filter(|_| !recorded) {
            Some(problem) => {
                Err(GateError::FaultyRun { run: format!("{name} #{repeat}"), problem })
            }
            None => Ok(run),
        }
    };
    repeats.map(serve).collect()
}
