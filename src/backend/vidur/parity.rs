//! A simulation against the files that Vidur wrote of the same one, column by column.

use std::path::Path;

use super::simulator::{VidurRun, VidurStep};
use super::state::VidurOutcome;
use crate::files::{FileError, Table};

/// Differences are shares of Vidur's value, or of this where that is smaller: a delay of nothing has no share.
/// A millisecond, in seconds; a millionth of it is a nanosecond.
const LEAST: f64 = 1e-3;

/// How far a column lies from Vidur's.
#[derive(Debug, Clone, PartialEq)]
pub struct Parity {
    /// The column.
    pub column: &'static str,
    /// Whether it holds times; else they are counts.
    pub times: bool,
    /// Rows of Vidur's.
    pub rows: usize,
    /// Largest difference, as a share of Vidur's value, or of 0.001 where that is smaller.
    pub largest: f64,
    /// Vidur's number of the row with that difference.
    pub at: u64,
}

impl Parity {
    /// Whether counts are the same, and times within `tolerance` of each other.
    pub fn holds(&self, tolerance: f64) -> bool {
        self.largest <= if self.times { tolerance } else { 0.0 }
    }
}

/// A column: its name, whether it holds times, and our value of it.
type Column<T> = (&'static str, bool, fn(&T) -> f64);

const OF_REQUESTS: [Column<VidurOutcome>; 8] = [
    ("prefill_e2e_time", true, |r| r.prefill_completed_at - r.arrived_at),
    ("request_e2e_time", true, |r| r.completed_at - r.arrived_at),
    ("request_scheduling_delay", true, |r| r.scheduled_at - r.arrived_at),
    ("request_execution_time", true, |r| r.execution_time),
    ("request_preemption_time", true, |r| r.preempted_time),
    ("prefill_time_execution_plus_preemption", true, |r| r.prefill_completed_at - r.scheduled_at),
    ("decode_time_execution_plus_preemption_normalized", true, |r| {
        (r.completed_at - r.prefill_completed_at) / f64::from(r.decode_tokens)
    }),
    ("request_num_restarts", false, |r| f64::from(r.restarts)),
];

const OF_STEPS: [Column<VidurStep>; 4] = [
    ("batch_execution_time", true, |s| s.execution_time),
    ("batch_num_tokens", false, |s| f64::from(s.tokens)),
    ("batch_num_prefill_tokens", false, |s| f64::from(s.prefill_tokens)),
    ("batch_size", false, |s| f64::from(s.size)),
];

/// Holds `run` against `request_metrics` and, where it is there, `batch_metrics`, files of Vidur's.
///
/// # Errors
/// A file without a column, with a row that is no number, or with other rows than the run.
pub fn parity(
    run: &VidurRun,
    request_metrics: &Path,
    batch_metrics: Option<&Path>,
) -> Result<Vec<Parity>, FileError> {
    let mut found = columns(request_metrics, "Request Id", &OF_REQUESTS, &run.requests)?;
    if let Some(path) = batch_metrics {
        found.extend(columns(path, "Batch Id", &OF_STEPS, &run.steps)?);
    }
    Ok(found)
}

fn columns<T>(
    path: &Path,
    id: &str,
    wanted: &[Column<T>],
    ours: &[T],
) -> Result<Vec<Parity>, FileError> {
    let table = Table::open(path)?;
    let number = table.column(id)?;
    let mut found = Vec::new();
    for &(column, times, _) in wanted {
        let parity = Parity { column, times, rows: 0, largest: 0.0, at: 0 };
        found.push((table.column(column)?, parity));
    }
    let mut seen = vec![false; ours.len()];
    table.for_each::<FileError>(|row| {
        let at = row.u64(number)?;
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        let (Some(ours), Some(seen)) = (ours.get(place), seen.get_mut(place)) else {
            let problem = format!("{at}, but the simulation has {} of them", ours.len());
            return Err(row.problem(number, problem));
        };
        if std::mem::replace(seen, true) {
            return Err(row.problem(number, format!("{at} stands there already")));
        }
        for ((column, parity), (_, _, value)) in found.iter_mut().zip(wanted) {
            let difference = difference(row.finite(*column)?, value(ours));
            parity.rows += 1;
            if difference > parity.largest {
                (parity.largest, parity.at) = (difference, at);
            }
        }
        Ok(())
    })?;
    if let Some(missing) = seen.iter().position(|seen| !seen) {
        return Err(table.short(id, format!("{missing} is missing, which the simulation has")));
    }
    Ok(found.into_iter().map(|(_, parity)| parity).collect())
}

fn difference(theirs: f64, ours: f64) -> f64 {
    (theirs - ours).abs() / theirs.abs().max(LEAST)
}
