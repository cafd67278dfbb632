//! What must hold before two sides are worth comparing: like boundaries, no copies, the same workload,
//! settings and model.

use super::error::CompareError;
use super::side::{Rules, Side};
use crate::run::{self, Run};

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

/// No run stands there twice: not as two repeats of a side, and not as both sides.
pub(super) fn copies(real: &Side, sim: &Side) -> Result<(), CompareError> {
    let refuse = |first: &str, second: &str| {
        Err(CompareError::Copies { first: first.to_owned(), second: second.to_owned() })
    };
    let labels: Vec<&str> = real.labelled().chain(sim.labelled()).map(|(label, _)| label).collect();
    for (i, label) in labels.iter().enumerate() {
        if labels[..i].contains(label) {
            return refuse(label, label);
        }
    }
    if real.runs.len() < 2 {
        return Ok(());
    }
    let hashes: Vec<String> = real.runs.iter().map(run::request_hash).collect();
    for (i, hash) in hashes.iter().enumerate() {
        if let Some(first) = hashes[..i].iter().position(|h| h == hash) {
            return refuse(&real.labels[first], &real.labels[i]);
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

/// A seeded simulator's spread takes a few seeds to know.
pub(super) fn seeds(sim: &Side) -> Result<(), CompareError> {
    let seeded = |run: &&Run| run.meta.as_ref().is_some_and(|meta| meta.backend == "native");
    let seeds = sim.runs.iter().filter(seeded).count();
    if (1..MIN_SEEDS).contains(&seeds) {
        return Err(CompareError::FewSeeds { run: sim.labels[0].clone(), seeds });
    }
    Ok(())
}
