//! Why the step model and not something simpler or more usual: its errors on random steps that nothing was fitted
//! to, beside those of the nearest measured step and of a random forest, over every committed profile of a GPU.

#![cfg(feature = "candle")]

mod support;

use std::path::Path;

use simgate::collect::validate;
use simgate::model::{AttentionWork, ModelConfig, StepKind, StepSize};
use simgate::predict::{Idle, variables};
use simgate::profile::{GpuTimes, Profile, ReplayEntry, Times};
use simgate::run;
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

/// A step as the alternatives see it: bucket and variables, and ln of its time.
struct Sample {
    bucket: StepSize,
    features: Vec<f64>,
    log_time: f64,
}

fn sample(work: &AttentionWork, bucket: StepSize, sequences: &[(u32, u32)], ns: u64) -> Sample {
    let kind = match bucket.kind {
        StepKind::Decode => 0.0,
        StepKind::Prefill => 1.0,
        StepKind::Mixed => 2.0,
    };
    let mut features = vec![kind, f64::from(bucket.tokens), f64::from(bucket.sequences)];
    features.extend(variables(work, bucket, sequences));
    Sample { bucket, features, log_time: (ns as f64).ln() }
}

/// What the step model was fitted to as graphs: steps on the bench and steps in service.
fn measured(work: &AttentionWork, times: &GpuTimes, bundle: &Path) -> Vec<Sample> {
    let of = |entry: &ReplayEntry| sample(work, entry.bucket, &entry.content.0, entry.wall.median);
    let mut samples: Vec<Sample> = times.replays.iter().map(of).collect();
    for dir in std::fs::read_dir(bundle.join("calibration")).unwrap().flatten() {
        if dir.file_name().to_string_lossy().contains("-eager-") {
            continue;
        }
        let run = run::read(&dir.path()).unwrap();
        let mut idle = Idle::default();
        for (step, plans) in run.steps.iter().zip(run.plans_by_step().unwrap()) {
            idle.step(step.idle_before_ns);
            // As the step model: not the three steps behind idle time.
            if idle.steps_since < 3 {
                continue;
            }
            let sequences: Vec<(u32, u32)> = plans.iter().map(|plan| plan.sequence()).collect();
            let bucket = step.bucket.as_deref().unwrap().parse().unwrap();
            samples.push(sample(work, bucket, &sequences, step.launch_ns + step.wait_ns));
        }
    }
    samples
}

/// The time of the measured step of the bucket that is most alike, its variables in units of their spread.
fn nearest(samples: &[Sample], wanted: &Sample) -> f64 {
    let alike: Vec<&Sample> = samples.iter().filter(|s| s.bucket == wanted.bucket).collect();
    let count = wanted.features.len();
    let spread: Vec<f64> = (0..count)
        .map(|i| {
            let values = || alike.iter().map(|s| s.features[i]);
            let mean = values().sum::<f64>() / alike.len() as f64;
            let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / alike.len() as f64;
            variance.sqrt().max(1e-9)
        })
        .collect();
    let distance = |s: &Sample| -> f64 {
        (0..count).map(|i| ((s.features[i] - wanted.features[i]) / spread[i]).powi(2)).sum()
    };
    let found = alike.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    found.map_or(f64::NAN, |s| s.log_time)
}

/// Median and 95th percentile of the sizes of relative errors.
fn sizes(errors: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut sizes: Vec<f64> = errors.map(f64::abs).collect();
    simgate::stats::percentiles(&mut sizes, [0.5, 0.95])
}

fn compare(bundle: &Path) {
    let profile = Profile::read(bundle, "").unwrap();
    let (Times::Gpu(times), Some(gpu)) = (&profile.times, &profile.meta.gpu) else { return };
    let config =
        ModelConfig::read(&support::root().join("models").join(&profile.meta.model)).unwrap();
    let work = AttentionWork::new(&config, gpu.multiprocessors);
    let validation = validate(&profile, &config).unwrap();
    let predicted: Vec<_> = validation.steps.iter().filter(|s| s.error().is_some()).collect();
    assert!(predicted.len() >= 100, "{} validation steps", predicted.len());
    let training = measured(&work, times, bundle);
    let wanted: Vec<Sample> = predicted
        .iter()
        .map(|s| sample(&work, s.measured.bucket, &s.measured.content.0, s.measured.wall.median))
        .collect();
    let rows = |samples: &[Sample]| -> Vec<Vec<f64>> {
        samples.iter().map(|s| s.features.clone()).collect()
    };
    let x = DenseMatrix::from_2d_vec(&rows(&training)).unwrap();
    let y: Vec<f64> = training.iter().map(|s| s.log_time).collect();
    let parameters = RandomForestRegressorParameters::default().with_n_trees(40).with_seed(1);
    let forest = RandomForestRegressor::fit(&x, &y, parameters).unwrap();
    let grown = forest.predict(&DenseMatrix::from_2d_vec(&rows(&wanted)).unwrap()).unwrap();
    let off = |log: f64, s: &Sample| (log - s.log_time).exp_m1();
    let [model, neighbour, forest] = [
        sizes(predicted.iter().filter_map(|s| s.error())),
        sizes(wanted.iter().map(|s| off(nearest(&training, s), s))),
        sizes(wanted.iter().zip(&grown).map(|(s, &log)| off(log, s))),
    ];
    let percent =
        |[median, p95]: [f64; 2]| format!("{:.2} %, {:.2} %", 100.0 * median, 100.0 * p95);
    println!(
        "{}: {} steps; median and 95th percentile of the errors",
        bundle.display(),
        wanted.len()
    );
    println!("step model:            {}", percent(model));
    println!("nearest measured step: {}", percent(neighbour));
    println!("random forest:         {}", percent(forest));
    for other in [neighbour, forest] {
        assert!(model[0] < other[0] && model[1] < other[1], "another predictor is better");
    }
}

#[test]
fn the_step_model_beats_the_nearest_step_and_a_random_forest_where_nothing_was_fitted() {
    let profiles = support::gpu_profiles();
    assert!(!profiles.is_empty());
    profiles.iter().for_each(|(bundle, _)| compare(bundle));
}
