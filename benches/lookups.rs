//! Step times, which a simulation looks up for every step: from a Vidur bundle, and from a GPU's profile; and what it
//! takes to read the bundle and the profile first.

use std::path::{Path, PathBuf};

use criterion::{Criterion, SamplingMode, Throughput};
use simgate::backend::{Backend, Native};
use simgate::engine::Policy;
use simgate::model::{ModelConfig, ModelShape};
use simgate::predict::{Idle, Predictor, VidurBatch, VidurPredictor, VidurSettings};
use simgate::profile::Profile;
use simgate::profile::vidur::VidurBundle;
use simgate::stats::Random;
use simgate::workload::Lengths;

mod common;

/// The model of `tests/vidur-bundle`.
const SHAPE: ModelShape = ModelShape {
    layers: 4,
    heads: 8,
    kv_heads: 2,
    hidden_size: 64,
    intermediate_size: 128,
    max_positions: 512,
    post_attention_norm: true,
};
const PARALLEL: u32 = 2;
const OUTPUT: Lengths = Lengths::Fixed(64);

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A step of `decodes` decodes behind `context` tokens each, and of a chunk where that has tokens.
fn batch(decodes: u32, context: u32, chunk: u32) -> VidurBatch {
    VidurBatch {
        tokens: decodes + chunk,
        sequences: decodes + u32::from(chunk > 0),
        decodes,
        decode_kv: u64::from(decodes) * u64::from(context),
        prefills: u32::from(chunk > 0),
        prefill_kv: 0,
        chunk_squares: u64::from(chunk).pow(2),
        last_stage: true,
    }
}

fn vidur(criterion: &mut Criterion) {
    let dir = project("tests/vidur-bundle");
    let read =
        || VidurBundle::read(&dir, &SHAPE, PARALLEL, PARALLEL, 16).expect("the bundle is whole");
    let settings = VidurSettings {
        tensor_parallel: PARALLEL,
        pipeline_parallel: PARALLEL,
        host: true,
        ..VidurSettings::default()
    };
    let bundle = read();
    let arrange =
        || VidurPredictor::new(&bundle, &SHAPE, settings).expect("the settings suit the bundle");
    let predictor = arrange();
    let mut group = criterion.benchmark_group("vidur");
    group.bench_function("read the bundle", |b| b.iter(read));
    group.bench_function("arrange its tables", |b| b.iter(arrange));
    for (name, chunk) in [("stage of decodes", 0), ("stage with a chunk", 32)] {
        let batches: Vec<VidurBatch> =
            (1..=5).flat_map(|n| (0..512).map(move |kv| batch(n, kv, chunk))).collect();
        let total =
            || batches.iter().map(|batch| predictor.stage_ms(batch)).sum::<Result<f64, _>>();
        total().expect("the tables cover every batch");
        group.throughput(Throughput::Elements(batches.len() as u64));
        group.bench_function(name, |b| b.iter(total));
    }
    group.finish();
}

/// Steps of 32 decodes of mixed contexts.
fn decode_steps(count: usize) -> Vec<Vec<(u32, u32)>> {
    let mut random = Random::new(1, 0);
    let mut sequence = || (1, 64 + random.below(1_000) as u32);
    (0..count).map(|_| (0..32).map(|_| sequence()).collect()).collect()
}

fn gpu(criterion: &mut Criterion) {
    let dir = project("baselines/h200/profiles/qwen3-0.6b");
    let read = || Profile::read(&dir, "simgate profile").expect("the profile is whole");
    let profile = read();
    let model = ModelConfig::read(&project("models/qwen3-0.6b")).expect("the model is whole");
    let config = common::engine(Policy::Sarathi);
    let arrange =
        || Predictor::new(&profile, &model, &config).expect("the profile suits the engine");
    let predictor = arrange();
    let predictor = predictor.gpu().expect("the profile is of a GPU");
    let mut group = criterion.benchmark_group("gpu");
    // Reading and serving take long: as often in one sample as in another.
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("read the profile", |b| b.iter(read));
    group.bench_function("arrange its tables", |b| b.iter(arrange));
    // Far more than are remembered, so that hardly one is, and far fewer.
    for (name, count) in [("new step of 32 decodes", 1 << 16), ("known step of 32 decodes", 256)] {
        let steps = decode_steps(count);
        let step = |sequences: &Vec<(u32, u32)>| predictor.step(sequences, Idle::default());
        for sequences in &steps {
            step(sequences).expect("the profile covers every step");
        }
        let mut next = steps.iter().cycle();
        group.bench_function(name, |b| b.iter(|| next.next().map(step)));
    }
    let workload = common::workload(500, 100.0, OUTPUT);
    let tokens = workload.requests.iter().map(|r| u64::from(r.decode_tokens)).sum();
    let mut native = Native::new(&profile, &model, config.clone()).expect("as the predictor");
    group.throughput(Throughput::Elements(tokens));
    group.bench_function("serve 500 requests", |b| {
        b.iter(|| native.run(&workload, 0).expect("the profile covers every step"));
    });
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    vidur(&mut criterion);
    gpu(&mut criterion);
    criterion.final_summary();
}
