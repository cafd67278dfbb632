//! From a side in a case to its runs: who serves, where it was timed, and whether it was this
//! workload.

use std::path::{Path, PathBuf};

use super::{Context, GateError};
use crate::backend::{Backend, BackendError, Kind, Recorded};
use crate::case::{Case, Side};
use crate::compare;
use crate::engine::EngineConfig;
use crate::run::{Boundary, Run};
use crate::workload::Workload;

/// Seeds of a seeded backend, when the case does not say.
const SEEDS: u32 = 16;
/// Fewest seeds whose spread can be told.
const MIN_SEEDS: u32 = 3;
/// Repeats of a measured backend, when the case does not say.
const REPEATS: u32 = 5;

/// The runs of one side, and remarks about them.
#[derive(Debug)]
pub struct LoadedSide {
    /// The runs.
    pub side: compare::Side,
    /// Checks that had to be skipped.
    pub notes: Vec<String>,
}

/// Serves or replays `side` of `case`. `recording` is where the case's own recording lies.
///
/// # Errors
/// A side that cannot run or be read, or whose runs are of another workload, engine or boundary.
pub fn load_side(
    case: &Case,
    side: &Side,
    recording: &Path,
    workload: &Workload,
    context: &Context<'_>,
) -> Result<LoadedSide, GateError> {
    let (runs, labels, declared) = match side {
        Side::Recorded { runs, boundary } => {
            let dirs = runs.iter().map(|path| resolve(case, path, context));
            let dirs = dirs.collect::<Result<Vec<_>, _>>()?;
            let (runs, labels) = replay(&dirs, workload, context.root)?;
            (runs, labels, *boundary)
        }
        Side::Candle { .. } | Side::Transformers if !context.settings.live && !case.live_only => {
            if !recording.is_dir() {
                return Err(GateError::NoBaseline { dir: recording.to_owned() });
            }
            let (runs, labels) = replay(&[recording.to_owned()], workload, context.root)?;
            (runs, labels, None)
        }
        Side::Registered { name, repeats, boundary } => {
            let (runs, labels) = serve(name, *repeats, case.live_only, workload, context)?;
            (runs, labels, *boundary)
        }
        other => return Err(GateError::UnsupportedSide { word: other.word() }),
    };
    let workload_hash = workload.hash();
    for (run, label) in runs.iter().zip(&labels) {
        same_workload(run, label, workload)?;
        check_hashes(run, label, &workload_hash, case.engine.as_ref())?;
    }
    finish((runs, labels), declared)
}

/// Replays a run directory, or a folder of repeats, outside any case.
///
/// # Errors
/// A directory that cannot be read, or runs of unlike boundaries.
pub fn load_recorded(dir: &Path, boundary: Option<Boundary>) -> Result<LoadedSide, GateError> {
    // A recording serves what it served, whatever it is asked.
    let runs = replay(&[dir.to_owned()], &Workload::default(), Path::new(""))?;
    finish(runs, boundary)
}

fn finish((runs, labels): Runs, declared: Option<Boundary>) -> Result<LoadedSide, GateError> {
    let boundary = boundary(&runs, &labels, declared)?;
    let unchecked = runs.iter().zip(&labels).filter(|(run, _)| run.meta.is_none());
    let unchecked: Vec<&str> = unchecked.map(|(_, label)| label.as_str()).collect();
    let mut notes = Vec::new();
    if let [first, rest @ ..] = &unchecked[..] {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        notes.push(format!("hash checks skipped: {first}{more} without run_meta.json"));
    }
    Ok(LoadedSide { side: compare::Side { labels, runs, boundary }, notes })
}

/// A path of a case: beside the case file, or in the project.
pub(super) fn resolve(
    case: &Case,
    path: &Path,
    context: &Context<'_>,
) -> Result<PathBuf, GateError> {
    let beside = case.path.parent().unwrap_or(Path::new("")).join(path);
    let inside = context.root.join(path);
    [beside, inside].into_iter().find(|p| p.exists()).ok_or_else(|| GateError::NoSuchPath {
        case: case.path.clone(),
        path: path.to_owned(),
        root: context.root.to_owned(),
    })
}

type Runs = (Vec<Run>, Vec<String>);

fn replay(dirs: &[PathBuf], workload: &Workload, root: &Path) -> Result<Runs, GateError> {
    let mut recorded = Recorded::open(dirs)?;
    let labels = recorded.dirs().iter().map(|dir| {
        // Relative to the project, so that snapshots are the same in every checkout.
        dir.strip_prefix(root).unwrap_or(dir).display().to_string()
    });
    let labels: Vec<String> = labels.collect();
    let runs = collect(&mut recorded, "recorded", labels.len() as u32, workload)?;
    Ok((runs, labels))
}

fn serve(
    name: &str,
    repeats: Option<u32>,
    live_only: bool,
    workload: &Workload,
    context: &Context<'_>,
) -> Result<Runs, GateError> {
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
    let runs = collect(backend.as_mut(), name, repeats, workload)?;
    Ok((runs, (0..repeats).map(|repeat| format!("{name} #{repeat}")).collect()))
}

fn collect(
    backend: &mut dyn Backend,
    name: &str,
    repeats: u32,
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
        Ok(run)
    };
    (0..repeats).map(serve).collect()
}

/// Where all runs were timed: by their own word, or else by the case's.
fn boundary(
    runs: &[Run],
    labels: &[String],
    declared: Option<Boundary>,
) -> Result<Boundary, GateError> {
    let mut agreed = declared;
    for (run, label) in runs.iter().zip(labels) {
        let said = run.meta.as_ref().map(|meta| meta.boundary).or(declared);
        let found = said.ok_or_else(|| GateError::NoBoundary { run: label.clone() })?;
        let expected = *agreed.get_or_insert(found);
        if found != expected {
            return Err(GateError::BoundaryConflict { run: label.clone(), found, expected });
        }
    }
    agreed.ok_or_else(|| GateError::NoBoundary { run: "a side without runs".to_owned() })
}

/// Row by row: a run without hashes is still a run of this workload or not.
fn same_workload(run: &Run, label: &str, workload: &Workload) -> Result<(), GateError> {
    let other = |problem| GateError::OtherWorkload { run: label.to_owned(), problem };
    if run.requests.len() != workload.requests.len() {
        let (found, expected) = (run.requests.len(), workload.requests.len());
        return Err(other(format!("it has {found} requests, the workload {expected}")));
    }
    let mut requests: Vec<_> = workload.requests.iter().collect();
    requests.sort_by_key(|r| r.request_id);
    for (record, request) in run.requests.iter().zip(requests) {
        let id = request.request_id;
        for (column, found, expected) in [
            ("request_id", record.request_id, id),
            ("arrival_time_ns", record.arrival_ns, request.arrival_ns),
            ("num_prefill_tokens", record.prefill_tokens.into(), request.prefill_tokens.into()),
            ("num_decode_tokens", record.decode_tokens.into(), request.decode_tokens.into()),
        ] {
            if found != expected {
                return Err(other(format!(
                    "request {id} has {column} {found}, the workload {expected}"
                )));
            }
        }
    }
    Ok(())
}

fn check_hashes(
    run: &Run,
    label: &str,
    workload: &str,
    engine: Option<&EngineConfig>,
) -> Result<(), GateError> {
    let Some(hashes) = run.meta.as_ref().map(|meta| &meta.hashes) else { return Ok(()) };
    let engine = engine.map(EngineConfig::hash);
    for (what, found, expected) in [
        ("workload", &hashes.workload, Some(workload)),
        ("engine configuration", &hashes.engine, engine.as_deref()),
    ] {
        if let (Some(found), Some(expected)) = (found, expected)
            && found != expected
        {
            return Err(GateError::Stale {
                run: label.to_owned(),
                what,
                found: found.clone(),
                expected: expected.to_owned(),
            });
        }
    }
    Ok(())
}
