//! Runs as one side of a comparison: of one kind, of the case's workload, and timed in one place.

use super::GateError;
use crate::compare::{Origin, Side};
use crate::run::{Boundary, Run, RunMeta};
use crate::workload::Workload;

/// Runs, and a name for each.
pub(super) type Runs = (Vec<Run>, Vec<String>);

/// The runs of one side, and remarks about them.
#[derive(Debug)]
pub struct LoadedSide {
    /// The runs.
    pub side: Side,
    /// Checks that had to be skipped.
    pub notes: Vec<String>,
    /// One more run, with every step timed on the GPU: shown to whoever looks for the time, never
    /// compared.
    pub traced: Option<Run>,
}

pub(super) fn finish(
    (runs, labels): Runs,
    declared: Option<Boundary>,
    origin: Origin,
) -> Result<LoadedSide, GateError> {
    let boundary = boundary(&runs, &labels, declared)?;
    let hashed = |run: &Run| run.meta.as_ref().is_some_and(|meta| meta.hashes.workload.is_some());
    let unchecked = runs.iter().zip(&labels).filter(|(run, _)| !hashed(run));
    let unchecked: Vec<&str> = unchecked.map(|(_, label)| label.as_str()).collect();
    let mut notes = Vec::new();
    if let [first, rest @ ..] = &unchecked[..] {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        notes.push(format!("hash checks skipped: {first}{more} without hashes in a run_meta.json"));
    }
    // Which weights were served is never left to be guessed.
    let weights = runs.iter().find_map(|run| Some(&run.meta.as_ref()?.weights.as_ref()?.source));
    notes.extend(weights.map(|source| format!("{}: weights are {source}", labels[0])));
    let cold =
        |run: &Run| run.meta.as_ref().is_some_and(|m| m.backend == "candle" && m.warmup.is_none());
    if runs.iter().any(cold) {
        notes.push(format!("{}: served without warm-up", labels[0]));
    }
    let restless = |run: &&Run| run.meta.as_ref().is_some_and(|m| m.stationary == Some(false));
    let restless = runs.iter().filter(restless).count();
    if restless > 0 {
        notes.push(format!(
            "{}: step times had not become stationary when {restless} of {} repeats began",
            labels[0],
            runs.len()
        ));
    }
    mixed(&runs, &labels)?;
    let side = Side { labels, runs, boundary, origin };
    Ok(LoadedSide { side, notes, traced: None })
}

/// One side is one backend on one machine, with the same weights and build throughout.
fn mixed(runs: &[Run], labels: &[String]) -> Result<(), GateError> {
    let named =
        || runs.iter().zip(labels).filter_map(|(run, label)| Some((run.meta.as_ref()?, label)));
    type Told = fn(&RunMeta) -> Option<String>;
    let told: [(&'static str, Told); 6] = [
        ("backend", |meta| Some(meta.backend.clone())),
        ("device", |meta| Some(meta.device.as_ref()?.name.clone())),
        ("GPU", |meta| meta.device.as_ref()?.uuid.clone()),
        ("host", |meta| Some(meta.host.as_ref()?.cpu.clone())),
        ("weights", |meta| {
            let weights = meta.weights.as_ref()?;
            Some(weights.sha256.clone().unwrap_or_else(|| weights.source.clone()))
        }),
        ("build", |meta| Some(meta.engine_build.as_ref()?.commit.clone())),
    ];
    let Some((first, _)) = named().next() else { return Ok(()) };
    for (meta, label) in named() {
        for (what, of) in told {
            let (expected, found) = (of(first), of(meta));
            if expected != found {
                let name = |name: Option<String>| name.unwrap_or_else(|| "none".to_owned());
                return Err(GateError::MixedSide {
                    run: label.clone(),
                    what,
                    found: name(found),
                    expected: name(expected),
                });
            }
        }
    }
    Ok(())
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
pub(super) fn same_workload(run: &Run, label: &str, workload: &Workload) -> Result<(), GateError> {
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
