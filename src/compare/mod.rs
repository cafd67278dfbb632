//! Two sides of a case side by side: joined request by request, reduced to percentiles, judged
//! against tolerances.

mod comparison;
mod error;
mod figure;
mod join;
mod samples;
mod tolerance;
mod verdict;

pub use comparison::{CaseVerdict, Comparison, FigureResult, Rules, Side, SideSummary, compare};
pub use error::CompareError;
pub(crate) use error::list as list_ids;
pub use figure::{Figure, Metric, ParseFigureError, Percentile};
pub use join::Structure;
pub use samples::Samples;
pub use tolerance::{Tolerance, Tolerances};
pub use verdict::{Mark, Verdict};
