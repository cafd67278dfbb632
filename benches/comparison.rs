//! The comparison of two sides, which every case pays for: 5 runs a side, as in a small recording, and 16, as where
//! seeds are cheap; and the percentiles that most of it consists of.

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use simgate::compare;
use simgate::compare::{Metric, Origin, Rules, Side, Tolerance, Tolerances, samples_of};
use simgate::engine::{
    Clock, Detail, ExecuteError, Executor, Limits, Policy, State, StepOutcome, StepPlan,
    VirtualClock, serve,
};
use simgate::run::{Boundary, Run};
use simgate::stats::{Random, percentiles};
use simgate::workload::{Lengths, Workload};

mod common;

const REQUESTS: u32 = 1_000;
const OUTPUT: Lengths = Lengths::Fixed(64);

/// Steps of about 5 ms that scatter by a percent, so that no two runs are alike.
struct Scattering(Random);

impl Executor for Scattering {
    fn execute(
        &mut self,
        plan: &StepPlan,
        _: &State,
        start_ns: u64,
        _: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let tokens: u32 = plan.items.iter().map(|item| item.tokens).sum();
        let usual_ns = 5e6 + 1e4 * f64::from(tokens);
        let step_ns = usual_ns * (1.0 + 0.01 * self.0.normal());
        Ok(StepOutcome { end_ns: start_ns + step_ns as u64, ..StepOutcome::default() })
    }
}

fn run(workload: &Workload, seed: u64) -> Run {
    let config = common::engine(Policy::Sarathi);
    let mut executor = Scattering(Random::new(seed, 0));
    let mut clock = VirtualClock::default();
    serve(workload, &config, Limits::default(), Detail::Tokens, &mut executor, &mut clock)
        .expect("every step has a time")
        .run
}

/// A side of one run a seed.
fn side(name: &str, origin: Origin, seeds: std::ops::Range<u64>) -> Side {
    let workload = common::workload(REQUESTS, 100.0, OUTPUT);
    Side {
        labels: seeds.clone().map(|seed| format!("{name}/{seed}")).collect(),
        runs: seeds.map(|seed| run(&workload, seed)).collect(),
        boundary: Boundary::Engine,
        origin,
    }
}

fn sides(criterion: &mut Criterion) {
    let tolerance = Tolerance::from_fraction(0.05).expect("between 0 and 1");
    let rules = Rules {
        tolerances: Tolerances::Blanket(tolerance),
        ignore_eos: Some(true),
        ..Rules::default()
    };
    let mut group = criterion.benchmark_group("compare");
    // Each sample has few comparisons: as many in one as in another.
    group.sampling_mode(SamplingMode::Flat);
    for runs in [5, 16] {
        let real = side("real", Origin::Recorded, 0..runs);
        let sim = side("sim", Origin::Computed, runs..2 * runs);
        let tokens = 2 * runs * u64::from(REQUESTS) * 64;
        group.throughput(Throughput::Elements(tokens));
        group.bench_function(BenchmarkId::new("runs a side", runs), |b| {
            b.iter(|| compare::compare(&real, &sim, &rules).expect("the sides are alike"));
        });
    }
    group.finish();
}

fn stats(criterion: &mut Criterion) {
    let run = run(&common::workload(REQUESTS, 100.0, OUTPUT), 0);
    let samples = samples_of(&run);
    let gaps = samples.of(Metric::Tbt);
    let mut group = criterion.benchmark_group("percentiles");
    group.throughput(Throughput::Elements(gaps.len() as u64));
    group.bench_function("p50, p90 and p99 of a run's TBT", |b| {
        let three = |mut values: Vec<f64>| percentiles(&mut values, [0.5, 0.9, 0.99]);
        b.iter_batched(|| gaps.to_vec(), three, BatchSize::LargeInput);
    });
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    sides(&mut criterion);
    stats(&mut criterion);
    criterion.final_summary();
}
