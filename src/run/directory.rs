//! A run directory: `request_metrics.csv`, and where known `token_metrics.csv`,
//! `step_metrics.csv`, `plan_metrics.csv` and `run_meta.json`. CSVs may be packed as `.csv.zst`. In
//! recordings `token_steps.csv` and `plan_chunks.csv` stand for tokens and plans, or
//! `gap_percentiles.csv` for both.

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    GapPercentiles, RequestRecord, Run, RunError, RunMeta, compact, gaps, requests, steps, tokens,
};
use crate::files::{FileError, Hasher, NewDir, find, sha256_hex, write_inside};

/// The file that makes a directory a run.
pub const MARKER: &str = "request_metrics.csv";
const TOKENS: &str = "token_metrics.csv";
const STEPS: &str = "step_metrics.csv";
const PLANS: &str = "plan_metrics.csv";
const META: &str = "run_meta.json";
const TOKEN_STEPS: &str = "token_steps.csv";
const CHUNKS: &str = "plan_chunks.csv";
const GAPS: &str = "gap_percentiles.csv";

/// Folder of recordings from other machines inside a recording; never one of its repeats.
pub const CROSS_MACHINE: &str = "cross";
/// Folder of a recording that holds the repeat whose steps were timed on the GPU.
pub const TRACED: &str = "traced";

/// Reads one run.
///
/// # Errors
/// A directory that is no run, or a file in it with a fault, named with line and column.
pub fn read(dir: &Path) -> Result<Run, RunError> {
    let Some(path) = find(dir, MARKER)? else {
        return Err(RunError::NoRun { path: dir.to_owned() });
    };
    let requests = requests::read(&path)?;
    let steps = find(dir, STEPS)?.map(|p| steps::read_steps(&p)).transpose()?.unwrap_or_default();
    let plans = |name| -> Result<Vec<_>, RunError> {
        Ok(find(dir, name)?.map(|p| steps::read_plans(&p)).transpose()?.unwrap_or_default())
    };
    let (tokens, plans) = match (find(dir, TOKENS)?, find(dir, TOKEN_STEPS)?) {
        (Some(path), _) => (Some(tokens::read(&path, &requests)?), plans(PLANS)?),
        (None, Some(path)) => {
            let (token_steps, times) = compact::read(&path, &requests, &steps)?;
            let chunks = compact::sorted(&plans(CHUNKS)?);
            (Some(times), compact::whole_plans(&requests, &token_steps, &chunks))
        }
        (None, None) => (None, plans(PLANS)?),
    };
    let gaps = match find(dir, GAPS)? {
        Some(path) if tokens.is_some() || !steps.is_empty() || !plans.is_empty() => {
            return Err(RunError::Both { path });
        }
        Some(path) => {
            let of = |r: &RequestRecord| u64::from(r.decode_tokens_actual.saturating_sub(1));
            Some(gaps::read(&path, requests.iter().map(of).sum())?)
        }
        None => None,
    };
    let meta = read_meta(dir)?;
    Ok(Run { requests, tokens, gaps, steps, plans, meta })
}

/// Reads what a run says of where it comes from.
///
/// # Errors
/// A faulty file.
pub fn read_meta(dir: &Path) -> Result<Option<RunMeta>, RunError> {
    Ok(find(dir, META)?.map(|p| RunMeta::read(&p)).transpose()?)
}

/// Finds the runs of `dir`: itself, or its sub-folders in the order of their names, numbers by value.
///
/// # Errors
/// A path that is no directory, holds no run, or mixes runs with other folders.
pub fn read_repeats(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
    if !dir.is_dir() {
        return Err(RunError::Missing { path: dir.to_owned() });
    }
    if find(dir, MARKER)?.is_some() {
        return Ok(vec![dir.to_owned()]);
    }
    let entries = fs::read_dir(dir).map_err(|e| FileError::io("read", dir, e))?;
    let mut repeats = Vec::new();
    let mut others = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| FileError::io("read", dir, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if !path.is_dir() || name.starts_with('.') || name == CROSS_MACHINE || name == TRACED {
            continue;
        }
        let list = if find(&path, MARKER)?.is_some() { &mut repeats } else { &mut others };
        list.push((natural_key(&name), path));
    }
    if repeats.is_empty() {
        return Err(RunError::NoRun { path: dir.to_owned() });
    }
    if let Some((_, path)) = others.into_iter().min() {
        return Err(RunError::NotARepeat { path });
    }
    repeats.sort();
    Ok(repeats.into_iter().map(|(_, path)| path).collect())
}

/// Recordings from other machines inside the recording `dir`, by name.
///
/// # Errors
/// A folder that cannot be read.
pub fn cross_machine(dir: &Path) -> Result<Vec<PathBuf>, RunError> {
    let dir = dir.join(CROSS_MACHINE);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&dir).map_err(|e| FileError::io("read", &dir, e))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| FileError::io("read", &dir, e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Sorts `r2` before `r10`.
fn natural_key(name: &str) -> (String, u64, String) {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let prefix = name[..name.len() - digits.len()].to_owned();
    (prefix, number.parse().unwrap_or(0), name.to_owned())
}

/// Writes a run in one step: a killed writer leaves what stood there before.
///
/// # Errors
/// A directory of somebody else's, or a system error.
pub fn write(run: &Run, dir: &Path) -> Result<(), RunError> {
    let new = NewDir::create(dir, MARKER)?;
    write_files(run, new.path())?;
    new.commit()?;
    Ok(())
}

fn write_files(run: &Run, dir: &Path) -> Result<(), FileError> {
    requests::table(&run.requests).write(&dir.join(MARKER))?;
    if let Some(tokens) = &run.tokens {
        tokens::table(tokens, &run.requests).write(&dir.join(TOKENS))?;
    }
    if !run.steps.is_empty() {
        steps::steps_table(&run.steps).write(&dir.join(STEPS))?;
    }
    if !run.plans.is_empty() {
        steps::plans_table(&run.plans).write(&dir.join(PLANS))?;
    }
    write_meta(run, dir)
}

fn write_meta(run: &Run, dir: &Path) -> Result<(), FileError> {
    let Some(meta) = &run.meta else { return Ok(()) };
    let path = dir.join(META);
    let mut json = serde_json::to_vec_pretty(meta).map_err(|e| FileError::json(&path, &e))?;
    json.push(b'\n');
    write_inside(&path, &json)
}

/// How much of a run is kept in a recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// Everything but token ids.
    Whole,
    /// Requests and percentiles of the gaps between tokens.
    Percentiles(GapPercentiles),
}

/// Writes a run into `dir`, packed, in the smallest form that gives it back.
///
/// # Errors
/// A directory of somebody else's, or a system error.
pub fn write_compact(run: &Run, dir: &Path, keep: Keep) -> Result<(), RunError> {
    let new = NewDir::create(dir, MARKER)?;
    let path = |name: &str| new.path().join(format!("{name}.zst"));
    requests::table(&run.requests).write(&path(MARKER))?;
    write_meta(run, new.path())?;
    match (keep, compact::pack(run)) {
        (Keep::Percentiles(gaps), _) => gaps::table(&gaps).write(&path(GAPS))?,
        (Keep::Whole, packed) => {
            if !run.steps.is_empty() {
                steps::steps_table(&run.steps).write(&path(STEPS))?;
            }
            if let Some((token_steps, chunks)) = packed {
                compact::table(&run.requests, &token_steps).write(&path(TOKEN_STEPS))?;
                steps::plans_table(&chunks).write(&path(CHUNKS))?;
            } else {
                if let Some(tokens) = &run.tokens {
                    let times = tokens.clone().with_ids(Vec::new());
                    tokens::table(&times, &run.requests).write(&path(TOKENS))?;
                }
                if !run.plans.is_empty() {
                    steps::plans_table(&run.plans).write(&path(PLANS))?;
                }
            }
        }
    }
    new.commit()?;
    Ok(())
}

/// SHA-256 of the files of a run: their names and bytes.
///
/// # Errors
/// A file that cannot be read.
pub fn files_hash(dir: &Path) -> Result<String, RunError> {
    let io = |e| FileError::io("read", dir, e);
    let entries = fs::read_dir(dir).map_err(io)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>().map_err(io)?;
    paths.sort();
    let mut hasher = Hasher::new("simgate run files v1");
    for path in paths {
        hasher.text(&path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default());
        let bytes = fs::read(&path).map_err(|e| FileError::io("read", &path, e))?;
        hasher.text(&sha256_hex(&bytes));
    }
    Ok(hasher.finish())
}

/// SHA-256 of the token ids of a run; `None` where they are unknown.
pub fn token_hash(run: &Run) -> Option<String> {
    let tokens = run.tokens.as_ref()?;
    let mut hasher = Hasher::new("simgate token ids v1");
    let mut known = false;
    for (i, request) in run.requests.iter().enumerate() {
        hasher.number(request.request_id);
        hasher.number(tokens.ids_of(i).len() as u64);
        tokens.ids_of(i).iter().for_each(|&id| hasher.number(u64::from(id)));
        known |= !tokens.ids_of(i).is_empty();
    }
    known.then(|| hasher.finish())
}

/// SHA-256 of the request times alone. Two measured runs never share it, with or without token times.
pub fn request_hash(run: &Run) -> String {
    hash(&Run { requests: run.requests.clone(), ..Run::default() })
}

/// SHA-256 of what is judged of a run: request and token times, steps, plans and its process.
pub fn hash(run: &Run) -> String {
    let mut hasher = Hasher::new("simgate run v2");
    for (i, r) in run.requests.iter().enumerate() {
        hasher.number(r.request_id);
        hasher.number(r.arrival_ns);
        // An absent time is told apart from every present one.
        for time in [r.first_token_ns, r.completion_ns] {
            hasher.number(time.map_or(0, |_| 1));
            hasher.number(time.unwrap_or(0));
        }
        hasher.text(r.status.as_str());
        let times = run.tokens.as_ref().map(|t| t.of(i)).unwrap_or_default();
        hasher.number(times.len() as u64);
        times.iter().for_each(|&t| hasher.number(t));
    }
    for step in &run.steps {
        [step.start_ns, step.end_ns].into_iter().for_each(|time| hasher.number(time));
    }
    for plan in &compact::sorted(&run.plans) {
        [plan.step, plan.request_id].into_iter().for_each(|number| hasher.number(number));
        [plan.tokens, plan.context].into_iter().for_each(|n| hasher.number(u64::from(n)));
    }
    if let Some(gaps) = &run.gaps {
        gaps.percentiles_ns.into_iter().for_each(|ns| hasher.number(ns.to_bits()));
        hasher.number(gaps.independent);
    }
    if let Some(process) = run.meta.as_ref().and_then(|meta| meta.process) {
        hasher.number(u64::from(process));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{
        Boundary, HostSpeed, PlanRecord, RequestRecord, Status, StepRecord, TokenTimes,
    };
    use proptest::prelude::*;

    prop_compose! {
        fn any_request()(arrival in 0_u64..1 << 40, gaps in prop::collection::vec(0_u64..1 << 30, 0..6), tail in 0_u64..1000, failed: bool)
            -> (RequestRecord, Vec<u64>) {
            let times: Vec<u64> = gaps.iter().scan(arrival, |t, gap| { *t += gap; Some(*t) }).collect();
            let tokens = times.len() as u32;
            let record = RequestRecord {
                request_id: 0,
                arrival_ns: arrival,
                first_token_ns: times.first().copied(),
                completion_ns: (!failed).then(|| times.last().unwrap_or(&arrival) + tail),
                prefill_tokens: 7,
                decode_tokens: tokens + u32::from(failed),
                decode_tokens_actual: tokens,
                status: if failed { Status::Failed } else { Status::Ok },
                backend: None,
            };
            (record, times)
        }
    }

    fn run_of(mut requests: Vec<(RequestRecord, Vec<u64>)>, ids: bool) -> Run {
        requests.iter_mut().enumerate().for_each(|(i, (r, _))| r.request_id = 3 * i as u64);
        let mut tokens = TokenTimes::from_requests(requests.iter().map(|(_, times)| times));
        if ids {
            let count = tokens.len() as u32;
            tokens = tokens.with_ids((0..count).collect());
        }
        Run {
            steps: vec![StepRecord {
                end_ns: 5,
                bucket: Some("decode-8".into()),
                gpu_ns: Some(3),
                ..StepRecord::default()
            }],
            plans: vec![PlanRecord { step: 0, request_id: 3, tokens: 7, context: 0 }],
            meta: Some(RunMeta {
                host_speed_index: Some(HostSpeed {
                    before_us: 6.25,
                    after_us: 6.5,
                    launch_us: Some([2.5, 2.75]),
                }),
                ..RunMeta::new("test", Boundary::Engine)
            }),
            requests: requests.into_iter().map(|(r, _)| r).collect(),
            tokens: Some(tokens),
            gaps: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_run_survives_a_round_trip(requests in prop::collection::vec(any_request(), 0..8), ids: bool, pack: bool) {
            let run = run_of(requests, ids);
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("run");
            write(&run, &target).unwrap();
            if pack {
                for name in [MARKER, TOKENS, STEPS] {
                    let plain = target.join(name);
                    let bytes = fs::read(&plain).unwrap();
                    write_inside(&target.join(format!("{name}.zst")), &bytes).unwrap();
                    fs::remove_file(plain).unwrap();
                }
            }
            let back = read(&target).unwrap();
            prop_assert_eq!(hash(&back), hash(&run));
            prop_assert_eq!(back, run);
        }
    }

    #[test]
    fn repeats_are_ordered_by_number_and_cross_machine_runs_stay_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["r10", "r2", "cross/h200-0123abcd"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(MARKER), "").unwrap();
        }
        let repeats = read_repeats(dir.path()).unwrap();
        assert_eq!(repeats, [dir.path().join("r2"), dir.path().join("r10")]);
    }

    #[test]
    fn an_unfinished_repeat_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("r0")).unwrap();
        fs::write(dir.path().join("r0").join(MARKER), "").unwrap();
        fs::create_dir_all(dir.path().join("r1")).unwrap();
        let message = read_repeats(dir.path()).unwrap_err().to_string();
        assert!(
            message.contains("r1: no request_metrics.csv here, though its sibling"),
            "{message}"
        );
    }

    #[test]
    fn a_run_of_a_newer_simgate_asks_for_an_update() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("run");
        write(&run_of(Vec::new(), false), &target).unwrap();
        let meta = target.join(META);
        let text = fs::read_to_string(&meta)
            .unwrap()
            .replace("\"schema_version\": 1", "\"schema_version\": 9");
        fs::write(&meta, text.replace("\"backend\"", "\"new_key\": 1, \"backend\"")).unwrap();
        let message = read(&target).unwrap_err().to_string();
        assert!(
            message.contains("schema version 9, but this simgate reads 1 to 1: update simgate"),
            "{message}"
        );
    }
}
