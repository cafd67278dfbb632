//! The real side on a GPU. Without one every test here says so and passes, unless SIMGATE_REQUIRE_GPU
//! is set.

#![cfg(feature = "cuda")]

mod support;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::qwen3::ModelForCausalLM;
use simgate::gate::Recording;
use simgate::model::{Batch, BatchSequence, KvCache, ModelConfig, Placement, Qwen3, load_weights};
use support::{Project, root, run};

/// Whether there is a GPU; if not, says that nothing is tested.
fn gpu() -> bool {
    let there = std::path::Path::new("/dev/nvidiactl").exists();
    let required = std::env::var("SIMGATE_REQUIRE_GPU").is_ok();
    assert!(there || !required, "SIMGATE_REQUIRE_GPU is set, but there is no GPU");
    if !there {
        println!("skipped: there is no NVIDIA GPU here");
    }
    there
}

/// Two sequences in three steps: (tokens, context) of each.
const STEPS: [[(u32, u32); 2]; 3] = [[(7, 0), (3, 0)], [(5, 7), (1, 3)], [(1, 12), (1, 4)]];

fn token(position: u32) -> u32 {
    (position * 5 + 1) % 128
}

/// The tiny checkpoint's weights.
fn weights(placement: &Placement) -> (ModelConfig, VarBuilder<'static>) {
    let folder = root().join("tests/fixtures/tiny-qwen3");
    let config = ModelConfig::read(&folder).unwrap();
    let (weights, _) = load_weights(&folder, &config, placement).unwrap();
    (config, weights)
}

/// Logits after each sequence of each step, prefill chunks beside decodes.
fn logits(placement: &Placement) -> Vec<f32> {
    let (config, weights) = weights(placement);
    let model = Qwen3::new(&config, &weights, "tiny".as_ref()).unwrap();
    let cache = KvCache::new(&config, 32, 4, placement).unwrap();
    let mut found = Vec::new();
    for step in STEPS {
        let mut batch = Batch::default();
        for (slot, (tokens, context)) in step.into_iter().enumerate() {
            batch.token_ids.extend((context..context + tokens).map(token));
            batch.sequences.push(BatchSequence {
                tokens,
                context,
                blocks: (0..8).map(|i| i * 2 + slot as u32).rev().collect(),
                emits: true,
            });
        }
        let input = model.prepare(batch, &cache).unwrap();
        let logits = model.logits(&input, &cache).unwrap().unwrap().to_dtype(DType::F32).unwrap();
        found.extend(logits.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }
    found
}

/// The same logits from candle-transformers' own model, each sequence anew as a whole.
fn stock(placement: &Placement) -> Vec<f32> {
    let mut model = ModelForCausalLM::new(&support::stock::config(), weights(placement).1).unwrap();
    let mut found = Vec::new();
    for (tokens, context) in STEPS.into_iter().flatten() {
        let ids: Vec<u32> = (0..context + tokens).map(token).collect();
        let input = Tensor::new(ids, &placement.device).unwrap().unsqueeze(0).unwrap();
        model.clear_kv_cache();
        let logits = model.forward(&input, 0).unwrap().to_dtype(DType::F32).unwrap();
        found.extend(logits.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }
    found
}

/// Mean and largest difference.
fn apart(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let all: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
    (all.iter().sum::<f32>() / all.len() as f32, all.iter().copied().fold(0.0, f32::max))
}

#[test]
fn the_gpu_computes_what_the_cpu_does() {
    if !gpu() {
        return;
    }
    let expected = logits(&Placement::cpu());
    assert!(apart(&expected, &stock(&Placement::cpu())).1 < 1e-4);
    let bf16 = Placement::gpu().unwrap();
    let f32 = Placement { dtype: DType::F32, ..bf16.clone() };
    let (mean, worst) = apart(&logits(&f32), &expected);
    println!("f32: mean {mean:.2e}, worst {worst:.2e}");
    assert!(worst < 1e-4, "{worst}");
    // bf16 is as close as candle's own forward pass in bf16, or half as much again.
    let (mean, worst) = apart(&logits(&bf16), &expected);
    let (stock_mean, stock_worst) = apart(&stock(&bf16), &expected);
    println!("bf16: mean {mean:.2e}, worst {worst:.2e}; stock {stock_mean:.2e}, {stock_worst:.2e}");
    assert!(mean <= 1.5 * stock_mean && worst <= 1.5 * stock_worst);
}

#[test]
fn a_case_is_recorded_on_the_gpu_with_its_name_and_clocks() {
    if !gpu() {
        return;
    }
    let project = Project::new(1, 1);
    for name in ["config.json", "model.safetensors"] {
        let fixture = root().join("tests/fixtures/tiny-qwen3").join(name);
        project.write(&format!("models/tiny/{name}"), std::fs::read(fixture).unwrap());
    }
    let case = |launch: &str| {
        project.write("cases/c.yaml", format!(
            "model: tiny\nhardware: gpu\nworkload: {{ prompts: {{ synthetic: {{ tokens: {{ fixed: 9 }} }} }}, output_tokens: {{ fixed: 8 }}, arrivals: all_at_once, requests: 6, seed: 5 }}\n\
             engine: {{ policy: sarathi, chunk_tokens: 24, max_sequences: 4, kv_block_tokens: 4, kv_blocks: 40, launch: {launch}, ignore_eos: true }}\n\
             real: {{ candle: {{ processes: 2, repeats: 2, warmup: 1 }} }}\nsim: {{ native: {{ profile: gpu/tiny }} }}\n"
        ));
        let arguments =
            ["record", "c", "--allow-dirty", "--max-host-drift", "95%", "--reason=a test"];
        run(project.root(), &arguments)
    };
    let (code, text) = case("graph");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("`launch: graph` is not in this version"), "{text}");
    let (code, text) = case("eager");
    assert_eq!(code, 0, "{text}");
    let recording = Recording::read(&project.path("recordings/c")).unwrap().unwrap();
    assert_eq!(recording.runs.len(), 4);
    let meta = simgate::run::read_meta(&project.path("recordings/c/p0r0")).unwrap().unwrap();
    let device = meta.device.unwrap();
    assert!(device.name.starts_with("NVIDIA") && device.uuid.is_some(), "{device:?}");
    assert!(meta.clocks.is_some());
    println!("{device:?} {:?}", meta.clocks);
}
