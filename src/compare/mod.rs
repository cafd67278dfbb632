//! Two sides of a case side by side: joined request by request, reduced to percentiles, judged
//! against tolerances.

mod checks;
mod comparison;
mod error;
mod figure;
mod join;
mod samples;
mod side;
mod tolerance;
mod verdict;

pub use comparison::{CaseVerdict, Comparison, FigureResult, compare};
pub use error::CompareError;
pub(crate) use error::list as list_ids;
pub use figure::{Figure, Metric, ParseFigureError, Percentile};
pub use join::Structure;
pub use samples::Samples;
pub use side::{Rules, Side, SideSummary};
pub use tolerance::{Tolerance, Tolerances};
pub use verdict::{Mark, Verdict};
