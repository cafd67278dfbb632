//! `tables/*_percentiles.csv`: one table a metric.

use super::number::{exact, exact_percent};
use crate::compare::{Comparison, FigureResult, Metric};
use crate::files::TableWriter;

const COLUMNS: [&str; 13] = [
    "metric",
    "real_ns",
    "sim_ns",
    "error_pct",
    "ci_low_pct",
    "ci_high_pct",
    "noise_pct",
    "kappa",
    "tolerance_pct",
    "n",
    "repeats",
    "seeds",
    "verdict",
];

/// The rows of `metric`; none where it is not available.
pub(super) fn percentiles(comparison: &Comparison, metric: Metric) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for figure in comparison.figures.iter().filter(|f| f.figure.metric == metric) {
        let unknown = String::new;
        table.row(&[
            figure.figure.percentile.as_str().to_owned(),
            exact(figure.real_ns),
            exact(figure.sim_ns),
            // Four decimals: a ten-thousandth of a percent.
            finite(figure.error() * 100.0),
            figure.interval().map_or_else(unknown, |(low, _)| finite(low * 100.0)),
            figure.interval().map_or_else(unknown, |(_, high)| finite(high * 100.0)),
            figure.noise.map_or_else(unknown, |h0| finite(h0.exp_m1() * 100.0)),
            figure.kappa.map_or_else(unknown, finite),
            figure.tolerance.map_or_else(unknown, |t| exact_percent(t.fraction())),
            figure.n.to_string(),
            comparison.real.repeats.to_string(),
            comparison.sim.repeats.to_string(),
            verdict(figure),
        ]);
    }
    table
}

fn finite(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { String::new() }
}

/// The verdict, or why there is none.
pub(super) fn verdict(figure: &FigureResult) -> String {
    match (figure.verdict, figure.marks.first()) {
        (Some(verdict), _) => verdict.as_str().to_owned(),
        (None, Some(mark)) => mark.as_str().to_owned(),
        (None, None) => String::new(),
    }
}
