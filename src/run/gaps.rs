//! `gap_percentiles.csv`: what is kept of the gaps between tokens where the token times are not.

use std::path::Path;

use crate::files::{FileError, Table, TableWriter};

const COLUMNS: [&str; 3] = ["percentile", "gap_ps", "independent"];
const PERCENTILES: [&str; 3] = ["p50", "p90", "p99"];
/// A percentile of integers lies at most two decimals between them, so that picoseconds hold it whole.
const PS_PER_NS: f64 = 1000.0;

/// Percentiles of the gaps between tokens of one run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GapPercentiles {
    /// p50, p90 and p99 in ns.
    pub percentiles_ns: [f64; 3],
    /// Independent samples behind them.
    pub independent: u64,
}

/// Reads the percentiles of `gaps` gaps at most.
pub(super) fn read(path: &Path, gaps: u64) -> Result<GapPercentiles, FileError> {
    let table = Table::open(path)?;
    let [percentile, gap, independent] = table.columns(COLUMNS)?;
    let mut found = GapPercentiles::default();
    let mut rows = 0;
    table.for_each::<FileError>(|row| {
        match PERCENTILES.get(rows) {
            Some(expected) if row.text(percentile) == *expected => {}
            Some(expected) => return Err(row.problem(percentile, format!("expected {expected}"))),
            None => return Err(row.problem(percentile, "one row too many")),
        }
        let ns = row.u64(gap)? as f64 / PS_PER_NS;
        if rows > 0 && ns < found.percentiles_ns[rows - 1] {
            return Err(row.problem(gap, "it lies below the percentile before it"));
        }
        let count = row.u64(independent)?;
        if count > gaps || (rows > 0 && count != found.independent) {
            let problem = format!("{count} of {gaps} gaps, or other than in the row before");
            return Err(row.problem(independent, problem));
        }
        found.percentiles_ns[rows] = ns;
        found.independent = count;
        rows += 1;
        Ok(())
    })?;
    if rows < PERCENTILES.len() {
        return Err(table.short(COLUMNS[0], format!("expected a row {}", PERCENTILES[rows])));
    }
    Ok(found)
}

pub(super) fn table(gaps: &GapPercentiles) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (name, ns) in PERCENTILES.into_iter().zip(gaps.percentiles_ns) {
        let ps = (ns * PS_PER_NS).round() as u64;
        table.row(&[name.to_owned(), ps.to_string(), gaps.independent.to_string()]);
    }
    table
}
