//! The forward pass against Hugging Face transformers (a committed checkpoint with its logits, written
//! by `tests/fixtures/make_tiny_qwen3.py`) and against candle-transformers.

#![cfg(feature = "candle")]

mod support;

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use candle_transformers::models::qwen3::ModelForCausalLM;
use serde::Deserialize;
use simgate::model::{
    Batch, BatchSequence, KvCache, ModelConfig, Placement, Qwen3, load_weights, random_weights,
};
use support::root;

/// Largest difference of a logit.
const CLOSE: f32 = 1e-4;
const BLOCK: u32 = 4;
/// Blocks of one sequence: 40 tokens.
const BLOCKS: u32 = 10;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Known>,
    greedy: Vec<Greedy>,
}

#[derive(Deserialize)]
struct Known {
    token_ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Greedy {
    prompt: Vec<u32>,
    tokens: Vec<u32>,
}

fn folder() -> PathBuf {
    root().join("tests/fixtures/tiny-qwen3")
}

fn fixture() -> Fixture {
    let text = std::fs::read_to_string(folder().join("logits.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

struct Engine {
    model: Qwen3,
    cache: KvCache,
}

impl Engine {
    fn new() -> Self {
        let config = ModelConfig::read(&folder()).unwrap();
        let (weights, _) = load_weights(&folder(), &config, &Placement::cpu()).unwrap();
        let model = Qwen3::new(&config, &weights, &folder()).unwrap();
        let cache = KvCache::new(&config, 4 * BLOCKS, BLOCK, &Placement::cpu()).unwrap();
        Self { model, cache }
    }

    /// Logits after each (slot, tokens, context); a slot's blocks are scattered over the cache.
    fn step(&self, parts: &[(u32, &[u32], u32)]) -> Vec<Vec<f32>> {
        let sequence = |&(slot, tokens, context): &(u32, &[u32], u32)| BatchSequence {
            tokens: tokens.len() as u32,
            context,
            blocks: (0..BLOCKS).map(|i| (i * 4 + slot) % (4 * BLOCKS)).rev().collect(),
            emits: true,
        };
        let batch = Batch {
            token_ids: parts.iter().flat_map(|(_, tokens, _)| tokens.to_vec()).collect(),
            sequences: parts.iter().map(sequence).collect(),
        };
        let input = self.model.prepare(batch, &self.cache).unwrap();
        self.model.logits(&input, &self.cache).unwrap().unwrap().to_vec2().unwrap()
    }
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn full_prefill_agrees_with_transformers_at_every_position() {
    let engine = Engine::new();
    for known in fixture().cases {
        for n in 1..=known.token_ids.len() {
            let logits = engine.step(&[(0, &known.token_ids[..n], 0)]);
            assert!(difference(&logits[0], &known.logits[n - 1]) < CLOSE, "position {n}");
        }
    }
}

#[test]
fn chunked_prefill_and_decode_agree_with_transformers() {
    let engine = Engine::new();
    for known in fixture().cases {
        for chunk in [1, 3, 8] {
            let mut context = 0;
            for part in known.token_ids.chunks(chunk) {
                let logits = engine.step(&[(1, part, context)]);
                context += part.len() as u32;
                let expected = &known.logits[context as usize - 1];
                assert!(
                    difference(&logits[0], expected) < CLOSE,
                    "chunk {chunk}, position {context}"
                );
            }
        }
    }
}

#[test]
fn a_mixed_batch_equals_each_sequence_alone() {
    let engine = Engine::new();
    let cases = fixture().cases;
    let (long, short, one) = (&cases[3].token_ids, &cases[2].token_ids, &cases[0].token_ids);
    // A decode at 16, a chunk in the middle of a prompt, and a prompt of one token.
    engine.step(&[(0, &short[..16], 0)]);
    engine.step(&[(1, &long[..9], 0)]);
    let mixed = engine.step(&[(0, &short[16..17], 16), (1, &long[9..30], 9), (2, one, 0)]);
    let expected = [&cases[2].logits[16], &cases[3].logits[29], &cases[0].logits[0]];
    for (found, expected) in mixed.iter().zip(expected) {
        assert!(difference(found, expected) < CLOSE);
    }
}

#[test]
fn a_wrong_block_table_or_context_is_seen() {
    let engine = Engine::new();
    let known = &fixture().cases[2];
    engine.step(&[(0, &known.token_ids[..16], 0)]);
    for (slot, context) in [(1, 16), (0, 15)] {
        let logits = engine.step(&[(slot, &known.token_ids[16..17], context)]);
        assert!(difference(&logits[0], &known.logits[16]) > 100.0 * CLOSE, "{slot} {context}");
    }
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    let engine = Engine::new();
    for greedy in fixture().greedy {
        let mut tokens = greedy.prompt.clone();
        let mut context = 0;
        for expected in greedy.tokens {
            let logits = engine.step(&[(3, &tokens[context as usize..], context)]);
            context = tokens.len() as u32;
            let best = (0..logits[0].len()).max_by(|&a, &b| logits[0][a].total_cmp(&logits[0][b]));
            assert_eq!(best, Some(expected as usize));
            tokens.push(expected);
        }
    }
}

#[test]
fn both_forms_of_the_rope_base_give_the_same_architecture() {
    let new = ModelConfig::read(&folder()).unwrap();
    let old = ModelConfig::read_file(&folder().join("config.rope_theta.json")).unwrap();
    assert_eq!(new, old);
}

#[test]
fn candle_transformers_agrees() {
    let engine = Engine::new();
    let own = ModelConfig::read(&folder()).unwrap();
    let (weights, _) = load_weights(&folder(), &own, &Placement::cpu()).unwrap();
    let mut stock = ModelForCausalLM::new(&support::stock::config(), weights).unwrap();
    let ids = &fixture().cases[3].token_ids;
    let mut context = 0;
    for part in [&ids[..10], &ids[10..11], &ids[11..12]] {
        let input = Tensor::new(part, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let expected = stock.forward(&input, context as usize).unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let found = engine.step(&[(0, part, context)]);
        assert!(difference(&found[0], &expected) < CLOSE);
        context += part.len() as u32;
    }
}

#[test]
fn weights_of_another_shape_are_refused_by_name() {
    let mut config = ModelConfig::read(&folder()).unwrap();
    let (weights, _) = load_weights(&folder(), &config, &Placement::cpu()).unwrap();
    config.intermediate_size = 65;
    let message = Qwen3::new(&config, &weights, &folder()).err().unwrap().to_string();
    assert!(message.contains("do not fit config.json") && message.contains("mlp"), "{message}");
}

#[test]
fn random_weights_are_the_same_on_every_machine() {
    let config = ModelConfig::read(&folder()).unwrap();
    let weights = random_weights(&config, 0, &Placement::cpu()).unwrap();
    let first = weights.get((128, 32), "model.embed_tokens.weight").unwrap();
    let first: Vec<f32> =
        first.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(
        first[..2].iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        [1_013_797_685, 3_139_091_255]
    );
}
