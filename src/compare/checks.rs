//! What must hold before two sides are worth comparing: like boundaries, no copies, the same workload,
//! settings and model.

use std::collections::BTreeSet;

use super::error::CompareError;
use super::side::{Rules, Side};
use crate::run::{self, NATIVE, Run};

/// Fewest seeds whose spread can be told.
const MIN_SEEDS: usize = 3;

/// Why unlike boundaries are let through, if they are unlike.
pub(super) fn boundaries(
    real: &Side,
    sim: &Side,
    rules: &Rules,
) -> Result<Option<String>, CompareError> {
    if real.boundary == sim.boundary {
        return Ok(None);
    }
    match &rules.allow_boundary_mismatch {
        Some(reason) => Ok(Some(reason.clone())),
        None => Err(CompareError::Boundary { real: real.boundary, sim: sim.boundary }),
    }
}

/// No run stands there twice: not as two repeats of a side, and not as both sides. A calculation may
/// give the same times twice, a measurement never does.
pub(super) fn copies(real: &Side, sim: &Side) -> Result<(), CompareError> {
    no_twins([(real, !real.is_computed()), (sim, sim.measured())])
}

/// No repeat of a measured side stands there twice.
///
/// # Errors
/// [`CompareError::Copies`].
pub fn distinct(side: &Side) -> Result<(), CompareError> {
    no_twins([(side, !side.is_computed())])
}

/// No two runs have one label, nor the same times where either side was measured.
fn no_twins<const N: usize>(sides: [(&Side, bool); N]) -> Result<(), CompareError> {
    let mut seen: Vec<(&str, String, bool)> = Vec::new();
    for (side, measured) in sides {
        for (label, run) in side.labelled() {
            let hash = run::request_hash(run);
            let twin = |(other, times, other_measured): &&(&str, String, bool)| {
                *other == label || (*times == hash && (measured || *other_measured))
            };
            if let Some((first, ..)) = seen.iter().find(twin) {
                let (first, second) = ((*first).to_owned(), label.to_owned());
                return Err(CompareError::Copies { first, second });
            }
            seen.push((label, hash, measured));
        }
    }
    Ok(())
}

/// All runs that say what they served, with which settings and model, must say the same.
pub(super) fn hashes(real: &Side, sim: &Side) -> Result<(), CompareError> {
    type Hash = fn(&run::Hashes) -> Option<&String>;
    let kinds: [(&'static str, Hash); 3] = [
        ("workload", |hashes| hashes.workload.as_ref()),
        ("engine configuration", |hashes| hashes.engine.as_ref()),
        ("model", |hashes| hashes.model_config.as_ref()),
    ];
    for (what, hash) in kinds {
        let of_run = |run: &'_ Run| run.meta.as_ref().and_then(|meta| hash(&meta.hashes)).cloned();
        let mut known = real
            .labelled()
            .chain(sim.labelled())
            .filter_map(|(label, run)| Some((label, of_run(run)?)));
        let Some((first_run, first)) = known.next() else { continue };
        if let Some((other_run, other)) = known.find(|(_, hash)| *hash != first) {
            return Err(CompareError::Hashes {
                what,
                left_run: first_run.to_owned(),
                left: first,
                right_run: other_run.to_owned(),
                right: other,
            });
        }
    }
    Ok(())
}

/// Why TBT cannot be compared, if it cannot.
pub(super) fn no_gaps(real: &Side, sim: &Side) -> Option<String> {
    real.labelled().chain(sim.labelled()).find_map(|(label, run)| match &run.tokens {
        None if run.gaps.is_some() => None,
        None => Some(format!("{label} has no token_metrics.csv")),
        Some(tokens) => tokens
            .incomplete(&run.requests)
            .map(|incomplete| format!("token_metrics.csv of {label} is incomplete: {incomplete}")),
    })
}

/// A seeded simulator's spread takes a few seeds to know. One run is a deterministic prediction, as
/// are several that are the same; others are of seeds.
pub(super) fn seeds(sim: &Side) -> Result<(), CompareError> {
    if sim.measured() {
        return Ok(());
    }
    let native = |run: &&Run| run.meta.as_ref().is_some_and(|meta| meta.backend == NATIVE);
    let hashes: BTreeSet<String> = sim.runs.iter().map(run::request_hash).collect();
    let seeded = hashes.len() > 1 || sim.runs.iter().any(|run| native(&run));
    if seeded && hashes.len() < MIN_SEEDS && !constant(sim) {
        return Err(CompareError::FewSeeds { run: sim.labels[0].clone(), seeds: hashes.len() });
    }
    Ok(())
}

/// Whether runs of enough different seeds came to the same times: then nothing in them is random.
fn constant(sim: &Side) -> bool {
    let seed = |run: &Run| run.meta.as_ref().and_then(|meta| meta.repeat);
    let seeds: BTreeSet<u32> = sim.runs.iter().filter_map(seed).collect();
    seeds.len() >= MIN_SEEDS
}
