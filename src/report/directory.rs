//! A comparison directory: `summary.md`, `tables/`, `figs/` and `comparison.json`, complete or not
//! there.

use std::fs;
use std::path::Path;

use super::{Report, cdf, csv, json, summary};
use crate::compare::Metric;
use crate::files::{FileError, NewDir, write_inside};

/// The file that makes a directory a comparison.
pub const MARKER: &str = "comparison.json";

/// Writes the directory in one step.
///
/// # Errors
/// A directory of somebody else's, or a system error.
pub fn write(report: &Report<'_>, dir: &Path) -> Result<(), FileError> {
    let new = NewDir::create(dir, MARKER)?;
    let root = new.path();
    for sub in ["tables", "figs"] {
        let path = root.join(sub);
        fs::create_dir(&path).map_err(|e| FileError::io("create", &path, e))?;
    }
    write_inside(&root.join("summary.md"), summary::summary(report).as_bytes())?;
    for metric in Metric::ALL {
        let path = root.join("tables").join(format!("{}_percentiles.csv", metric.as_str()));
        csv::percentiles(report.comparison, metric).write(&path)?;
    }
    for metric in cdf::drawn(report.comparison) {
        let path = root.join("figs").join(format!("{}_cdf.svg", metric.as_str()));
        let svg = cdf::svg(report.comparison, metric)
            .map_err(|e| FileError::io("draw", &path, std::io::Error::other(e)))?;
        write_inside(&path, svg.as_bytes())?;
    }
    let path = root.join(MARKER);
    let bytes = json::comparison(report).map_err(|e| FileError::json(&path, &e))?;
    write_inside(&path, &bytes)?;
    new.commit()
}
