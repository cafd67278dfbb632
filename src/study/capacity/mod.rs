//! Capacity: the highest arrival rate at which latency targets hold, over a grid of settings.
//!
//! A [`Candidate`] is one point of the grid, [`Predict`] says what it takes at a rate, [`search()`] finds its
//! capacity, [`run`] does so for all of them on several threads, and [`on_front`] tells which are worth a look.

use crate::compare::RunFigures;

mod grid;
mod pareto;
mod partition;
mod rows;
mod run;
mod search;
mod slo;
mod table;

pub use grid::{Axis, Candidate, Defaults, Grid, GridError, Key, MOST_CANDIDATES, Value};
pub use pareto::on_front;
pub use partition::{ParsePartitionError, Partition};
pub use rows::{Found, Front, Row, fronts};
pub use run::{CapacityError, Task, run};
pub use search::{Answer, DOUBLINGS, HALVINGS, Outcome, Precision, search};
pub use slo::{Slo, SloError, Slos};
pub use table::{MergeError, Results};

/// What a configuration takes at a rate.
pub trait Predict: Sync {
    /// The latencies and the throughput of `candidate` when requests arrive at `rate_per_s`.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn at(&self, candidate: &Candidate, rate_per_s: f64) -> Result<RunFigures, String>;
}
