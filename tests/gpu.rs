//! The real side on a GPU. Without one every test here says so and passes, unless SIMGATE_REQUIRE_GPU
//! is set.

#![cfg(feature = "cuda")]

mod support;

use std::rc::Rc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::qwen3::{Config, ModelForCausalLM};
use simgate::backend::stock_config;
use simgate::gate::Recording;
use simgate::model::{
    Batch, BatchSequence, GpuForward, GpuLimits, GpuModel, KvCache, ModelConfig, Placement, Qwen3,
    load_weights, random_weights,
};
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

const BLOCK_TOKENS: u32 = 16;

/// Steps over sequences, each a list of (tokens, context) by sequence.
type Steps = Vec<Vec<(u32, u32)>>;

/// Every sequence: a prompt in chunks beside the others' decodes, then decodes; ragged, so that all kinds
/// of steps occur.
fn ragged(sequences: u32, decodes: u32) -> Steps {
    let prompt = |s: u32| 5 + 9 * s;
    let mut steps = vec![(0..sequences).map(|s| (prompt(s) / 2, 0)).collect::<Vec<_>>()];
    // Every other one stays half a prompt behind for a step.
    let rest = |s: u32| prompt(s) - prompt(s) / 2;
    steps.push((0..sequences).filter(|s| s % 2 == 0).map(|s| (rest(s), prompt(s) / 2)).collect());
    let mut mixed = Vec::new();
    for s in 0..sequences {
        mixed.push(if s % 2 == 0 { (1, prompt(s)) } else { (rest(s), prompt(s) / 2) });
    }
    steps.push(mixed);
    for d in 1..decodes {
        steps
            .push((0..sequences).map(|s| (1, prompt(s) + d - 1 + u32::from(s % 2 == 0))).collect());
    }
    steps
}

/// Which sequences take part in a step of `ragged`.
fn members(step: usize, sequences: u32) -> Vec<u32> {
    (0..sequences).filter(|s| step != 1 || s % 2 == 0).collect()
}

fn token(sequence: u32, position: u32, vocabulary: u32) -> u32 {
    (sequence * 7_919 + position * 104_729 + 1) % vocabulary
}

/// The packed batch of a step, teacher-forced.
fn batch(config: &ModelConfig, members: &[u32], step: &[(u32, u32)]) -> Batch {
    let vocabulary = config.vocab_size as u32;
    let mut batch = Batch::default();
    for (&s, &(tokens, context)) in members.iter().zip(step) {
        batch.token_ids.extend((context..context + tokens).map(|p| token(s, p, vocabulary)));
        batch.sequences.push(BatchSequence {
            tokens,
            context,
            // Scattered, and every sequence's own.
            blocks: (0..BLOCKS_EACH).rev().map(|i| i * 16 + s).collect(),
            emits: true,
        });
    }
    batch
}

/// KV blocks of a sequence, enough for 256 tokens.
const BLOCKS_EACH: u32 = 16;

fn limits() -> GpuLimits {
    let blocks = 16 * BLOCKS_EACH;
    GpuLimits { max_tokens: 1_024, max_sequences: 16, blocks, block_tokens: BLOCK_TOKENS }
}

/// A forward pass with or without graphs.
fn forward(config: &ModelConfig, weights: &VarBuilder<'_>, graphs: bool) -> GpuForward {
    let model = Rc::new(GpuModel::new(config, weights, "test".as_ref()).unwrap());
    let mut forward = GpuForward::new(model, limits()).unwrap();
    forward.warm_up().unwrap();
    if graphs {
        println!("{:?}", forward.capture().unwrap());
    }
    forward
}

/// Logits after each sequence of each step, and the tokens.
fn on_gpu(
    config: &ModelConfig,
    forward: &mut GpuForward,
    sequences: u32,
    steps: &Steps,
) -> (Vec<f32>, Vec<u32>) {
    let (mut logits, mut tokens) = (Vec::new(), Vec::new());
    for (i, step) in steps.iter().enumerate() {
        forward.prepare(&batch(config, &members(i, sequences), step)).unwrap();
        forward.launch().unwrap();
        tokens.extend_from_slice(forward.wait().unwrap());
        logits.extend(forward.logits().unwrap());
    }
    (logits, tokens)
}

/// The same on the GPU, every sequence by itself.
fn alone(
    config: &ModelConfig,
    forward: &mut GpuForward,
    sequences: u32,
    steps: &Steps,
) -> Vec<f32> {
    let mut logits = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        for (member, part) in members(i, sequences).iter().zip(step) {
            forward.prepare(&batch(config, &[*member], &[*part])).unwrap();
            forward.launch().unwrap();
            forward.wait().unwrap();
            logits.extend(forward.logits().unwrap());
        }
    }
    logits
}

/// The same in f32 on the CPU, through the forward pass that the CPU cases are served with.
fn on_cpu(
    config: &ModelConfig,
    weights: &VarBuilder<'_>,
    sequences: u32,
    steps: &Steps,
) -> Vec<f32> {
    let model = Qwen3::new(config, weights, "test".as_ref()).unwrap();
    let cache = KvCache::new(config, 16 * BLOCKS_EACH, BLOCK_TOKENS, &Placement::cpu()).unwrap();
    let mut logits = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let input = model.prepare(batch(config, &members(i, sequences), step), &cache).unwrap();
        logits.extend(flat(&model.logits(&input, &cache).unwrap().unwrap()));
    }
    logits
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same from candle-transformers' own model in bf16 on the GPU, sequence by sequence.
fn stock(
    config: &Config,
    ours: &ModelConfig,
    weights: &VarBuilder<'_>,
    sequences: u32,
    steps: &Steps,
) -> Vec<f32> {
    let mut model = ModelForCausalLM::new(config, weights.clone()).unwrap();
    let mut found = vec![Vec::new(); steps.len()];
    for s in 0..sequences {
        model.clear_kv_cache();
        for (i, step) in steps.iter().enumerate() {
            let Some(place) = members(i, sequences).iter().position(|m| *m == s) else { continue };
            let (tokens, context) = step[place];
            let ids = batch(ours, &[s], &[(tokens, context)]).token_ids;
            let input = Tensor::new(ids, weights.device()).unwrap().unsqueeze(0).unwrap();
            found[i].extend(flat(&model.forward(&input, context as usize).unwrap()));
        }
    }
    found.concat()
}

/// Mean and largest difference.
fn apart(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    let all = || a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let worst = all().fold(0.0, |worst, x| if x <= worst { worst } else { x });
    ((all().map(f64::from).sum::<f64>() / a.len() as f64) as f32, worst)
}

/// The two largest of a row, and where the first of them is.
fn top_two(row: &[f32]) -> (usize, f32, f32) {
    let mut top = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (i, &x) in row.iter().enumerate() {
        if x > top.1 {
            top = (i, x, top.1);
        } else if x > top.2 {
            top.2 = x;
        }
    }
    top
}

/// Holds logits to those of f32 by the rule: errors at most half as large again as the stock forward
/// pass's, and the same token wherever the two best are further apart than twice the largest error.
fn hold(name: &str, config: &ModelConfig, found: &[f32], exact: &[f32], stock: &[f32]) {
    let (mean, worst) = apart(found, exact);
    let (stock_mean, stock_worst) = apart(stock, exact);
    let (mut clear, mut rows) = (0, 0);
    for (found, exact) in found.chunks(config.vocab_size).zip(exact.chunks(config.vocab_size)) {
        let (token, first, second) = top_two(exact);
        rows += 1;
        if first - second > 2.0 * worst {
            clear += 1;
            assert_eq!(top_two(found).0, token, "{name}: another token at row {rows}");
        }
    }
    println!(
        "{name}: mean {mean:.5}, worst {worst:.4}; stock bf16 mean {stock_mean:.5}, worst {stock_worst:.4}; \
         {clear} of {rows} positions have a clear best token, all equal"
    );
    assert!(mean <= 1.5 * stock_mean && worst <= 1.5 * stock_worst, "{name}: errors too large");
    assert!(clear as f32 >= 0.3 * rows as f32, "{name}: too few clear positions");
}

/// The random weights of a config as the GPU has them, and the same numbers in f32 on the CPU.
fn weights_of(config: &ModelConfig) -> (VarBuilder<'static>, VarBuilder<'static>) {
    let bf16 = |device| Placement { device, dtype: DType::BF16 };
    let gpu = Placement::gpu().unwrap();
    let on_gpu = random_weights(config, 0, &gpu).unwrap();
    let on_cpu = random_weights(config, 0, &bf16(Device::Cpu)).unwrap().to_dtype(DType::F32);
    (on_gpu, on_cpu)
}

#[test]
fn logits_are_as_close_to_f32_as_the_stock_forward_pass_in_every_kind_of_step() {
    if !gpu() {
        return;
    }
    let config = ModelConfig::read(&root().join("models/qwen3-0.6b")).unwrap();
    let (on_device, exact) = weights_of(&config);
    let (sequences, steps) = (12, ragged(12, 6));
    let exact = on_cpu(&config, &exact, sequences, &steps);
    let stock = stock(&stock_config(&config), &config, &on_device, sequences, &steps);
    let mut forward = forward(&config, &on_device, false);
    let (mixed, _) = on_gpu(&config, &mut forward, sequences, &steps);
    hold("mixed batches", &config, &mixed, &exact, &stock);
    let single = alone(&config, &mut forward, sequences, &steps);
    hold("every sequence alone", &config, &single, &exact, &stock);
}

#[test]
fn a_real_checkpoint_gives_the_logits_of_its_f32_forward_pass() {
    if !gpu() {
        return;
    }
    let folder = root().join("tests/fixtures/tiny-qwen3");
    let config = ModelConfig::read(&folder).unwrap();
    let steps: Steps = vec![vec![(7, 0), (3, 0)], vec![(5, 7), (1, 3)], vec![(1, 12), (1, 4)]];
    // Step 1 has both sequences here.
    let all = [0, 1];
    let on = |placement: &Placement| load_weights(&folder, &config, placement).unwrap().0;
    let cpu = Qwen3::new(&config, &on(&Placement::cpu()), "tiny".as_ref()).unwrap();
    let cache = KvCache::new(&config, 256, BLOCK_TOKENS, &Placement::cpu()).unwrap();
    let gpu = Placement::gpu().unwrap();
    let mut ours = forward(&config, &on(&gpu), true);
    let mut model = ModelForCausalLM::new(&support::stock::config(), on(&gpu)).unwrap();
    let (mut exact, mut found, mut stock) = (Vec::new(), Vec::new(), Vec::new());
    for step in &steps {
        let batch = batch(&config, &all, step);
        ours.prepare(&batch).unwrap();
        ours.launch().unwrap();
        ours.wait().unwrap();
        found.extend(ours.logits().unwrap());
        let input = cpu.prepare(batch, &cache).unwrap();
        exact.extend(flat(&cpu.logits(&input, &cache).unwrap().unwrap()));
        for (s, &(tokens, context)) in all.iter().zip(step) {
            let ids: Vec<u32> = (0..context + tokens).map(|p| token(*s, p, 128)).collect();
            let input = Tensor::new(ids, &gpu.device).unwrap().unsqueeze(0).unwrap();
            model.clear_kv_cache();
            stock.extend(flat(&model.forward(&input, 0).unwrap()));
        }
    }
    hold("tiny checkpoint", &config, &found, &exact, &stock);
}

#[test]
fn graphs_and_single_launches_give_the_same_bits() {
    if !gpu() {
        return;
    }
    let config = ModelConfig::read(&root().join("models/qwen3-0.6b")).unwrap();
    let weights = random_weights(&config, 0, &Placement::gpu().unwrap()).unwrap();
    let (sequences, steps) = (12, ragged(12, 20));
    let eager = on_gpu(&config, &mut forward(&config, &weights, false), sequences, &steps);
    let mut graphs = forward(&config, &weights, true);
    for round in 0..2 {
        let graph = on_gpu(&config, &mut graphs, sequences, &steps);
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same(&eager.0, &graph.0), "round {round}: logits differ");
        assert_eq!(eager.1, graph.1);
    }
    println!("{} logits of {} rows have equal bits", eager.0.len(), eager.1.len());
}

#[test]
fn logits_that_are_no_numbers_end_the_run() {
    if !gpu() {
        return;
    }
    let folder = root().join("tests/fixtures/tiny-qwen3");
    let config = ModelConfig::read(&folder).unwrap();
    let placement = Placement::gpu().unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let loaded = candle_core::safetensors::load_buffer(&bytes, &placement.device).unwrap();
    let broken = loaded.into_iter().map(|(name, tensor)| {
        let tensor = tensor.to_dtype(DType::BF16).unwrap();
        match name.ends_with("layers.1.mlp.down_proj.weight") {
            true => (name, (tensor * f64::NAN).unwrap()),
            false => (name, tensor),
        }
    });
    let weights = VarBuilder::from_tensors(broken.collect(), DType::BF16, &placement.device);
    let mut forward = forward(&config, &weights, true);
    forward.prepare(&batch(&config, &[0, 1], &[(5, 0), (9, 0)])).unwrap();
    forward.launch().unwrap();
    let message = forward.wait().unwrap_err().to_string();
    println!("{message}");
    assert!(message.contains("are no numbers (NaN)"), "{message}");
}

#[test]
fn a_case_is_recorded_on_the_gpu_with_its_name_state_and_graphs() {
    if !gpu() {
        return;
    }
    let project = Project::new(1, 1);
    for name in ["config.json", "model.safetensors"] {
        let fixture = root().join("tests/fixtures/tiny-qwen3").join(name);
        project.write(&format!("models/tiny/{name}"), std::fs::read(fixture).unwrap());
    }
    for launch in ["graph", "eager"] {
        project.write(&format!("cases/{launch}.yaml"), format!(
            "model: tiny\nhardware: gpu\nworkload: {{ prompts: {{ synthetic: {{ tokens: {{ fixed: 9 }} }} }}, output_tokens: {{ fixed: 8 }}, arrivals: all_at_once, requests: 6, seed: 5 }}\n\
             engine: {{ policy: sarathi, chunk_tokens: 24, max_sequences: 4, kv_block_tokens: 4, kv_blocks: 40, launch: {launch}, ignore_eos: true }}\n\
             real: {{ candle: {{ processes: 2, repeats: 2, warmup: 1 }} }}\nsim: {{ native: {{ profile: gpu/tiny }} }}\n"
        ));
        let arguments =
            ["record", launch, "--allow-dirty", "--max-host-drift", "95%", "--reason=a test"];
        let (code, text) = run(project.root(), &arguments);
        assert_eq!(code, 0, "{text}");
        let dir = project.path("recordings").join(launch);
        let recording = Recording::read(&dir).unwrap().unwrap();
        assert_eq!(recording.runs.len(), 4);
        let meta = simgate::run::read_meta(&dir.join("p0r0")).unwrap().unwrap();
        let device = meta.device.unwrap();
        assert!(device.name.starts_with("NVIDIA") && device.uuid.is_some(), "{device:?}");
        println!("{device:?} {:?} {:?}", meta.gpu_state, meta.graphs);
        assert!(meta.gpu_state.is_some());
        assert_eq!(meta.graphs.is_some(), launch == "graph");
    }
}
