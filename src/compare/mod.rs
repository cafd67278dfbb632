//! Two sides of a case side by side: joined request by request, reduced to percentiles, judged
//! against tolerances.

mod checks;
mod comparison;
mod distance;
mod error;
mod estimate;
mod figure;
mod gated;
mod join;
mod kappa;
mod power;
mod result;
mod run_figures;
mod samples;
mod side;
mod spread;
mod step_figures;
mod tolerance;
mod verdict;

pub use checks::distinct;
pub use comparison::{CaseVerdict, Comparison, TooNoisy, can_carry, compare, too_noisy};
pub use distance::{Distance, DistanceResult, Kind as DistanceKind};
pub use error::CompareError;
pub(crate) use error::list as list_ids;
pub use estimate::{Advice, Estimate, noise};
pub use figure::{Figure, Metric, ParseFigureError, Percentile};
pub use gated::GatedFigure;
pub use join::Structure;
pub use kappa::{amplification, widened};
pub use power::{CasePower, FalseAlarms, FaultOutcome, Injected, Shift};
pub use result::FigureResult;
pub use run_figures::RunFigures;
pub use samples::{Samples, samples_of};
pub use side::{Kappas, Origin, Rules, Side, SideSummary, Spreads};
pub use spread::{Spread, spreads};
pub use step_figures::{StepFigure, step_figures};
pub use tolerance::{Tolerance, Tolerances};
pub use verdict::{MIN_PROCESSES, Mark, Verdict};
