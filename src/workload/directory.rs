//! A workload directory: `trace_lengths.csv`, `trace_intervals.csv`, and `prompts.jsonl` unless
//! the workload is lengths only; `workload_meta.json` holds the seed of its token ids.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Prompt, Request, Workload, WorkloadError};
use crate::files::{
    FileError, NewDir, Table, TableWriter, find, read_json, read_text, write_inside,
};

/// The file that makes a directory a workload.
pub const MARKER: &str = "trace_lengths.csv";
const LENGTHS: &str = MARKER;
const INTERVALS: &str = "trace_intervals.csv";
const PROMPTS: &str = "prompts.jsonl";
const META: &str = "workload_meta.json";
const SCHEMA_VERSION: u32 = 1;

const LENGTH_COLUMNS: [&str; 4] =
    ["request_id", "prompt_id", "num_prefill_tokens", "num_decode_tokens"];
const INTERVAL_COLUMNS: [&str; 3] = ["request_id", "inter_arrival_ns", "arrival_time_ns"];

/// The files of a workload in `dir`, packed or not.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let found = [LENGTHS, INTERVALS, PROMPTS, META].map(|name| find(dir, name));
    found.into_iter().filter_map(|file| file.ok().flatten()).collect()
}

/// Reads a workload.
///
/// # Errors
/// A missing or faulty file, requests that only one of the files knows, prompts that do not match
/// their requests, or no request at all.
pub fn read(dir: &Path) -> Result<Workload, WorkloadError> {
    let mut requests = read_lengths(dir)?;
    let arrivals = read_arrivals(dir)?;
    let one_sided = |request_id, present, absent| WorkloadError::OneSided {
        path: dir.to_owned(),
        request_id,
        present,
        absent,
    };
    for request in &mut requests {
        let id = request.request_id;
        request.arrival_ns = *arrivals.get(&id).ok_or_else(|| one_sided(id, LENGTHS, INTERVALS))?;
    }
    if arrivals.len() > requests.len() {
        let known: Vec<u64> = requests.iter().map(|r| r.request_id).collect();
        if let Some(&id) = arrivals.keys().filter(|id| !known.contains(id)).min() {
            return Err(one_sided(id, INTERVALS, LENGTHS));
        }
    }
    if requests.is_empty() {
        return Err(WorkloadError::Empty { path: dir.to_owned() });
    }
    requests.sort_by_key(|r| (r.arrival_ns, r.request_id));
    let prompts = match find(dir, PROMPTS)? {
        Some(path) => {
            let prompts = read_prompts(&path)?;
            check_prompts(&path, &prompts, &requests)?;
            prompts
        }
        None => Vec::new(),
    };
    Ok(Workload { requests, prompts, seed: read_meta(dir)?.seed })
}

/// What the CSVs have no column for. A directory of another tool may lack it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkloadMeta {
    schema_version: u32,
    seed: u64,
}

fn read_meta(dir: &Path) -> Result<WorkloadMeta, WorkloadError> {
    let Some(path) = find(dir, META)? else {
        return Ok(WorkloadMeta { schema_version: SCHEMA_VERSION, seed: 0 });
    };
    let meta: WorkloadMeta = read_json(&path)?;
    if meta.schema_version > SCHEMA_VERSION {
        let (found, supported) = (meta.schema_version, SCHEMA_VERSION);
        return Err(FileError::SchemaVersion { path, found, supported }.into());
    }
    Ok(meta)
}

fn open(dir: &Path, file: &'static str) -> Result<Table, WorkloadError> {
    match find(dir, file)? {
        Some(path) => Ok(Table::open(&path)?),
        None => Err(WorkloadError::NoWorkload { path: dir.to_owned(), file }),
    }
}

fn read_lengths(dir: &Path) -> Result<Vec<Request>, WorkloadError> {
    let table = open(dir, LENGTHS)?;
    let [id, prompt, prefill, decode] = table.columns(LENGTH_COLUMNS)?;
    let mut requests = Vec::new();
    let mut lines = HashMap::new();
    table.for_each::<WorkloadError>(|row| {
        let request = Request {
            request_id: row.u64(id)?,
            prompt_id: row.text(prompt).to_owned(),
            prefill_tokens: row.u32(prefill)?,
            decode_tokens: row.u32(decode)?,
            arrival_ns: 0,
        };
        if let Some(line) = lines.insert(request.request_id, row.line()) {
            let problem = format!("request {} stands on line {line} already", request.request_id);
            return Err(row.problem(id, problem).into());
        }
        requests.push(request);
        Ok(())
    })?;
    Ok(requests)
}

fn read_arrivals(dir: &Path) -> Result<HashMap<u64, u64>, WorkloadError> {
    let table = open(dir, INTERVALS)?;
    let [id, gap, arrival] = table.columns(INTERVAL_COLUMNS)?;
    let mut arrivals = HashMap::new();
    let mut previous = None;
    table.for_each::<WorkloadError>(|row| {
        let (request_id, time) = (row.u64(id)?, row.u64(arrival)?);
        let before = previous.unwrap_or(0);
        let Some(expected) = time.checked_sub(before) else {
            let problem =
                format!("{time} lies before the row above, {before}: sort the rows by arrival");
            return Err(row.problem(arrival, problem).into());
        };
        let found = row.u64(gap)?;
        // The first row's gap may count from the start or be 0.
        if found != expected && !(previous.is_none() && found == 0) {
            let problem = format!("{found}, but the arrivals are {expected} apart");
            return Err(row.problem(gap, problem).into());
        }
        previous = Some(time);
        if arrivals.insert(request_id, time).is_some() {
            return Err(row
                .problem(id, format!("request {request_id} stands there already"))
                .into());
        }
        Ok(())
    })?;
    Ok(arrivals)
}

/// Reads a prompts file, one JSON object a line.
pub(super) fn read_prompts(path: &Path) -> Result<Vec<Prompt>, WorkloadError> {
    let text = read_text(path)?;
    let mut prompts: Vec<Prompt> = Vec::new();
    let mut known = HashMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let prompt: Prompt =
            serde_json::from_str(line).map_err(|e| match FileError::json(path, &e) {
                FileError::Json { path, column, problem, .. } => {
                    FileError::Json { path, line: i + 1, column, problem }
                }
                other => other,
            })?;
        if let Some(line) = known.insert(prompt.prompt_id.clone(), i + 1) {
            let problem = format!("it stands on line {line} already");
            let prompt_id = prompt.prompt_id;
            return Err(WorkloadError::FaultyPrompt { path: path.to_owned(), prompt_id, problem });
        }
        prompts.push(prompt);
    }
    Ok(prompts)
}

fn check_prompts(
    path: &Path,
    prompts: &[Prompt],
    requests: &[Request],
) -> Result<(), WorkloadError> {
    let by_id: HashMap<&str, &Prompt> = prompts.iter().map(|p| (p.prompt_id.as_str(), p)).collect();
    for request in requests {
        let problem = match by_id.get(request.prompt_id.as_str()) {
            None => format!("prompt `{}` is not in the file", request.prompt_id),
            Some(Prompt { token_ids: Some(ids), .. })
                if ids.len() != request.prefill_tokens as usize =>
            {
                format!(
                    "prompt `{}` has {} tokens, but num_prefill_tokens is {}",
                    request.prompt_id,
                    ids.len(),
                    request.prefill_tokens
                )
            }
            Some(_) => continue,
        };
        let request_id = request.request_id;
        return Err(WorkloadError::Prompt { path: path.to_owned(), request_id, problem });
    }
    Ok(())
}

/// Writes a workload in one step.
///
/// # Errors
/// A directory of somebody else's, or a system error.
pub fn write(workload: &Workload, dir: &Path) -> Result<(), WorkloadError> {
    let new = NewDir::create(dir, MARKER)?;
    let mut lengths = TableWriter::new(&LENGTH_COLUMNS);
    let mut intervals = TableWriter::new(&INTERVAL_COLUMNS);
    let mut previous = 0;
    for r in &workload.requests {
        let id = r.request_id.to_string();
        lengths.row(&[
            &id,
            &r.prompt_id,
            &r.prefill_tokens.to_string(),
            &r.decode_tokens.to_string(),
        ]);
        intervals.row(&[&id, &(r.arrival_ns - previous).to_string(), &r.arrival_ns.to_string()]);
        previous = r.arrival_ns;
    }
    lengths.write(&new.path().join(LENGTHS))?;
    intervals.write(&new.path().join(INTERVALS))?;
    if !workload.prompts.is_empty() {
        let path = new.path().join(PROMPTS);
        let mut lines = Vec::new();
        for prompt in &workload.prompts {
            serde_json::to_writer(&mut lines, prompt).map_err(|e| FileError::json(&path, &e))?;
            lines.push(b'\n');
        }
        write_inside(&path, &lines)?;
    }
    let path = new.path().join(META);
    let meta = WorkloadMeta { schema_version: SCHEMA_VERSION, seed: workload.seed };
    let json = serde_json::to_vec(&meta).map_err(|e| FileError::json(&path, &e))?;
    write_inside(&path, &json)?;
    new.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_workload()(gaps in prop::collection::vec((0_u64..1 << 40, 1_u32..5, 1_u32..100), 1..12), prompts: bool) -> Workload {
            let mut arrival_ns = 0;
            let requests: Vec<Request> = gaps.iter().enumerate().map(|(i, &(gap, prefill_tokens, decode_tokens))| {
                arrival_ns += gap;
                Request { request_id: i as u64, prompt_id: format!("p,{i}\"é"), prefill_tokens, decode_tokens, arrival_ns }
            }).collect();
            let prompts = requests.iter().filter(|_| prompts).map(|r| Prompt {
                prompt_id: r.prompt_id.clone(),
                text: (r.request_id % 2 == 0).then(|| "line\nbreak".to_owned()),
                token_ids: Some((0..r.prefill_tokens).collect()),
            }).collect();
            Workload { requests, prompts, seed: arrival_ns }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_workload_survives_a_round_trip(workload in any_workload()) {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("w");
            write(&workload, &target).unwrap();
            let back = read(&target).unwrap();
            prop_assert_eq!(back.hash(), workload.hash());
            prop_assert_eq!(back, workload);
        }
    }

    fn read_files(
        lengths: &str,
        intervals: &str,
        prompts: Option<&str>,
    ) -> Result<Workload, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(LENGTHS),
            format!("{}\n{lengths}", LENGTH_COLUMNS.join(",")),
        )
        .unwrap();
        std::fs::write(
            dir.path().join(INTERVALS),
            format!("{}\n{intervals}", INTERVAL_COLUMNS.join(",")),
        )
        .unwrap();
        if let Some(prompts) = prompts {
            std::fs::write(dir.path().join(PROMPTS), prompts).unwrap();
        }
        read(dir.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn each_fault_is_named() {
        let one = "0,p0,9,64\n";
        for (lengths, intervals, prompts, expected) in [
            (one, "", None, ": request 0 is in trace_lengths.csv but not in trace_intervals.csv"),
            (
                one,
                "0,0,0\n1,5,5\n",
                None,
                ": request 1 is in trace_intervals.csv but not in trace_lengths.csv",
            ),
            ("", "", None, ": no requests"),
            (
                "0,p0,9,64\n0,p0,9,64\n",
                "0,0,0\n",
                None,
                "trace_lengths.csv:3: column `request_id`: request 0 stands on line 2 already",
            ),
            (
                one,
                "0,0,5\n1,0,4\n",
                None,
                "trace_intervals.csv:3: column `arrival_time_ns`: 4 lies before the row above, 5: sort the rows by arrival",
            ),
            (
                one,
                "0,3,5\n",
                None,
                "trace_intervals.csv:2: column `inter_arrival_ns`: 3, but the arrivals are 5 apart",
            ),
            (
                one,
                "0,0,0\n",
                Some("{\"prompt_id\":\"p1\"}\n"),
                "prompts.jsonl: request 0: prompt `p0` is not in the file",
            ),
            (
                one,
                "0,0,0\n",
                Some("{\"prompt_id\":\"p0\",\"token_ids\":[1]}\n"),
                "prompts.jsonl: request 0: prompt `p0` has 1 tokens, but num_prefill_tokens is 9",
            ),
            (
                one,
                "0,0,0\n",
                Some("\n{\"prompt\":1}\n"),
                "prompts.jsonl:2:9: unknown field `prompt`, expected one of `prompt_id`, `text`, `token_ids`",
            ),
        ] {
            let message = read_files(lengths, intervals, prompts).unwrap_err();
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn a_directory_without_the_files_is_no_workload() {
        let dir = tempfile::tempdir().unwrap();
        let message = read(dir.path()).unwrap_err().to_string();
        assert!(
            message.ends_with("no trace_lengths.csv here: expected a workload directory"),
            "{message}"
        );
    }
}
