//! `token_metrics.csv`: one row a token.

use std::path::Path;

use super::{RequestRecord, TokenTimes};
use crate::files::{Column, FileError, Row, Table, TableWriter};

const COLUMNS: [&str; 5] =
    ["request_id", "token_index", "token_time_ns", "token_latency_ns", "token_id"];

struct Columns {
    request: Column,
    index: Column,
    time: Column,
    latency: Column,
    id: Option<Column>,
}

/// The growing list of one request's tokens while a file is read.
#[derive(Default, Clone)]
struct Growing {
    times: Vec<u64>,
    ids: Vec<u32>,
}

/// Reads the times of `requests`, which ascend by id. The requests may interleave in the file.
pub(super) fn read(path: &Path, requests: &[RequestRecord]) -> Result<TokenTimes, FileError> {
    let table = Table::open(path)?;
    let columns = Columns {
        request: table.column(COLUMNS[0])?,
        index: table.column(COLUMNS[1])?,
        time: table.column(COLUMNS[2])?,
        latency: table.column(COLUMNS[3])?,
        id: table.optional(COLUMNS[4]),
    };
    let mut growing = vec![Growing::default(); requests.len()];
    for (tokens, request) in growing.iter_mut().zip(requests) {
        // Reserved from the request's own count, but never on the word of a corrupt one.
        tokens.times.reserve(request.decode_tokens_actual.min(4096) as usize);
    }
    let mut current = 0;
    table.for_each::<FileError>(|row| {
        let id = row.u64(columns.request)?;
        if requests.get(current).is_none_or(|r| r.request_id != id) {
            current = requests.binary_search_by_key(&id, |r| r.request_id).map_err(|_| {
                row.problem(columns.request, format!("request {id} is not in request_metrics.csv"))
            })?;
        }
        push(&row, &columns, &requests[current], &mut growing[current])
    })?;
    let tokens = TokenTimes::from_requests(growing.iter().map(|g| &g.times));
    Ok(tokens.with_ids(growing.into_iter().flat_map(|g| g.ids).collect()))
}

fn push(
    row: &Row<'_>,
    columns: &Columns,
    request: &RequestRecord,
    tokens: &mut Growing,
) -> Result<(), FileError> {
    let index = row.u64(columns.index)?;
    let expected = tokens.times.len() as u64;
    if index != expected {
        return Err(row.problem(
            columns.index,
            format!("token {index} of request {}, expected token {expected}: tokens stand in order, from 0", request.request_id),
        ));
    }
    let time = row.u64(columns.time)?;
    let latency = row.u64(columns.latency)?;
    let before = tokens.times.last().copied();
    match before {
        Some(before) if time < before => {
            return Err(row.problem(
                columns.time,
                format!("{time} lies before the request's previous token, {before}"),
            ));
        }
        None if time < request.arrival_ns => {
            return Err(row.problem(
                columns.time,
                format!("{time} lies before the request's arrival, {}", request.arrival_ns),
            ));
        }
        None if request.first_token_ns != Some(time) => {
            let first =
                request.first_token_ns.map_or_else(|| "empty".to_owned(), |t| t.to_string());
            return Err(row.problem(
                columns.time,
                format!("{time}, but request_metrics.csv has first_token_time_ns {first}"),
            ));
        }
        _ => {}
    }
    if request.completion_ns.is_some_and(|end| time > end) {
        return Err(
            row.problem(columns.time, format!("{time} lies after the request's completion"))
        );
    }
    let gap = before.map_or(0, |before| time - before);
    if latency != gap {
        return Err(row.problem(
            columns.latency,
            format!("{latency}, but the gap to the request's previous token is {gap}"),
        ));
    }
    tokens.times.push(time);
    if let Some(column) = columns.id
        && !row.is_empty(column)
    {
        tokens.ids.push(row.u32(column)?);
    }
    Ok(())
}

/// The file's content.
pub(super) fn table(tokens: &TokenTimes, requests: &[RequestRecord]) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (i, request) in requests.iter().enumerate() {
        let (times, ids) = (tokens.of(i), tokens.ids_of(i));
        for (index, &time) in times.iter().enumerate() {
            let gap = if index == 0 { 0 } else { time - times[index - 1] };
            table.row(&[
                request.request_id.to_string(),
                index.to_string(),
                time.to_string(),
                gap.to_string(),
                ids.get(index).map_or_else(String::new, u32::to_string),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<RequestRecord> {
        [(0, 0), (1, 100)]
            .map(|(request_id, arrival_ns)| RequestRecord {
                request_id,
                arrival_ns,
                first_token_ns: Some(arrival_ns + 10),
                completion_ns: Some(arrival_ns + 50),
                decode_tokens: 2,
                decode_tokens_actual: 2,
                ..RequestRecord::default()
            })
            .to_vec()
    }

    fn parse(rows: &str) -> Result<TokenTimes, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token_metrics.csv");
        let header = "request_id,token_index,token_time_ns,token_latency_ns";
        std::fs::write(&path, format!("{header}\n{rows}")).unwrap();
        read(&path, &requests()).map_err(|e| e.to_string())
    }

    #[test]
    fn requests_may_interleave() {
        let tokens = parse("0,0,10,0\n1,0,110,0\n0,1,30,20\n1,1,140,30\n").unwrap();
        assert_eq!(*tokens.of(0), [10, 30]);
        assert_eq!(*tokens.of(1), [110, 140]);
        assert_eq!(tokens.incomplete(&requests()), None);
    }

    #[test]
    fn a_request_with_too_few_times_is_named() {
        let tokens = parse("0,0,10,0\n0,1,30,20\n1,0,110,0\n").unwrap();
        let found = tokens.incomplete(&requests()).unwrap().to_string();
        assert_eq!(found, "request 1 has 1 of its 2 token times");
    }

    #[test]
    fn each_fault_names_its_row_and_column() {
        for (rows, expected) in [
            (
                "0,1,10,0\n",
                ":2: column `token_index`: token 1 of request 0, expected token 0: tokens stand in order, from 0",
            ),
            ("1,0,99,0\n", ":2: column `token_time_ns`: 99 lies before the request's arrival, 100"),
            (
                "0,0,11,0\n",
                ":2: column `token_time_ns`: 11, but request_metrics.csv has first_token_time_ns 10",
            ),
            (
                "0,0,10,0\n0,1,9,0\n",
                ":3: column `token_time_ns`: 9 lies before the request's previous token, 10",
            ),
            (
                "0,0,10,0\n0,1,51,41\n",
                ":3: column `token_time_ns`: 51 lies after the request's completion",
            ),
            (
                "0,0,10,0\n0,1,30,21\n",
                ":3: column `token_latency_ns`: 21, but the gap to the request's previous token is 20",
            ),
            ("7,0,10,0\n", ":2: column `request_id`: request 7 is not in request_metrics.csv"),
        ] {
            let message = parse(rows).unwrap_err();
            assert!(message.ends_with(expected), "{message}");
        }
    }
}
