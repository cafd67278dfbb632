//! Two sides of a case side by side: joined request by request, reduced to percentiles, judged
//! against tolerances.

mod compare;
mod error;
mod figure;
mod join;
mod samples;
mod tolerance;
mod verdict;

pub use compare::{CaseVerdict, Comparison, FigureResult, Rules, Side, SideSummary, compare};
pub use error::CompareError;
pub use figure::{Figure, Metric, ParseFigureError, Percentile};
pub use join::Structure;
pub use samples::Samples;
pub use tolerance::{Tolerance, Tolerances};
pub use verdict::{Mark, Verdict};
