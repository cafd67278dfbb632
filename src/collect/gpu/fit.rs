//! What is made of the measured parts: the step model of every bucket, host spans, the effect of idle time, and
//! residuals. Steps on the bench say what a content takes; steps in service, which are far more, say it for
//! contents as engines have them.

use std::collections::BTreeMap;

use super::least_squares::{Equation, solve};
use super::points::points;
use super::replays::spread;
use super::served::{ServedRun, ServedStep};
use crate::collect::{CollectError, sarathi};
use crate::engine::Launch;
use crate::model::{AttentionWork, ModelConfig, StepSize};
use crate::predict::{
    GpuPredictor, GpuStep, IDLE_NS, OF_DECODE, STEP_VARIABLES, VARIABLES, variables,
};
use crate::profile::{
    BucketModel, GpuHost, GpuHostEntry, GpuTimes, IdleEntry, LaunchEntry, ProfileMeta, ReplayEntry,
    StepModel, StepResidual, VariableModel,
};
use crate::stats::percentiles;

/// Steps behind idle time that may still be slower.
const AFTER_IDLE: u32 = 3;
/// What holds a bucket's correction back where few steps were measured.
const RIDGE: f64 = 3.0;
/// Sequences by which host spans are kept, and idle times (ns) by which their effect is.
const HOST_SIZES: [u32; 14] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 112, 128];
const IDLE_TIMES: [u64; 9] = [
    100_000,
    1_000_000,
    5_000_000,
    30_000_000,
    80_000_000,
    150_000_000,
    300_000_000,
    1_000_000_000,
    u64::MAX,
];

/// A measured step with its variables.
struct Sample {
    bucket: StepSize,
    values: [f64; VARIABLES],
    /// From launch to tokens, ns.
    time: f64,
}

/// Fits everything to `times` and `runs`, and keeps it in `times`.
///
/// # Errors
/// Steps that leave the fit undetermined.
pub(super) fn fit(
    meta: &ProfileMeta,
    times: &mut GpuTimes,
    model: &ModelConfig,
    runs: &[ServedRun],
) -> Result<(), CollectError> {
    let multiprocessors = meta.gpu.as_ref().map_or(1, |gpu| gpu.multiprocessors);
    let work = AttentionWork::new(model, multiprocessors);
    times.variables = STEP_VARIABLES.map(str::to_owned).to_vec();
    let bench = times.replays.iter().map(|entry| of_bench(&work, entry));
    let served = runs.iter().filter(|run| !run.eager).flat_map(|run| &run.steps);
    let steady = served.filter(|step| step.idle.steps_since >= AFTER_IDLE);
    let service = steady.map(|step| of_service(&work, step));
    let samples: Vec<Sample> = bench.chain(service).collect();
    times.step_model = step_model(&work, &samples)?;
    launches(times, runs);
    times.host = host(runs);
    (times.idle, times.residuals) = (Vec::new(), Vec::new());
    // Steps right after idle time have its effect, of which only the median is known.
    let residuals = each_step(meta, times, model, runs, |step, run, predicted| {
        let host = predicted.schedule + predicted.prepare + predicted.post;
        let steady = step.idle.steps_since >= AFTER_IDLE;
        steady.then(|| StepResidual {
            process: run.process,
            run: run.number,
            eager: run.eager,
            chunks: predicted.bucket.prefills(),
            sequences: step.sequences.len() as u32,
            device: step.device_ns as f64 / predicted.device,
            host: step.host_ns() as f64 / host,
        })
    })?;
    times.residuals = residuals.into_iter().flatten().collect();
    let idle = each_step(meta, times, model, runs, |step, run, predicted| {
        let extra = step.body() - predicted.device - predicted.schedule - predicted.prepare;
        (run.eager, step.idle.ns, step.idle.steps_since, extra)
    })?;
    times.idle = idle_entries(&idle);
    Ok(())
}

fn of_bench(work: &AttentionWork, entry: &ReplayEntry) -> Sample {
    let values = variables(work, entry.bucket, &entry.content.0);
    Sample { bucket: entry.bucket, values, time: entry.wall.median as f64 }
}

fn of_service(work: &AttentionWork, step: &ServedStep) -> Sample {
    let values = variables(work, step.bucket, &step.sequences);
    Sample { bucket: step.bucket, values, time: step.device_ns as f64 }
}

/// Which coefficients two steps share: those of single tokens' attention where as many sequences are padded to,
/// those of chunks' where tiles are split alike.
fn columns(work: &AttentionWork, bucket: StepSize) -> [(u8, u32); 2] {
    [(0, bucket.sequences), (1, work.prefill_splits(bucket))]
}

/// The model of every bucket: one fit to all steps together, and a correction in each bucket.
fn step_model(work: &AttentionWork, samples: &[Sample]) -> Result<StepModel, CollectError> {
    let mut by_bucket: BTreeMap<StepSize, Vec<&Sample>> = BTreeMap::new();
    samples.iter().for_each(|s| by_bucket.entry(s.bucket).or_default().push(s));
    // Places of the coefficients: buckets first, then the variables of each group of buckets.
    let mut groups: BTreeMap<(u8, u32), usize> = BTreeMap::new();
    let constants: BTreeMap<StepSize, usize> = by_bucket.keys().copied().zip(0..).collect();
    let mut next = constants.len();
    for &bucket in by_bucket.keys() {
        for group in columns(work, bucket) {
            groups.entry(group).or_insert_with(|| {
                let first = next;
                next += if group.0 == 0 { OF_DECODE } else { VARIABLES - OF_DECODE };
                first
            });
        }
    }
    let places = |bucket: StepSize| -> [usize; VARIABLES] {
        let [decode, prefill] = columns(work, bucket).map(|group| groups[&group]);
        std::array::from_fn(|i| if i < OF_DECODE { decode + i } else { prefill + i - OF_DECODE })
    };
    let equation = |sample: &Sample| {
        let mut terms = vec![(constants[&sample.bucket], 1.0)];
        let values = places(sample.bucket).into_iter().zip(sample.values);
        terms.extend(values.filter(|(_, value)| *value != 0.0));
        Equation { terms, time: sample.time }
    };
    let equations: Vec<Equation> = samples.iter().map(equation).collect();
    let found = solve(&equations, &vec![0.0; next]).ok_or(CollectError::Undetermined)?;
    let fitted = |(bucket, samples): (StepSize, Vec<&Sample>)| {
        let pooled = places(bucket).map(|place| found[place]);
        let model = correct(found[constants[&bucket]], pooled, &samples)?;
        Ok((bucket, model))
    };
    by_bucket.into_iter().map(fitted).collect()
}

/// The model of one bucket, corrected by what its own samples say.
fn correct(
    constant: f64,
    pooled: [f64; VARIABLES],
    samples: &[&Sample],
) -> Result<BucketModel, CollectError> {
    let variable = |i: usize| {
        let values = || samples.iter().map(|sample| sample.values[i]);
        let (mean, sd) = center(values());
        let range = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let log_scale = center(values().map(libm::log1p));
        VariableModel {
            pooled: pooled[i],
            range,
            scale: (mean, sd),
            log_scale,
            slope: 0.0,
            bend: 0.0,
        }
    };
    let mut model = BucketModel {
        constant,
        correction: 1.0,
        samples: samples.len() as u32,
        variables: (0..VARIABLES).map(variable).collect(),
        points: Vec::new(),
    };
    // Ratios to the pooled fit, over deviations and their sizes.
    let equations: Vec<Equation> = samples
        .iter()
        .map(|sample| {
            let ratio = sample.time / model.time(&sample.values);
            let mut terms = vec![(0, 1.0)];
            for (i, (v, x)) in model.variables.iter().zip(sample.values).enumerate() {
                let z = (x - v.scale.0) / v.scale.1;
                terms.extend([(1 + 2 * i, z), (2 + 2 * i, z.abs().min(2.0))]);
            }
            Equation { terms, time: ratio }
        })
        .collect();
    let mut penalties = vec![RIDGE; 1 + 2 * VARIABLES];
    penalties[0] = 0.0;
    let found = solve(&equations, &penalties).ok_or(CollectError::Undetermined)?;
    model.correction = found[0];
    for (i, v) in model.variables.iter_mut().enumerate() {
        (v.slope, v.bend) = (found[1 + 2 * i], found[2 + 2 * i]);
    }
    let off = |sample: &&Sample| {
        (model.place(&sample.values), sample.time / model.time(&sample.values) - 1.0)
    };
    model.points = points(&samples.iter().map(off).collect::<Vec<_>>())?;
    Ok(model)
}

/// Mean and standard deviation; 1 where there is none.
fn center(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 1e-18 { variance.sqrt() } else { 1.0 })
}

/// What launching costs in service.
fn launches(times: &mut GpuTimes, runs: &[ServedRun]) {
    times
        .launches
        .retain(|entry| !entry.name.contains("service") && !entry.name.contains("overhead"));
    for (eager, name) in [(false, "graph"), (true, "eager")] {
        let steps = runs.iter().filter(|run| run.eager == eager).flat_map(|run| &run.steps);
        let mut launched: Vec<f64> = steps.map(|step| step.launch_ns as f64).collect();
        let measured = if eager { &times.eager } else { &times.replays };
        let beside = measured.iter().map(|e| e.wall.median as f64 - e.gpu.median as f64);
        let mut beside: Vec<f64> = beside.collect();
        for (cost, values) in [("service_launch", &mut launched), ("overhead", &mut beside)] {
            let value = percentiles(values, [0.5])[0];
            if value.is_finite() {
                let value = value.max(0.0);
                times.launches.push(LaunchEntry {
                    process: 0,
                    name: format!("{name}_{cost}"),
                    value,
                });
            }
        }
    }
}

/// Host spans by sequences.
fn host(runs: &[ServedRun]) -> Vec<GpuHostEntry> {
    let mut found: BTreeMap<(GpuHost, bool, u32), Vec<f64>> = BTreeMap::new();
    let steps = || runs.iter().flat_map(|run| &run.steps);
    // The fewest and most sequences are there as they were: beyond them nothing is predicted.
    let sizes = [false, true].map(|chunks| {
        let counts = || {
            let alike = steps().filter(|step| step.bucket.prefills() == chunks);
            alike.map(|step| step.sequences.len() as u32)
        };
        let (fewest, most) = (counts().min().unwrap_or(1), counts().max().unwrap_or(1));
        let between = HOST_SIZES.into_iter().filter(move |&size| fewest < size && size < most);
        between.chain([fewest, most]).collect::<Vec<u32>>()
    });
    for step in steps() {
        let count = step.sequences.len() as u32;
        let sizes = sizes[usize::from(step.bucket.prefills())].iter();
        let nearest = sizes.copied().min_by_key(|size| size.abs_diff(count)).unwrap_or(count);
        for (span, ns) in GpuHost::ALL.into_iter().zip(step.host) {
            found.entry((span, step.bucket.prefills(), nearest)).or_default().push(ns as f64);
        }
    }
    let entry = |((span, chunks, sequences), values): ((GpuHost, bool, u32), Vec<f64>)| {
        let samples = values.len() as u32;
        GpuHostEntry { span, chunks, sequences, time: spread(values.into_iter()), samples }
    };
    found.into_iter().map(entry).collect()
}

/// Calls `of` for every step of `runs` with its prediction by what is in `times` so far.
fn each_step<T>(
    meta: &ProfileMeta,
    times: &GpuTimes,
    model: &ModelConfig,
    runs: &[ServedRun],
    mut of: impl FnMut(&ServedStep, &ServedRun, &GpuStep) -> T,
) -> Result<Vec<T>, CollectError> {
    let mut all = Vec::new();
    for run in runs {
        let launch = if run.eager { Launch::Eager } else { Launch::Graph };
        let engine = sarathi(launch, run.limits, meta.kv_block_tokens, None);
        let predictor = GpuPredictor::new(meta, times, model, &engine)?;
        for step in &run.steps {
            let predicted = predictor.step(&step.sequences, step.idle)?;
            all.push(of(step, run, &predicted));
        }
    }
    Ok(all)
}

/// Medians of what steps after idle time take longer: (eager, idle time, steps since, longer).
fn idle_entries(steps: &[(bool, u64, u32, f64)]) -> Vec<IdleEntry> {
    let mut found: BTreeMap<(bool, u32, usize), Vec<(f64, f64)>> = BTreeMap::new();
    for &(eager, idle, since, extra) in steps {
        if idle >= IDLE_NS && since < AFTER_IDLE {
            let class = IDLE_TIMES.iter().position(|&most| idle <= most).unwrap_or(0);
            found.entry((eager, since, class)).or_default().push((idle as f64, extra));
        }
    }
    let entry = |((eager, steps_since, _), values): (_, Vec<(f64, f64)>)| {
        let median = |of: fn(&(f64, f64)) -> f64| {
            percentiles(&mut values.iter().map(of).collect::<Vec<f64>>(), [0.5])[0]
        };
        IdleEntry {
            eager,
            idle_ns: median(|v| v.0) as u64,
            steps_since,
            extra_ns: median(|v| v.1) as i64,
            samples: values.len() as u32,
        }
    };
    found.into_iter().map(entry).collect()
}
