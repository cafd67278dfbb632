//! The event core: serving 2,000 requests whose steps cost next to nothing to predict, in output tokens a second. What
//! is kept of them, what taking decodes together gains, and what each policy and each router of a cluster costs.

use criterion::{BenchmarkId, Criterion, Throughput};
use simgate::engine::{
    Clock, Cluster, DecodeStep, Detail, EngineConfig, ExecuteError, Executor, Limits, Policy,
    Router, Served, State, StepOutcome, StepPlan, StepSpans, VirtualClock, serve, serve_cluster,
};
use simgate::run::Status;
use simgate::workload::{Lengths, Workload};

mod common;

const REQUESTS: u32 = 2_000;
/// Requests a second of one engine: a step decodes some 33, and no policy's queue grows.
const RATE: f64 = 150.0;
const REPLICAS: u32 = 4;
const OUTPUT: Lengths = Lengths::Uniform { min: 16, max: 256 };

/// Steps of 1 ms, 10 us a token and 7 ns a token of context.
struct FixedCost {
    /// Whether it tells the time of a step of decodes as a whole.
    decodes_together: bool,
}

fn end_ns(start_ns: u64, tokens: u32, context: u64) -> u64 {
    start_ns + 1_000_000 + u64::from(tokens) * 10_000 + context * 7
}

impl Executor for FixedCost {
    fn execute(
        &mut self,
        plan: &StepPlan,
        _: &State,
        start_ns: u64,
        _: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let tokens = plan.items.iter().map(|item| item.tokens).sum();
        let context = plan.items.iter().map(|item| u64::from(item.context)).sum();
        Ok(StepOutcome { end_ns: end_ns(start_ns, tokens, context), ..StepOutcome::default() })
    }

    fn decode(
        &mut self,
        step: DecodeStep,
        start_ns: u64,
    ) -> Option<Result<(u64, StepSpans), ExecuteError>> {
        let end = end_ns(start_ns, step.sequences, step.context);
        self.decodes_together.then(|| Ok((end, StepSpans::default())))
    }
}

fn served(
    workload: &Workload,
    config: &EngineConfig,
    keep: Detail,
    decodes_together: bool,
) -> Served {
    let mut executor = FixedCost { decodes_together };
    let mut clock = VirtualClock::default();
    serve(workload, config, Limits::default(), keep, &mut executor, &mut clock)
        .expect("every step has a time")
}

/// The tokens that all requests get.
fn tokens(served: &Served) -> Throughput {
    let requests = &served.run.requests;
    assert!(requests.iter().all(|r| r.status == Status::Ok), "a refused request costs nothing");
    Throughput::Elements(requests.iter().map(|r| u64::from(r.decode_tokens_actual)).sum())
}

fn keeping(criterion: &mut Criterion) {
    let workload = common::workload(REQUESTS, RATE, OUTPUT);
    let config = common::engine(Policy::Sarathi);
    let mut group = criterion.benchmark_group("serve");
    for (name, keep, together) in [
        ("tokens", Detail::Tokens, true),
        ("steps", Detail::Steps, true),
        ("tokens, step by step", Detail::Tokens, false),
        ("steps, step by step", Detail::Steps, false),
    ] {
        group.throughput(tokens(&served(&workload, &config, keep, together)));
        group.bench_function(name, |b| b.iter(|| served(&workload, &config, keep, together)));
    }
    group.finish();
}

fn policies(criterion: &mut Criterion) {
    let workload = common::workload(REQUESTS, RATE, OUTPUT);
    let mut group = criterion.benchmark_group("serve under");
    for policy in Policy::ALL {
        let config = common::engine(policy);
        group.throughput(tokens(&served(&workload, &config, Detail::Tokens, true)));
        group.bench_with_input(policy.as_str(), &config, |b, config| {
            b.iter(|| served(&workload, config, Detail::Tokens, true));
        });
    }
    group.finish();
}

fn routers(criterion: &mut Criterion) {
    let workload = common::workload(REQUESTS, RATE * f64::from(REPLICAS), OUTPUT);
    let config = common::engine(Policy::Sarathi);
    let served = |router| {
        let cluster = Cluster { replicas: REPLICAS, router, ..Cluster::default() };
        let executor = |_| FixedCost { decodes_together: true };
        serve_cluster(&workload, &config, cluster, Limits::default(), Detail::Tokens, 1, executor)
            .expect("every step has a time")
    };
    let mut group = criterion.benchmark_group("serve on a cluster");
    for router in Router::ALL {
        group.throughput(tokens(&served(router)));
        let id = BenchmarkId::new(router.as_str(), REPLICAS);
        group.bench_function(id, |b| b.iter(|| served(router)));
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    keeping(&mut criterion);
    policies(&mut criterion);
    routers(&mut criterion);
    criterion.final_summary();
}
