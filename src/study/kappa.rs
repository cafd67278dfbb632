//! How much load amplifies step-time errors, found by simulating with faster and slower steps.

use crate::backend::{BackendError, Native};
use crate::compare::{CompareError, Kappas, Origin, Side, amplification};
use crate::engine::Detail;
use crate::run::Boundary;
use crate::workload::Workload;

/// Steps 2 % faster and slower.
const FAST: f64 = 0.98;
const SLOW: f64 = 1.02;

/// `dlnP / dln(step time)` of each figure, the mean over `seeds`.
///
/// # Errors
/// A step that cannot be predicted.
pub fn kappas(native: &Native, workload: &Workload, seeds: u32) -> Result<Kappas, BackendError> {
    let side = |scale: f64| -> Result<Side, BackendError> {
        let run = |seed| native.run_scaled(workload, seed, scale, Detail::Tokens);
        Ok(Side {
            labels: (0..seeds).map(|seed| format!("steps x {scale}, seed {seed}")).collect(),
            runs: (0..seeds).map(run).collect::<Result<_, _>>()?,
            boundary: Boundary::Engine,
            origin: Origin::Computed,
        })
    };
    let failed = |error: CompareError| BackendError::Failed(error.to_string());
    amplification((&side(FAST)?, FAST), (&side(SLOW)?, SLOW)).map_err(failed)
}
