//! Vidur's traces: a CSV file with `arrived_at` (s), `num_prefill_tokens` and `num_decode_tokens`, scaled
//! and cut as Vidur does (vidur/request_generator/trace_replay_request_generator.py). Lengths only.

use std::path::Path;

use super::{Request, Workload, WorkloadError};
use crate::files::{FileError, Row, Table};

/// The latest arrival: 146 years, which leaves as long for serving before 64 bits of ns run out.
const LATEST_S: f64 = 4.6e9;

const COLUMNS: [&str; 3] = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"];

/// How a trace is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VidurTrace {
    /// Times every arrival.
    pub time_scale: f64,
    /// Times every prompt's tokens.
    pub prefill_scale: f64,
    /// Times every output's tokens.
    pub decode_scale: f64,
    /// Most tokens of a request: the prompt is cut to it.
    pub max_tokens: Option<u32>,
}

impl Default for VidurTrace {
    fn default() -> Self {
        Self { time_scale: 1.0, prefill_scale: 1.0, decode_scale: 1.0, max_tokens: None }
    }
}

/// A row of a trace, scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRow {
    /// Seconds since the start, as the float that Vidur has.
    pub arrived_at: f64,
    /// Prompt tokens.
    pub prefill_tokens: u32,
    /// Output tokens.
    pub decode_tokens: u32,
}

/// Reads a trace as a workload, whose request ids are the rows' numbers from 0.
///
/// # Errors
/// A faulty row, or none.
pub fn read(path: &Path, how: VidurTrace) -> Result<Workload, WorkloadError> {
    Ok(workload(&read_rows(path, how)?))
}

/// The workload of rows. Arrivals are rounded to a nanosecond.
pub fn workload(rows: &[TraceRow]) -> Workload {
    let request = |(request_id, row): (u64, &TraceRow)| Request {
        request_id,
        prompt_id: request_id.to_string(),
        prefill_tokens: row.prefill_tokens,
        decode_tokens: row.decode_tokens,
        arrival_ns: (row.arrived_at * 1e9).round() as u64,
    };
    Workload { requests: (0..).zip(rows).map(request).collect(), ..Workload::default() }
}

/// Reads the rows of a trace with the arrivals that Vidur computes, unrounded.
///
/// # Errors
/// As [`read`].
pub fn read_rows(path: &Path, how: VidurTrace) -> Result<Vec<TraceRow>, WorkloadError> {
    let table = Table::open(path)?;
    let [arrived, prefill, decode] = table.columns(COLUMNS)?;
    let mut rows: Vec<TraceRow> = Vec::new();
    table.for_each::<WorkloadError>(|row| {
        let at = row.finite(arrived)?;
        if at < 0.0 {
            let problem = format!("{at} lies before the start: shift all arrivals");
            return Err(row.problem(arrived, problem).into());
        }
        let scaled = at * how.time_scale;
        if scaled > LATEST_S {
            let problem = format!("{at} is {scaled:e} s after the start: count seconds from the first arrival");
            return Err(row.problem(arrived, problem).into());
        }
        if let Some(above) = rows.last().filter(|above| above.arrived_at > scaled) {
            let before = above.arrived_at / how.time_scale;
            let problem =
                format!("{at} lies before the row above, {before}: sort the trace by arrived_at");
            return Err(row.problem(arrived, problem).into());
        }
        let decode_tokens = tokens(&row, decode, how.decode_scale)?;
        let whole = tokens(&row, prefill, how.prefill_scale)?;
        let total = u64::from(whole) + u64::from(decode_tokens);
        let over = total.saturating_sub(how.max_tokens.map_or(u64::MAX, u64::from));
        let prefill_tokens = u64::from(whole).saturating_sub(over) as u32;
        if prefill_tokens == 0 {
            let most = how.max_tokens.unwrap_or_default();
            let problem = format!(
                "{decode_tokens} output tokens leave no prompt within {most}: raise the most tokens of a request, or leave the row out"
            );
            return Err(row.problem(decode, problem).into());
        }
        rows.push(TraceRow { arrived_at: scaled, prefill_tokens, decode_tokens });
        Ok(())
    })?;
    if rows.is_empty() {
        return Err(WorkloadError::Empty { path: path.to_owned() });
    }
    Ok(rows)
}

/// Tokens times a scale, cut to a whole number, at least 1.
fn tokens(row: &Row<'_>, column: crate::files::Column, scale: f64) -> Result<u32, FileError> {
    let found = row.whole(column)?;
    if found == 0 {
        return Err(row.problem(column, "0 tokens: leave the row out, or give it one"));
    }
    let scaled = f64::from(found) * scale;
    if scaled.is_finite() && (0.0..=f64::from(u32::MAX)).contains(&scaled) {
        Ok((scaled as u32).max(1))
    } else {
        Err(row.problem(column, format!("{found} times {scale} is no number of tokens")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(rows: &str, how: VidurTrace) -> Result<Vec<TraceRow>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace.csv");
        std::fs::write(&path, format!("{}\n{rows}", COLUMNS.join(","))).unwrap();
        read_rows(&path, how).map_err(|e| e.to_string())
    }

    #[test]
    fn a_request_that_is_too_long_loses_prompt_tokens() {
        let how = VidurTrace { max_tokens: Some(10), time_scale: 4.0, ..VidurTrace::default() };
        let rows = parse("0,4,4\n1.5,9,4\n", how).unwrap();
        assert_eq!((rows[0].prefill_tokens, rows[1].prefill_tokens), (4, 6));
        assert_eq!((rows[1].decode_tokens, rows[1].arrived_at), (4, 6.0));
    }

    #[test]
    fn each_fault_names_its_place() {
        for (rows, expected) in [
            (
                "0,1,1\n2,1,1\n1,1,1\n",
                ":4: column `arrived_at`: 1 lies before the row above, 2: sort",
            ),
            ("-1,1,1\n", ":2: column `arrived_at`: -1 lies before the start"),
            ("inf,1,1\n", ":2: column `arrived_at`: `inf` is not a finite number"),
            ("0,0,1\n", ":2: column `num_prefill_tokens`: 0 tokens"),
            ("0,1,1.5\n", ":2: column `num_decode_tokens`: `1.5` is not a whole number"),
            (
                "0,1,10\n",
                ":2: column `num_decode_tokens`: 10 output tokens leave no prompt within 10",
            ),
            ("", "trace.csv: no requests"),
        ] {
            let how = VidurTrace { max_tokens: Some(10), ..VidurTrace::default() };
            let message = parse(rows, how).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_request_is_longer_than_allowed_or_without_a_token(
            prefill in 1_u32..5000, decode in 1_u32..50, scale in 0.01_f64..4.0, most in 201_u32..4096,
        ) {
            let how = VidurTrace { prefill_scale: scale, decode_scale: scale, max_tokens: Some(most), ..VidurTrace::default() };
            let row = parse(&format!("0,{prefill},{decode}\n"), how).unwrap()[0];
            prop_assert!(row.prefill_tokens >= 1 && row.decode_tokens >= 1);
            prop_assert!(row.prefill_tokens + row.decode_tokens <= most);
            prop_assert!(f64::from(row.decode_tokens) <= (f64::from(decode) * scale).max(1.0));
        }
    }
}
