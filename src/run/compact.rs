//! How recordings are kept: all tokens of a step share its time, so a token is kept as the number of
//! its step, and a decode, which is one token of one request, not at all. Reading gives the whole run
//! back.
//!
//! `token_steps.csv` has a row a request: the steps that gave it its tokens, as `3-66 68`.
//! `plan_chunks.csv` has the rows of `plan_metrics.csv` that are no decodes.

use std::path::Path;

use super::{PlanRecord, RequestRecord, Run, StepRecord, TokenTimes};
use crate::files::{Column, FileError, Row, Table, TableWriter};

const COLUMNS: [&str; 2] = ["request_id", "steps"];

/// Steps of the tokens of each request of a run, ascending.
pub(super) type TokenSteps = Vec<Vec<u64>>;

/// The compact form of a run's tokens and plans; `None` where it would not give them back.
pub(super) fn pack(run: &Run) -> Option<(TokenSteps, Vec<PlanRecord>)> {
    let tokens = run.tokens.as_ref()?;
    let step_of = |time: &u64| {
        let step = run.steps.partition_point(|step| step.end_ns < *time);
        run.steps.get(step).filter(|found| found.end_ns == *time).map(|found| found.step)
    };
    let of_request = |i| tokens.of(i).iter().map(step_of).collect::<Option<Vec<u64>>>();
    let steps = (0..tokens.requests()).map(of_request).collect::<Option<TokenSteps>>()?;
    let plans = sorted(&run.plans);
    let decodes = decodes(&run.requests, &steps);
    let chunks: Vec<PlanRecord> =
        plans.iter().filter(|plan| !holds(&decodes, plan)).copied().collect();
    let times = times(&run.requests, &run.steps, &steps)?;
    let whole = times.has_times_of(tokens)
        && (run.plans.is_empty() || whole_plans(&run.requests, &steps, &chunks) == plans);
    whole.then_some((steps, chunks))
}

/// Plans by step and request: the order within a step is nobody's business.
pub(crate) fn sorted(plans: &[PlanRecord]) -> Vec<PlanRecord> {
    let mut plans = plans.to_vec();
    plans.sort_unstable_by_key(|plan| (plan.step, plan.request_id));
    plans
}

/// The decodes that gave requests their tokens after the first: each computed the token before it. By step and request.
fn decodes(requests: &[RequestRecord], steps: &TokenSteps) -> Vec<PlanRecord> {
    let last = steps.iter().filter_map(|steps| steps.last()).max();
    // Where the decodes of each step begin: they are dealt out to their places, not sorted.
    let mut next = vec![0_usize; last.map_or(0, |&last| last as usize + 2)];
    steps.iter().flat_map(|steps| steps.iter().skip(1)).for_each(|&s| next[s as usize + 1] += 1);
    for step in 1..next.len() {
        next[step] += next[step - 1];
    }
    let none = PlanRecord { step: 0, request_id: 0, tokens: 1, context: 0 };
    let mut all = vec![none; next.last().copied().unwrap_or(0)];
    for (request, steps) in requests.iter().zip(steps) {
        let (request_id, prompt) = (request.request_id, request.prefill_tokens);
        for (i, &step) in steps.iter().enumerate().skip(1) {
            let context = prompt.saturating_add(i as u32 - 1);
            let place = &mut next[step as usize];
            all[*place] = PlanRecord { step, request_id, tokens: 1, context };
            *place += 1;
        }
    }
    all
}

fn holds(sorted: &[PlanRecord], plan: &PlanRecord) -> bool {
    let key = (plan.step, plan.request_id);
    let place = sorted.binary_search_by_key(&key, |plan| (plan.step, plan.request_id));
    place.is_ok_and(|place| sorted[place] == *plan)
}

/// The plans of a run again: its chunks, and a decode for every token that no chunk gave.
pub(super) fn whole_plans(
    requests: &[RequestRecord],
    steps: &TokenSteps,
    chunks: &[PlanRecord],
) -> Vec<PlanRecord> {
    let key = |plan: &PlanRecord| (plan.step, plan.request_id);
    let mut chunks = sorted(chunks).into_iter().peekable();
    let mut plans = Vec::new();
    for decode in decodes(requests, steps) {
        while let Some(chunk) = chunks.next_if(|chunk| key(chunk) < key(&decode)) {
            plans.push(chunk);
        }
        if chunks.peek().is_none_or(|chunk| key(chunk) != key(&decode)) {
            plans.push(decode);
        }
    }
    plans.extend(chunks);
    plans
}

/// The token times of a run again; `None` for a step that it does not have.
fn times(
    requests: &[RequestRecord],
    steps: &[StepRecord],
    token_steps: &TokenSteps,
) -> Option<TokenTimes> {
    let time = |step: &u64| steps.get(*step as usize).map(|step| step.end_ns);
    let of_request = |steps: &Vec<u64>| steps.iter().map(time).collect::<Option<Vec<u64>>>();
    let all = token_steps.iter().map(of_request).collect::<Option<Vec<_>>>()?;
    (all.len() == requests.len()).then(|| TokenTimes::from_requests(all))
}

/// `token_steps.csv`.
pub(super) fn table(requests: &[RequestRecord], steps: &TokenSteps) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (request, steps) in requests.iter().zip(steps) {
        table.row(&[request.request_id.to_string(), ranges(steps)]);
    }
    table
}

/// `3-66 68`.
fn ranges(steps: &[u64]) -> String {
    let mut text = String::new();
    for run in steps.chunk_by(|a, b| a + 1 == *b) {
        let gap = if text.is_empty() { "" } else { " " };
        match run {
            [first, .., last] => text.push_str(&format!("{gap}{first}-{last}")),
            [only] => text.push_str(&format!("{gap}{only}")),
            [] => {}
        }
    }
    text
}

/// Reads `token_steps.csv`: the steps of each token, and the times that follow.
pub(super) fn read(
    path: &Path,
    requests: &[RequestRecord],
    steps: &[StepRecord],
) -> Result<(TokenSteps, TokenTimes), FileError> {
    let table = Table::open(path)?;
    let [id, list] = table.columns(COLUMNS)?;
    let mut token_steps = TokenSteps::new();
    table.for_each::<FileError>(|row| {
        let request = requests.get(token_steps.len());
        let found = row.u64(id)?;
        let Some(request) = request.filter(|request| request.request_id == found) else {
            return Err(row.problem(id, "the rows are not those of request_metrics.csv, in order"));
        };
        let of_request = parse(&row, list, steps.len() as u64)?;
        if of_request.len() != request.decode_tokens_actual as usize {
            let (found, expected) = (of_request.len(), request.decode_tokens_actual);
            return Err(row.problem(list, format!("{found} steps for {expected} tokens")));
        }
        let first = of_request.first().map(|&step| steps[step as usize].end_ns);
        if first != request.first_token_ns {
            return Err(row.problem(
                list,
                "the first step does not end at the first_token_time_ns of request_metrics.csv",
            ));
        }
        token_steps.push(of_request);
        Ok(())
    })?;
    match times(requests, steps, &token_steps) {
        Some(times) => Ok((token_steps, times)),
        None => Err(table.short(
            COLUMNS[0],
            format!("{} rows for {} requests", token_steps.len(), requests.len()),
        )),
    }
}

fn parse(row: &Row<'_>, column: Column, count: u64) -> Result<Vec<u64>, FileError> {
    let mut steps: Vec<u64> = Vec::new();
    for part in row.text(column).split_ascii_whitespace() {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) else {
            return Err(row.problem(column, format!("`{part}` is no step or range of steps")));
        };
        if first > last || last >= count || steps.last().is_some_and(|&before| first <= before) {
            let problem = format!("`{part}` does not ascend, or lies beyond the {count} steps");
            return Err(row.problem(column, problem));
        }
        steps.extend(first..=last);
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_written_as_ranges() {
        assert_eq!(ranges(&[3, 4, 5, 7, 9, 10]), "3-5 7 9-10");
        assert_eq!(ranges(&[]), "");
    }

    /// Requests that start at some step with a prompt of two chunks and then decode, skipping steps.
    fn run(starts: &[(u64, Vec<u64>)]) -> Run {
        let count = 100;
        let steps: Vec<StepRecord> = (0..count)
            .map(|step| StepRecord {
                step,
                start_ns: step * 10,
                end_ns: step * 10 + 7,
                ..StepRecord::default()
            })
            .collect();
        let (mut requests, mut plans, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (i, (start, gaps)) in starts.iter().enumerate() {
            let request_id = 2 * i as u64;
            let mut step = *start + 1;
            plans.push(PlanRecord { step: *start, request_id, tokens: 5, context: 0 });
            plans.push(PlanRecord { step, request_id, tokens: 3, context: 5 });
            let mut times = vec![step * 10 + 7];
            for (n, gap) in gaps.iter().enumerate() {
                step += gap;
                plans.push(PlanRecord { step, request_id, tokens: 1, context: 8 + n as u32 });
                times.push(step * 10 + 7);
            }
            requests.push(RequestRecord {
                request_id,
                first_token_ns: times.first().copied(),
                completion_ns: times.last().copied(),
                prefill_tokens: 8,
                decode_tokens: times.len() as u32,
                decode_tokens_actual: times.len() as u32,
                ..RequestRecord::default()
            });
            all.push(times);
        }
        let tokens = Some(TokenTimes::from_requests(all));
        Run { requests, tokens, steps, plans, ..Run::default() }
    }

    proptest! {
        #[test]
        fn a_packed_run_gives_its_tokens_and_plans_back(
            starts in prop::collection::vec((0_u64..40, prop::collection::vec(1_u64..4, 0..12)), 1..6)
        ) {
            let run = run(&starts);
            let (steps, chunks) = pack(&run).unwrap();
            prop_assert_eq!(chunks.len(), 2 * starts.len());
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("token_steps.csv");
            table(&run.requests, &steps).write(&path).unwrap();
            let (read_steps, times) = read(&path, &run.requests, &run.steps).unwrap();
            prop_assert_eq!(Some(times), run.tokens.clone());
            prop_assert_eq!(whole_plans(&run.requests, &read_steps, &chunks), sorted(&run.plans));
        }
    }

    #[test]
    fn tokens_that_do_not_end_with_a_step_are_kept_whole() {
        let mut run = run(&[(0, vec![1, 1])]);
        run.tokens = Some(TokenTimes::from_requests([[17, 27, 38]]));
        assert_eq!(pack(&run), None);
    }

    #[test]
    fn each_fault_names_its_row() {
        let run = run(&[(0, vec![1, 1])]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token_steps.csv");
        for (rows, expected) in [
            ("0,1-2\n", "2 steps for 3 tokens"),
            ("0,2-4\n", "the first step does not end at the first_token_time_ns"),
            ("0,1 1 2\n", "does not ascend"),
            ("0,1-200\n", "lies beyond the 100 steps"),
            ("0,x\n", "`x` is no step"),
            ("7,1-3\n", "the rows are not those of request_metrics.csv"),
            ("", "0 rows for 1 requests"),
        ] {
            std::fs::write(&path, format!("request_id,steps\n{rows}")).unwrap();
            let message = read(&path, &run.requests, &run.steps).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
