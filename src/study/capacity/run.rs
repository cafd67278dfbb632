//! Every candidate's search, on several threads; the rows come in the order of the candidates.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use thiserror::Error;

use super::Predict;
use super::grid::Candidate;
use super::rows::{Found, Row};
use super::search::{Outcome, Precision, search};
use super::slo::{Slo, Slos};
use crate::compare::RunFigures;

/// The least share of a run in which requests arrive, for its rate to be one that is kept up. Below, the run is mostly
/// one burst: its queue is as long as there are requests, and a longer one would grow it further.
const SUSTAINED: f64 = 0.5;

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The targets.
    pub slos: &'a Slos,
    /// The rate that every search begins at, per second; above 0.
    pub start_per_s: f64,
    /// How close it comes.
    pub precision: Precision,
    /// Threads; 0 for as many as there are cores.
    pub jobs: usize,
}

/// Why no candidate was tried.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CapacityError {
    /// The system gives no threads.
    #[error("cannot start threads: {0}: ask for fewer jobs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Searches for the capacity of each candidate. One that cannot be simulated gets a row that says why. `progress`
/// hears of (candidates done, candidates in all).
///
/// # Errors
/// Threads that cannot be had.
pub fn run(
    candidates: &[Candidate],
    predict: &dyn Predict,
    task: Task<'_>,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Vec<Row>, CapacityError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(task.jobs).build()?;
    let done = Mutex::new(0);
    let row = |candidate: &Candidate| {
        let row = Row::new(candidate, capacity(candidate, predict, task));
        // Held while it is told, so that counts are heard in order.
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += 1;
        progress(*done, candidates.len() as u64);
        row
    };
    Ok(pool.install(|| candidates.par_iter().map(row).collect()))
}

/// One candidate's search, and a remark on it.
fn capacity(
    candidate: &Candidate,
    predict: &dyn Predict,
    task: Task<'_>,
) -> Result<(Found, String), String> {
    let answer = search(task.start_per_s, task.precision, |rate| {
        let figures = predict.at(candidate, rate)?;
        let values = values(&figures, task.slos)?;
        let within = |(ns, slo): (&f64, &Slo)| *ns <= slo.limit_ns as f64;
        // A request that is not served holds no target.
        let held = figures.not_ok == 0 && values.iter().zip(task.slos.iter()).all(within);
        Ok::<_, String>((held, (figures, values)))
    })?;
    let (figures, values) = answer.at_rate;
    let remark = match answer.outcome {
        Outcome::Never if figures.not_ok > 0 => {
            format!("requests not served at this rate: {}", figures.not_ok)
        }
        Outcome::Found if figures.arriving < SUSTAINED => format!(
            "requests arrive in {:.0} % of the run, and queue in the rest of it: a longer run may not sustain this rate",
            100.0 * figures.arriving
        ),
        _ => String::new(),
    };
    let found = Found {
        outcome: answer.outcome,
        rate_per_s: answer.rate,
        output_tokens_per_s: figures.output_tokens_per_s,
        figures_ms: values.iter().map(|ns| ns / 1e6).collect(),
        simulations: answer.simulations,
    };
    Ok((found, remark))
}

/// The value of each target's figure, ns.
fn values(figures: &RunFigures, slos: &Slos) -> Result<Vec<f64>, String> {
    let value = |slo: &Slo| {
        figures.ns.get(&slo.figure).copied().ok_or_else(|| {
            format!(
                "{} has no samples: no request is served, or none has enough tokens",
                slo.figure
            )
        })
    };
    slos.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::super::grid::{Defaults, Grid, Key};
    use super::*;

    /// TTFT grows with the load of each replica: 1 ms x 100 / (100 - rate per replica).
    struct Queue;

    impl Predict for Queue {
        fn at(&self, candidate: &Candidate, rate_per_s: f64) -> Result<RunFigures, String> {
            let replicas = match candidate.number(Key::Replicas) {
                Some(13) => return Err("thirteen\nis unlucky".to_owned()),
                replicas => f64::from(replicas.unwrap_or(1)),
            };
            let free = 100.0 - rate_per_s / replicas;
            let ttft = if free > 0.0 { 1e8 / free } else { 1e12 };
            let ns = [("ttft.p99", ttft), ("ttft.p50", 1.0)];
            Ok(RunFigures {
                ns: ns.map(|(figure, ns)| (figure.parse().unwrap(), ns)).into(),
                output_tokens_per_s: rate_per_s * 64.0,
                // With eleven replicas, a run is over at once.
                arriving: if replicas == 11.0 { 0.25 } else { 0.9 },
                // Of a dozen replicas, one never answers.
                not_ok: u64::from(replicas == 12.0) * 3,
            })
        }
    }

    fn rows(replicas: &str, slo: &str, jobs: usize) -> Vec<Row> {
        let axis = format!("cluster.replicas={replicas}").parse().unwrap();
        let one = Defaults { replicas: 1, tensor_parallel: 1, pipeline_parallel: 1 };
        let candidates = Grid::new(vec![axis]).unwrap().candidates(one);
        let slos = Slos::new(vec![slo.parse().unwrap()]).unwrap();
        let precision = Precision::from_fraction(0.01).unwrap();
        let task = Task { slos: &slos, start_per_s: 7.0, precision, jobs };
        let told = Mutex::new(Vec::new());
        let rows = run(&candidates, &Queue, task, &|done, all| {
            told.lock().unwrap().push((done, all));
        });
        let all = candidates.len() as u64;
        assert_eq!(told.into_inner().unwrap(), (1..=all).map(|n| (n, all)).collect::<Vec<_>>());
        rows.unwrap()
    }

    #[test]
    fn the_capacity_of_a_queue_is_found_within_the_precision() {
        for (row, replicas) in rows("1,2,4", "ttft.p99=10ms", 0).iter().zip([1.0, 2.0, 4.0]) {
            let found = row.capacity().unwrap();
            // 1e8 / free = 1e7 at 90 requests per second and replica.
            let edge = 90.0 * replicas;
            assert!(found.rate_per_s <= edge && edge < found.rate_per_s * 1.01, "{row:?}");
            assert!(found.figures_ms[0] <= 10.0 && found.figures_ms[0] > 9.0, "{row:?}");
            assert_eq!(found.output_tokens_per_s, found.rate_per_s * 64.0);
        }
    }

    #[test]
    fn rows_are_the_same_on_any_number_of_threads() {
        let one = rows("9,8,7,6,13,5,4,3", "ttft.p99=10ms", 1);
        assert_eq!(one, rows("9,8,7,6,13,5,4,3", "ttft.p99=10ms", 4));
        assert!(one.iter().map(|row| row.index).eq(0..8));
    }

    #[test]
    fn a_candidate_that_cannot_be_simulated_says_why_and_stops_no_other() {
        let rows = rows("13,1", "ttft.p99=10ms", 1);
        assert_eq!((rows[0].found.clone(), &rows[0].error[..]), (None, "thirteen is unlucky"));
        assert!(rows[1].capacity().is_some() && rows[1].error.is_empty());
    }

    #[test]
    fn a_figure_without_samples_and_requests_not_served_hold_no_target() {
        let missing = rows("1", "tbt.p99=10ms", 1).remove(0);
        assert!(missing.error.starts_with("tbt.p99 has no samples"), "{missing:?}");
        let refused = rows("12", "ttft.p99=10ms", 1).remove(0);
        assert_eq!(refused.error, "requests not served at this rate: 3");
        assert_eq!(refused.found.unwrap().outcome, Outcome::Never);
    }

    #[test]
    fn a_rate_that_only_a_short_run_keeps_up_is_remarked() {
        let row = rows("11", "ttft.p99=10ms", 1).remove(0);
        assert!(row.capacity().is_some(), "{row:?}");
        assert!(row.error.starts_with("requests arrive in 25 % of the run"), "{row:?}");
    }

    #[test]
    fn a_target_that_every_rate_meets_has_no_bound() {
        let row = rows("1", "ttft.p50=1ms", 1).remove(0);
        assert_eq!(row.capacity(), None);
        assert_eq!(row.found.unwrap().outcome, Outcome::Unbounded);
    }
}
