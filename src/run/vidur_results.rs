//! A run that Vidur simulated, from its `request_metrics.csv` (seconds): requests without tokens.

use std::path::Path;

use super::{Boundary, RequestRecord, Run, RunError, RunMeta, Status, VIDUR};
use crate::files::{Column, FileError, Row, Table};

const COLUMNS: [&str; 8] = [
    "Request Id",
    "request_inter_arrival_delay",
    "prefill_e2e_time",
    "request_e2e_time",
    "request_num_prefill_tokens",
    "request_num_decode_tokens",
    "request_num_restarts",
    NORMALIZED,
];
/// The time from the first token to the last, divided by all output tokens, the first included.
const NORMALIZED: &str = "decode_time_execution_plus_preemption_normalized";
/// Largest difference of two numbers that are to be the same, as a share.
const SAME: f64 = 1e-6;
/// Seconds that the float of a clock may be off.
const CLOCK: f64 = 1e-9;

/// One row, in seconds.
struct Served {
    id: u64,
    line: u64,
    /// Since the request before; absent for the first.
    delay: Option<f64>,
    first_token: f64,
    completion: f64,
    prefill_tokens: u32,
    decode_tokens: u32,
}

/// Reads a run of Vidur's. The first request arrives at 0: the file does not say when.
///
/// # Errors
/// A missing column, or a row whose numbers contradict each other.
pub fn read_vidur(path: &Path) -> Result<Run, RunError> {
    let table = Table::open(path)?;
    let columns = table.columns(COLUMNS)?;
    let mut rows: Vec<Served> = Vec::new();
    table.for_each::<FileError>(|row| {
        rows.push(served(&row, columns)?);
        Ok(())
    })?;
    rows.sort_by_key(|row| row.id);
    let mut arrival = 0.0;
    let mut requests: Vec<RequestRecord> = Vec::with_capacity(rows.len());
    for row in &rows {
        let fault = |column: &str, problem: String| FileError::Value {
            path: path.to_owned(),
            line: row.line,
            column: column.to_owned(),
            problem,
        };
        match (row.delay, requests.last()) {
            (_, None) => {}
            (_, Some(before)) if before.request_id == row.id => {
                return Err(fault(COLUMNS[0], format!("{} stands there already", row.id)).into());
            }
            (Some(delay), Some(_)) => arrival += delay,
            (None, Some(_)) => {
                let problem = "empty, though requests came before: write the whole run";
                return Err(fault(COLUMNS[1], problem.to_owned()).into());
            }
        }
        let ns = |seconds: f64| (seconds * 1e9).round() as u64;
        requests.push(RequestRecord {
            request_id: row.id,
            arrival_ns: ns(arrival),
            first_token_ns: Some(ns(arrival + row.first_token)),
            completion_ns: Some(ns(arrival + row.completion)),
            prefill_tokens: row.prefill_tokens,
            decode_tokens: row.decode_tokens,
            decode_tokens_actual: row.decode_tokens,
            status: Status::Ok,
            backend: None,
        });
    }
    if requests.is_empty() {
        return Err(table.short(COLUMNS[0], "no requests".to_owned()).into());
    }
    Ok(Run { requests, meta: Some(RunMeta::new(VIDUR, Boundary::Engine)), ..Run::default() })
}

fn served(row: &Row<'_>, columns: [Column; 8]) -> Result<Served, FileError> {
    let [id, delay, first, completion, prefill, decode, restarts, normalized] = columns;
    let seconds = |column| {
        let value = row.finite(column)?;
        if value < 0.0 {
            return Err(row.problem(column, format!("{value} lies before the start")));
        }
        Ok(value)
    };
    let served = Served {
        id: u64::from(row.whole(id)?),
        line: row.line(),
        delay: if row.is_empty(delay) { None } else { Some(seconds(delay)?) },
        first_token: seconds(first)?,
        completion: seconds(completion)?,
        prefill_tokens: row.whole(prefill)?,
        decode_tokens: row.whole(decode)?,
    };
    if served.completion < served.first_token {
        return Err(row.problem(completion, "the completion lies before the first token"));
    }
    let decoding = served.completion - served.first_token;
    let each = seconds(normalized)?;
    let tokens = if row.whole(restarts)? == 0 {
        f64::from(served.decode_tokens)
    } else {
        // The counts in the file are those of the arrival, but it divides by what was left to the last start.
        (decoding / each.max(f64::MIN_POSITIVE)).round().max(1.0)
    };
    // Not the other way round: what is no number agrees with nothing.
    let agrees = (each * tokens - decoding).abs() <= (SAME * decoding).max(CLOCK);
    if !agrees || (each == 0.0 && decoding > CLOCK) {
        let problem = format!(
            "{each}, but the last token came {decoding} s after the first: divided by {tokens} output tokens that is {}",
            decoding / tokens
        );
        return Err(row.problem(normalized, problem));
    }
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rows: &str) -> Result<Run, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("request_metrics.csv");
        std::fs::write(&path, format!("{}\n{rows}", COLUMNS.join(","))).unwrap();
        read_vidur(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn arrivals_are_summed_up_in_the_order_of_ids() {
        let run = parse("1,0.5,0.25,0.75,8,5,0,0.1\n0,,0.5,1.5,9,4.0,0,0.25\n").unwrap();
        let times = |i: usize| {
            let r = &run.requests[i];
            (r.arrival_ns, r.first_token_ns, r.completion_ns, r.decode_tokens)
        };
        assert_eq!(times(0), (0, Some(500_000_000), Some(1_500_000_000), 4));
        assert_eq!(times(1), (500_000_000, Some(750_000_000), Some(1_250_000_000), 5));
    }

    #[test]
    fn a_restarted_request_is_divided_by_what_was_left_of_it() {
        assert!(parse("0,,0.5,1.5,9,4,1,0.5\n").is_ok());
        assert!(parse("0,,0.5,1.5,9,4,1,0.3\n").is_err());
    }

    #[test]
    fn each_fault_names_its_place() {
        for (rows, expected) in [
            (
                "0,,0.5,1.5,9,4,0,0.3333333\n",
                ":2: column `decode_time_execution_plus_preemption_normalized`: 0.3333333, but the last token came 1 s after the first: divided by 4 output tokens that is 0.25",
            ),
            ("0,,1.5,0.5,9,4,0,0\n", ":2: column `request_e2e_time`: the completion lies before"),
            (
                "0,,0.5,1.5,9,4,0,0.25\n1,,0.5,1.5,9,4,0,0.25\n",
                ":3: column `request_inter_arrival_delay`: empty, though requests came before",
            ),
            (
                "0,,0.5,1.5,9,4,0,0.25\n0,1,0.5,1.5,9,4,0,0.25\n",
                ":3: column `Request Id`: 0 stands there already",
            ),
            ("0,,nan,1.5,9,4,0,0.25\n", ":2: column `prefill_e2e_time`: `nan` is not a finite"),
            ("", ":1: column `Request Id`: no requests"),
        ] {
            let message = parse(rows).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
