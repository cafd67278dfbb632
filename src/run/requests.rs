//! `request_metrics.csv`: one row a request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{RequestRecord, Status};
use crate::files::{Column, FileError, Row, Table, TableWriter};

const COLUMNS: [&str; 10] = [
    "request_id",
    "arrival_time_ns",
    "first_token_time_ns",
    "ttft_ns",
    "completion_time_ns",
    "num_prefill_tokens",
    "num_decode_tokens",
    "num_decode_tokens_actual",
    "status",
    "backend",
];

struct Columns {
    required: [Column; 9],
    backend: Option<Column>,
}

impl Columns {
    fn of(table: &Table) -> Result<Self, FileError> {
        let [required @ .., _] = COLUMNS;
        let required = table.columns(required)?;
        Ok(Self { required, backend: table.optional(COLUMNS[9]) })
    }
}

/// Reads the records, ascending by id.
pub(super) fn read(path: &Path) -> Result<Vec<RequestRecord>, FileError> {
    let table = Table::open(path)?;
    let columns = Columns::of(&table)?;
    let mut records = Vec::new();
    let mut lines = HashMap::new();
    table.for_each::<FileError>(|row| {
        let record = record(&row, &columns)?;
        if let Some(line) = lines.insert(record.request_id, row.line()) {
            let problem = format!("request {} stands on line {line} already", record.request_id);
            return Err(row.problem(columns.required[0], problem));
        }
        records.push(record);
        Ok(())
    })?;
    records.sort_unstable_by_key(|r: &RequestRecord| r.request_id);
    Ok(records)
}

fn record(row: &Row<'_>, columns: &Columns) -> Result<RequestRecord, FileError> {
    let [id, arrival, first, ttft, completion, prefill, decode, actual, status] = columns.required;
    let record = RequestRecord {
        request_id: row.u64(id)?,
        arrival_ns: row.u64(arrival)?,
        first_token_ns: row.optional_u64(first)?,
        completion_ns: row.optional_u64(completion)?,
        prefill_tokens: row.u32(prefill)?,
        decode_tokens: row.u32(decode)?,
        decode_tokens_actual: row.u32(actual)?,
        status: parse_status(row, status)?,
        backend: columns.backend.map(|c| row.text(c)).filter(|b| !b.is_empty()).map(Arc::from),
    };
    // The file says some things twice; where they disagree, a definition differs from ours.
    if let Some(first_ns) = record.first_token_ns {
        let Some(expected) = first_ns.checked_sub(record.arrival_ns) else {
            return Err(row.problem(first, "the first token lies before the arrival"));
        };
        if row.optional_u64(ttft)? != Some(expected) {
            let found = row.text(ttft);
            return Err(row.problem(
                ttft,
                format!("`{found}`, but first token - arrival = {expected}: TTFT counts from the scheduled arrival"),
            ));
        }
    } else if !row.is_empty(ttft) {
        return Err(row.problem(ttft, "a TTFT without a first_token_time_ns"));
    }
    if let Some(end) = record.completion_ns
        && end < record.first_token_ns.unwrap_or(record.arrival_ns)
    {
        return Err(
            row.problem(completion, "the completion lies before the first token or the arrival")
        );
    }
    if record.status == Status::Ok {
        if record.completion_ns.is_none() {
            return Err(row.problem(completion, "empty, but the request is `ok`"));
        }
        if record.first_token_ns.is_none() && record.decode_tokens_actual > 0 {
            return Err(row.problem(first, "empty, but the request is `ok` and has tokens"));
        }
    }
    Ok(record)
}

fn parse_status(row: &Row<'_>, column: Column) -> Result<Status, FileError> {
    let word = row.text(column);
    Status::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        row.problem(column, format!("`{word}` is not one of ok, refused, failed, timeout"))
    })
}

/// The file's content.
pub(super) fn table(records: &[RequestRecord]) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    let optional = |time: Option<u64>| time.map_or_else(String::new, |t| t.to_string());
    for r in records {
        table.row(&[
            r.request_id.to_string(),
            r.arrival_ns.to_string(),
            optional(r.first_token_ns),
            optional(r.first_token_ns.map(|t| t - r.arrival_ns)),
            optional(r.completion_ns),
            r.prefill_tokens.to_string(),
            r.decode_tokens.to_string(),
            r.decode_tokens_actual.to_string(),
            r.status.as_str().to_owned(),
            r.backend.as_deref().unwrap_or_default().to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "request_id,arrival_time_ns,first_token_time_ns,ttft_ns,completion_time_ns,num_prefill_tokens,num_decode_tokens,num_decode_tokens_actual,status";

    fn parse(rows: &str) -> Result<Vec<RequestRecord>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("request_metrics.csv");
        std::fs::write(&path, format!("{HEADER}\n{rows}")).unwrap();
        read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_come_back_ascending_by_id() {
        let records = parse("1,10,30,20,90,9,4,4,ok\n0,0,5,5,9,9,4,4,ok\n").unwrap();
        assert_eq!(records.iter().map(|r| r.request_id).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn each_fault_names_its_row_and_column() {
        for (rows, expected) in [
            (
                "0,10,5,5,90,9,4,4,ok\n",
                ":2: column `first_token_time_ns`: the first token lies before the arrival",
            ),
            (
                "0,10,15,6,90,9,4,4,ok\n",
                ":2: column `ttft_ns`: `6`, but first token - arrival = 5: TTFT counts from the scheduled arrival",
            ),
            (
                "0,10,,6,90,9,4,4,failed\n",
                ":2: column `ttft_ns`: a TTFT without a first_token_time_ns",
            ),
            (
                "0,10,15,5,12,9,4,4,ok\n",
                ":2: column `completion_time_ns`: the completion lies before the first token or the arrival",
            ),
            (
                "0,10,15,5,,9,4,4,ok\n",
                ":2: column `completion_time_ns`: empty, but the request is `ok`",
            ),
            (
                "0,10,,,90,9,4,4,ok\n",
                ":2: column `first_token_time_ns`: empty, but the request is `ok` and has tokens",
            ),
            (
                "0,10,15,5,90,9,4,4,okay\n",
                ":2: column `status`: `okay` is not one of ok, refused, failed, timeout",
            ),
            (
                "0,0,5,5,9,9,4,4,ok\n0,0,5,5,9,9,4,4,ok\n",
                ":3: column `request_id`: request 0 stands on line 2 already",
            ),
        ] {
            let message = parse(rows).unwrap_err();
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn a_failed_request_may_lack_its_times() {
        let records = parse("0,10,,,,9,4,0,failed\n").unwrap();
        assert_eq!(records[0].first_token_ns, None);
        assert_eq!(records[0].status, Status::Failed);
    }
}
