//! `step_metrics.csv` and `plan_metrics.csv`: what the engine did when, so that a gap between two
//! tokens can be attributed.

use std::path::Path;
use std::sync::Arc;

use crate::files::{FileError, Row, Table, TableWriter};

const STEP_COLUMNS: [&str; 14] = [
    "step",
    "start_ns",
    "end_ns",
    "prefill_tokens",
    "decode_sequences",
    "kv_tokens",
    "bucket",
    "idle_before_ns",
    "schedule_ns",
    "prepare_ns",
    "launch_ns",
    "wait_ns",
    "post_ns",
    "gpu_ns",
];

const PLAN_COLUMNS: [&str; 4] = ["step", "request_id", "tokens", "context"];

/// One engine step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepRecord {
    /// Its number, from 0.
    pub step: u64,
    /// When scheduling began.
    pub start_ns: u64,
    /// When its tokens were known.
    pub end_ns: u64,
    /// Prompt tokens processed.
    pub prefill_tokens: u32,
    /// Sequences that decoded a token.
    pub decode_sequences: u32,
    /// KV tokens that attention read.
    pub kv_tokens: u64,
    /// The size that it was padded to; `None` where steps are not padded.
    pub bucket: Option<Arc<str>>,
    /// Time without work before the step.
    pub idle_before_ns: u64,
    /// Host: choosing the work.
    pub schedule_ns: u64,
    /// Host: describing the batch.
    pub prepare_ns: u64,
    /// Host: launching.
    pub launch_ns: u64,
    /// Host: waiting for the device.
    pub wait_ns: u64,
    /// Host: handing out tokens.
    pub post_ns: u64,
    /// Device time, only in traced runs.
    pub gpu_ns: Option<u64>,
}

/// What one step did for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRecord {
    /// The step.
    pub step: u64,
    /// The request.
    pub request_id: u64,
    /// Tokens processed: a chunk of the prompt, or 1 for a decode.
    pub tokens: u32,
    /// Tokens in the KV cache before the step.
    pub context: u32,
}

impl PlanRecord {
    /// Tokens computed, and tokens in the cache before.
    pub fn sequence(&self) -> (u32, u32) {
        (self.tokens, self.context)
    }
}

pub(super) fn read_steps(path: &Path) -> Result<Vec<StepRecord>, FileError> {
    let table = Table::open(path)?;
    let [
        step,
        start,
        end,
        prefill,
        decode,
        kv,
        bucket,
        idle,
        schedule,
        prepare,
        launch,
        wait,
        post,
        gpu,
    ] = table.columns(STEP_COLUMNS)?;
    let mut records: Vec<StepRecord> = Vec::new();
    table.for_each::<FileError>(|row: Row<'_>| {
        let record = StepRecord {
            step: row.u64(step)?,
            start_ns: row.u64(start)?,
            end_ns: row.u64(end)?,
            prefill_tokens: row.u32(prefill)?,
            decode_sequences: row.u32(decode)?,
            kv_tokens: row.u64(kv)?,
            bucket: Some(row.text(bucket)).filter(|b| !b.is_empty()).map(Arc::from),
            idle_before_ns: row.u64(idle)?,
            schedule_ns: row.u64(schedule)?,
            prepare_ns: row.u64(prepare)?,
            launch_ns: row.u64(launch)?,
            wait_ns: row.u64(wait)?,
            post_ns: row.u64(post)?,
            gpu_ns: row.optional_u64(gpu)?,
        };
        if record.step != records.len() as u64 {
            let expected = records.len();
            return Err(row.problem(
                step,
                format!(
                    "step {}, expected step {expected}: steps stand in order, from 0",
                    record.step
                ),
            ));
        }
        let not_before = records.last().map_or(0, |r| r.start_ns);
        if record.start_ns < not_before || record.end_ns < record.start_ns {
            return Err(row.problem(
                end,
                "the step ends before it starts, or starts before the step before it",
            ));
        }
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

pub(super) fn steps_table(records: &[StepRecord]) -> TableWriter {
    let mut table = TableWriter::new(&STEP_COLUMNS);
    for r in records {
        table.row(&[
            r.step.to_string(),
            r.start_ns.to_string(),
            r.end_ns.to_string(),
            r.prefill_tokens.to_string(),
            r.decode_sequences.to_string(),
            r.kv_tokens.to_string(),
            r.bucket.as_deref().unwrap_or_default().to_owned(),
            r.idle_before_ns.to_string(),
            r.schedule_ns.to_string(),
            r.prepare_ns.to_string(),
            r.launch_ns.to_string(),
            r.wait_ns.to_string(),
            r.post_ns.to_string(),
            r.gpu_ns.map_or_else(String::new, |t| t.to_string()),
        ]);
    }
    table
}

pub(super) fn read_plans(path: &Path) -> Result<Vec<PlanRecord>, FileError> {
    let table = Table::open(path)?;
    let [step, request, tokens, context] = table.columns(PLAN_COLUMNS)?;
    let mut records = Vec::new();
    table.for_each::<FileError>(|row| {
        records.push(PlanRecord {
            step: row.u64(step)?,
            request_id: row.u64(request)?,
            tokens: row.u32(tokens)?,
            context: row.u32(context)?,
        });
        Ok(())
    })?;
    Ok(records)
}

pub(super) fn plans_table(records: &[PlanRecord]) -> TableWriter {
    let mut table = TableWriter::new(&PLAN_COLUMNS);
    for r in records {
        table.row(&[
            r.step.to_string(),
            r.request_id.to_string(),
            r.tokens.to_string(),
            r.context.to_string(),
        ]);
    }
    table
}
