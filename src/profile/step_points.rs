//! `step_points.csv`: what measured steps say of those near them, where the fit is off the same way in some part of
//! a bucket. Each point stands for measured steps that are alike: its place among the steps of the bucket and
//! its weight. Together they are the mean of a Gaussian process (Rasmussen and Williams, Gaussian Processes for
//! Machine Learning, 2006, equation 2.25): the sum of weight x likeness over all points, 0 far from all.

use std::path::Path;

use super::step_model::{StepModel, number};
use crate::files::{FileError, Table, TableWriter};
use crate::model::StepSize;

/// Standard deviation of what the fit is off by, as a share.
const HEIGHT: f64 = 0.04;
/// How far a measured step is heard, in standard deviations of the variables.
const REACH: f64 = 2.0;

/// Measured steps that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPoint {
    /// Their place, as [`super::BucketModel::place`] gives it.
    pub place: Vec<f64>,
    /// What they say.
    pub weight: f64,
}

/// How alike steps at two places are: the covariance of what the fit is off by.
pub fn likeness(a: &[f64], b: &[f64]) -> f64 {
    let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    HEIGHT * HEIGHT * libm::exp(-apart / (2.0 * REACH * REACH))
}

/// What `points` say of a step at `place`: how far off the fit is there, as a share.
pub(super) fn said_by(points: &[StepPoint], place: &[f64]) -> f64 {
    points.iter().map(|point| point.weight * likeness(&point.place, place)).sum()
}

const COLUMNS: [&str; 3] = ["bucket", "weight", "place"];

/// Writes the points of `model`.
pub(super) fn table(model: &StepModel) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (bucket, fitted) in model {
        for StepPoint { place, weight } in &fitted.points {
            // The shortest digits that read back as the same number.
            let place: Vec<String> = place.iter().map(f64::to_string).collect();
            table.row(&[bucket.to_string(), format!("{weight:e}"), place.join(" ")]);
        }
    }
    table
}

/// Adds the points in a file to `model`.
pub(super) fn read(path: &Path, model: &mut StepModel) -> Result<(), FileError> {
    let table = Table::open(path)?;
    let [bucket, weight, place] = table.columns(COLUMNS)?;
    table.for_each::<FileError>(|row| {
        let size: StepSize =
            row.text(bucket).parse().map_err(|error| row.problem(bucket, format!("{error}")))?;
        let Some(fitted) = model.get_mut(&size) else {
            return Err(row.problem(bucket, format!("step_model.csv has no bucket {size}")));
        };
        let numbers = row.text(place).split(' ').map(str::parse::<f64>);
        let place_of = numbers.collect::<Result<Vec<f64>, _>>().ok();
        let whole = |of: &Vec<f64>| {
            of.len() == fitted.variables.len() && of.iter().all(|number| number.is_finite())
        };
        let Some(found) = place_of.filter(whole) else {
            let expected = fitted.variables.len();
            return Err(row.problem(place, format!("expected {expected} numbers")));
        };
        fitted.points.push(StepPoint { place: found, weight: number(&row, weight)? });
        Ok(())
    })
}
