//! What the benchmarks have in common: how long they measure, an engine, and a seeded workload that it can serve under
//! every policy.

use std::time::Duration;

use criterion::Criterion;
use simgate::engine::{EngineConfig, Launch, Policy};
use simgate::workload::{Arrivals, Lengths, Prompts, Recipe, Sources, Workload, generate};

/// Criterion with what the command line says. It measures shortly: all benchmarks take less than three minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args()
}

/// An engine with KV blocks for as many of the largest requests of [`workload`] as may run at once.
pub fn engine(policy: Policy) -> EngineConfig {
    EngineConfig {
        policy,
        chunk_tokens: 512,
        max_sequences: 128,
        kv_block_tokens: 16,
        kv_blocks: Some(4_096),
        kv_watermark_bp: 100,
        launch: Launch::Graph,
        ignore_eos: true,
    }
}

/// `requests` requests, `rate` a second. No prompt with its output is longer than a step of [`engine`], which policies
/// that compute prompts whole would refuse.
pub fn workload(requests: u32, rate: f64, output_tokens: Lengths) -> Workload {
    let recipe = Recipe {
        prompts: Prompts::Synthetic(Lengths::Uniform { min: 16, max: 256 }),
        output_tokens,
        arrivals: Arrivals::Poisson { rate },
        requests,
        seed: 1,
    };
    let sources = Sources { resolve: &|path| Ok(path.to_owned()), tokenizer: None };
    generate(&recipe, &sources).expect("nothing is read")
}
