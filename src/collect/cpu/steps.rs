//! Whole steps of calibration runs: host spans by sequences, and how steps compare with the sum of
//! their ops.

use std::collections::BTreeMap;

use crate::backend::candle::CandleExecutor;
use crate::collect::{CollectError, Progress, Ranges, sarathi};
use crate::engine::{Detail, Launch, Limits, MonotonicClock, serve};
use crate::model::Qwen3;
use crate::predict::CpuPredictor;
use crate::profile::{CpuTimes, HostEntry, ProfileMeta, Residual, Span};
use crate::run::{PlanRecord, Run, StepRecord};
use crate::stats::percentile_sorted;
use crate::workload::{Request, Workload};

/// Calibration runs of each kind, with other lengths each time; the first only warms up.
const RUNS: u64 = 4;

/// Adds host spans and residuals to `times`, which has its ops already.
pub(super) fn calibrate(
    meta: &mut ProfileMeta,
    times: &mut CpuTimes,
    model: &Qwen3,
    ranges: Ranges,
    progress: Progress<'_>,
) -> Result<(), CollectError> {
    let limits = (ranges.max_tokens, ranges.max_sequences);
    let engine = sarathi(Launch::Eager, limits, ranges.kv_block_tokens, None);
    let mut runs = Vec::new();
    for seed in 0..2 * RUNS {
        // A full batch and a lone request in turn, so that both ends of every range occur.
        let sequences = if seed % 2 == 0 { ranges.max_sequences } else { 1 };
        let workload = workload(Ranges { max_sequences: sequences, ..ranges }, seed);
        let mut executor = CandleExecutor::on_cpu(model, &workload, &engine)?;
        let mut clock = MonotonicClock::start();
        let served =
            serve(&workload, &engine, Limits::default(), Detail::Steps, &mut executor, &mut clock)?;
        progress("profile: calibration runs", seed + 1, 2 * RUNS);
        if seed > 1 {
            meta.run_ids.push(format!("calibration-{seed}-{}", meta.started_at));
            runs.push(served.run);
        }
    }
    times.host = [Span::Schedule, Span::Post]
        .into_iter()
        .flat_map(|span| host(span, runs.iter().flat_map(|run| spans(run, span))))
        .collect();
    let predictor = CpuPredictor::new(meta, times, &model.config);
    for run in &runs {
        let plans = run.plans_by_step().ok_or(CollectError::Undetermined)?;
        for (step, plans) in run.steps.iter().zip(plans) {
            times.residuals.push(residual(&predictor, run, step, &plans)?);
        }
    }
    Ok(())
}

/// Requests that all arrive at once, with lengths that thin the batch out one by one, so that steps of
/// every number of sequences occur. Lengths follow from `seed`, and none is a case's.
fn workload(ranges: Ranges, seed: u64) -> Workload {
    // Prompts short enough that one step takes all of them.
    let prompt = (ranges.max_tokens / ranges.max_sequences).min(ranges.max_context / 2).max(1);
    let output = ranges.max_context.saturating_sub(prompt).max(1);
    let request = |i: u32| Request {
        request_id: u64::from(i),
        prompt_id: format!("calibration-{seed}-{i}"),
        prefill_tokens: 1 + (7 * (i + 1) * (seed as u32 + 3)) % prompt,
        decode_tokens: (12 + 3 * i).min(output),
        arrival_ns: 0,
    };
    let requests = (0..ranges.max_sequences).map(request).collect();
    Workload { requests, prompts: Vec::new(), seed }
}

/// (sequences, ns) of every step.
fn spans(run: &Run, span: Span) -> Vec<(u32, f64)> {
    let time = |step: &StepRecord| match span {
        Span::Schedule => step.schedule_ns,
        Span::Post => step.post_ns,
    };
    let plans = run.plans_by_step().unwrap_or_default();
    run.steps.iter().zip(plans).map(|(s, plans)| (plans.len() as u32, time(s) as f64)).collect()
}

fn host(span: Span, times: impl Iterator<Item = (u32, f64)>) -> Vec<HostEntry> {
    let mut by_sequences: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    times.for_each(|(sequences, time)| by_sequences.entry(sequences).or_default().push(time));
    let entry = |(sequences, mut times): (u32, Vec<f64>)| {
        times.sort_unstable_by(f64::total_cmp);
        let median_ns = percentile_sorted(&times, 0.5).round() as u64;
        HostEntry { span, sequences, median_ns, samples: times.len() as u32 }
    };
    by_sequences.into_iter().map(entry).collect()
}

fn residual(
    predictor: &CpuPredictor,
    run: &Run,
    step: &StepRecord,
    plans: &[&PlanRecord],
) -> Result<Residual, CollectError> {
    let sequences: Vec<(u32, u32)> = plans.iter().map(|plan| plan.sequence()).collect();
    let request = |id: u64| &run.requests[id as usize];
    // A token follows once the prompt is complete.
    let rows =
        plans.iter().filter(|p| p.context + p.tokens >= request(p.request_id).prefill_tokens);
    let predicted = predictor.step(&sequences, rows.count() as u32)?;
    let measured = (step.prepare_ns + step.launch_ns) as f64;
    Ok(Residual {
        decode_only: step.prefill_tokens == 0,
        ratio: measured / (predicted.prepare_ns + predicted.ops_ns),
    })
}
