//! `step_model.csv`: what was fitted to the measured steps. The time of a step in a bucket is
//! `(c + sum of pooled x) (r + sum of slope z + sum of bend min(|z|, 2)) (1 + p)` with `z = (x - mean) / sd` over
//! the step's variables x, and p what measured steps near it say (`step_points.csv`); c and r stand in the rows
//! called `constant`. Nothing is predicted where an x lies outside the range that was measured in that bucket.

use std::collections::BTreeMap;
use std::path::Path;

use super::step_points::{StepPoint, said_by};
use crate::files::{Column, FileError, Row, Table, TableWriter};
use crate::model::StepSize;

/// What was fitted to steps as graphs, by bucket.
pub type StepModel = BTreeMap<StepSize, BucketModel>;

/// What was fitted to the steps of one bucket.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BucketModel {
    /// The time with all variables 0, ns.
    pub constant: f64,
    /// Correction of steps with average variables, about 1.
    pub correction: f64,
    /// Measured steps of this bucket.
    pub samples: u32,
    /// The variables, in their order.
    pub variables: Vec<VariableModel>,
    /// What measured steps say of those near them.
    pub points: Vec<StepPoint>,
}

/// One variable in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VariableModel {
    /// ns for each unit, fitted to all buckets of like launches together.
    pub pooled: f64,
    /// Smallest and largest value measured in this bucket.
    pub range: (f64, f64),
    /// Mean and standard deviation in this bucket; 1 where it does not vary.
    pub scale: (f64, f64),
    /// Those of ln(1 + x).
    pub log_scale: (f64, f64),
    /// Correction by its deviation from the mean.
    pub slope: f64,
    /// Correction by the size of that deviation.
    pub bend: f64,
}

impl BucketModel {
    /// The time of a step with these variables, ns.
    pub fn time(&self, values: &[f64]) -> f64 {
        let (mut time, mut correction) = (self.constant, self.correction);
        for (variable, x) in self.variables.iter().zip(values) {
            let (mean, sd) = variable.scale;
            let z = (x - mean) / sd;
            time += variable.pooled * x;
            correction += variable.slope * z + variable.bend * z.abs().min(2.0);
        }
        time * correction * (1.0 + said_by(&self.points, &self.place(values)))
    }

    /// Where a step with these variables lies among those of its bucket: deviations of ln(1 + x) from their mean.
    pub fn place(&self, values: &[f64]) -> Vec<f64> {
        let place =
            |(v, &x): (&VariableModel, &f64)| (libm::log1p(x) - v.log_scale.0) / v.log_scale.1;
        self.variables.iter().zip(values).map(place).collect()
    }

    /// The first variable outside the measured range, by its place.
    pub fn out_of_range(&self, values: &[f64]) -> Option<usize> {
        let inside = |v: &VariableModel, x: f64| v.range.0 <= x && x <= v.range.1;
        self.variables.iter().zip(values).position(|(v, &x)| !inside(v, x))
    }
}

const COLUMNS: [&str; 12] = [
    "bucket", "variable", "pooled", "low", "high", "mean", "sd", "log_mean", "log_sd", "slope",
    "bend", "samples",
];
const CONSTANT: &str = "constant";

/// Writes `model`, whose variables are called `names`.
pub(super) fn table(model: &StepModel, names: &[String]) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (bucket, fitted) in model {
        // The shortest digits that read back as the same number.
        let mut row = |variable: &str, numbers: [f64; 9]| {
            let mut fields = vec![bucket.to_string(), variable.to_owned()];
            fields.extend(numbers.map(|number| format!("{number:e}")));
            fields.push(fitted.samples.to_string());
            table.row(&fields);
        };
        row(CONSTANT, [fitted.constant, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, fitted.correction, 0.0]);
        for (name, v) in names.iter().zip(&fitted.variables) {
            let ((low, high), (mean, sd), (log_mean, log_sd)) = (v.range, v.scale, v.log_scale);
            row(name, [v.pooled, low, high, mean, sd, log_mean, log_sd, v.slope, v.bend]);
        }
    }
    table
}

/// The model in a file, and the names of its variables.
pub(super) fn read(path: &Path) -> Result<(StepModel, Vec<String>), FileError> {
    let table = Table::open(path)?;
    let [bucket, variable, pooled, low, high, mean, sd, log_mean, log_sd, slope, bend, samples] =
        table.columns(COLUMNS)?;
    let mut model = StepModel::new();
    let mut names: Vec<String> = Vec::new();
    table.for_each::<FileError>(|row| {
        let size: StepSize =
            row.text(bucket).parse().map_err(|error| row.problem(bucket, format!("{error}")))?;
        let number = |column| number(&row, column);
        let fitted = model.entry(size).or_default();
        let name = row.text(variable);
        if name == CONSTANT {
            fitted.constant = number(pooled)?;
            fitted.correction = number(slope)?;
            fitted.samples = row.u32(samples)?;
            return Ok(());
        }
        let place = fitted.variables.len();
        match names.get(place) {
            None => names.push(name.to_owned()),
            Some(expected) if expected == name => {}
            Some(expected) => {
                return Err(row.problem(variable, format!("`{name}`, expected `{expected}`")));
            }
        }
        let deviation = |column| match number(column)? {
            deviation if deviation > 0.0 => Ok(deviation),
            _ => Err(row.problem(column, "a standard deviation is above 0")),
        };
        fitted.variables.push(VariableModel {
            pooled: number(pooled)?,
            range: (number(low)?, number(high)?),
            scale: (number(mean)?, deviation(sd)?),
            log_scale: (number(log_mean)?, deviation(log_sd)?),
            slope: number(slope)?,
            bend: number(bend)?,
        });
        Ok(())
    })?;
    // Every bucket has its constant and all variables: less of them would be another model.
    let whole =
        |fitted: &BucketModel| fitted.correction != 0.0 && fitted.variables.len() == names.len();
    match model.iter().find(|(_, fitted)| !whole(fitted)) {
        Some((bucket, _)) => Err(table
            .short("variable", format!("bucket {bucket} lacks its constant or some variables"))),
        None => Ok((model, names)),
    }
}

const POINT_COLUMNS: [&str; 3] = ["bucket", "weight", "place"];

/// Writes the points of `model`.
pub(super) fn points_table(model: &StepModel) -> TableWriter {
    let mut table = TableWriter::new(&POINT_COLUMNS);
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
pub(super) fn read_points(path: &Path, model: &mut StepModel) -> Result<(), FileError> {
    let table = Table::open(path)?;
    let [bucket, weight, place] = table.columns(POINT_COLUMNS)?;
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
    })?;
    // Every bucket has one at least: less of them would be another model.
    match model.iter().find(|(_, fitted)| fitted.points.is_empty()) {
        Some((size, _)) => Err(table.short("bucket", format!("bucket {size} has no points"))),
        None => Ok(()),
    }
}

fn number(row: &Row<'_>, column: Column) -> Result<f64, FileError> {
    let text = row.text(column);
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| row.problem(column, format!("`{text}` is no number")))
}
