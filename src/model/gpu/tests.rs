//! Attention against candle's unfused oracle, over random ragged batches; and controls, which show that
//! the comparison would notice a fault. Without a GPU they say so and pass.

use std::rc::Rc;

use candle_core::{DType, Device, Tensor};
use candle_nn::attention::varlen::flash_attn_varlen_unfused;
use half::bf16;

use super::*;
use crate::model::bucket::{Buckets, StepSize};
use crate::model::{Batch, BatchSequence, GpuLimits, GpuOp, Placement, random_weights};
use crate::stats::Random;

/// A GPU, if there is one.
fn gpu() -> Option<Placement> {
    let there = Path::new("/dev/nvidiactl").exists();
    let required = std::env::var("SIMGATE_REQUIRE_GPU").is_ok();
    assert!(there || !required, "SIMGATE_REQUIRE_GPU is set, but there is no GPU");
    if !there {
        println!("skipped: there is no NVIDIA GPU here");
        return None;
    }
    Some(Placement::gpu().unwrap())
}

fn config(heads: usize, kv_heads: usize, head_dim: usize) -> ModelConfig {
    ModelConfig {
        vocab_size: 256,
        hidden_size: 64,
        intermediate_size: 64,
        layers: 1,
        heads,
        kv_heads,
        head_dim,
        max_positions: 4_096,
        rope_theta: 1e6,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        eos: None,
        tokenizer: None,
    }
}

/// A ragged batch, with random queries, and random keys and values in scattered blocks.
struct Ragged {
    config: ModelConfig,
    block_tokens: u32,
    batch: Batch,
    qkv: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// A fault that the comparison must notice.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    WrongTable,
    LastKeysMissing,
    PositionOffByOne,
}

impl Ragged {
    fn new(config: ModelConfig, block_tokens: u32, sequences: &[(u32, u32)], seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let held = |&(tokens, context): &(u32, u32)| (tokens + context).div_ceil(block_tokens);
        let total: u32 = sequences.iter().map(held).sum();
        let mut blocks: Vec<u32> = (0..total).collect();
        random.shuffle(&mut blocks);
        let mut batch = Batch::default();
        for sequence in sequences {
            let blocks = blocks.drain(..held(sequence) as usize).collect();
            let (tokens, context) = *sequence;
            batch.token_ids.extend(vec![0; tokens as usize]);
            batch.sequences.push(BatchSequence { tokens, context, blocks, emits: true });
        }
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| bf16::from_f64(random.normal()).to_f32()).collect()
        };
        let width = (config.heads + 2 * config.kv_heads) * config.head_dim;
        let cache = (total * block_tokens) as usize * config.kv_heads * config.head_dim;
        Self {
            qkv: numbers(batch.token_ids.len() * width),
            keys: numbers(cache),
            values: numbers(cache),
            batch,
            block_tokens,
            config,
        }
    }

    /// What the kernels make of it, (tokens, heads x dim).
    fn attended(&self, placement: &Placement, fault: Fault) -> Vec<f32> {
        let weights = random_weights(&self.config, 0, placement).unwrap();
        let model = Rc::new(GpuModel::new(&self.config, &weights, "test".as_ref()).unwrap());
        let size = StepSize::of(&self.batch);
        let held: u32 = self.batch.sequences.iter().map(|s| s.blocks.len() as u32).sum();
        let limits = GpuLimits {
            max_tokens: size.tokens + 3,
            max_sequences: size.sequences + 1,
            blocks: held,
            block_tokens: self.block_tokens,
        };
        let mut batch = self.batch.clone();
        match fault {
            Fault::None => {}
            Fault::WrongTable => batch.sequences[0].blocks.reverse(),
            Fault::LastKeysMissing => batch.sequences.iter_mut().for_each(|s| {
                s.context = s.context.saturating_sub(4);
            }),
            Fault::PositionOffByOne => batch.sequences.iter_mut().for_each(|s| s.context -= 1),
        }
        let mut forward = GpuForward::new(model, limits).unwrap();
        forward.prepare(&batch).unwrap();
        let bits = |values: &[f32]| -> Vec<u16> {
            values.iter().map(|&v| bf16::from_f32(v).to_bits()).collect()
        };
        let stream = forward.model.stream.clone();
        let write = |buffer: &mut CudaSlice<u16>, values: &[f32]| {
            stream.memcpy_htod(&bits(values), &mut buffer.slice_mut(..values.len())).unwrap();
        };
        write(&mut forward.buffers.qkv.slice, &self.qkv);
        write(&mut forward.buffers.keys.slice, &self.keys);
        write(&mut forward.buffers.values.slice, &self.values);
        for op in [GpuOp::Upload, GpuOp::AttentionDecode, GpuOp::AttentionPrefill] {
            forward.issue_prepared(op).unwrap();
        }
        let out = stream.clone_dtoh(&forward.buffers.attended.slice).unwrap();
        let wanted = self.batch.token_ids.len() * self.config.heads * self.config.head_dim;
        out[..wanted].iter().map(|&bits| bf16::from_bits(bits).to_f32()).collect()
    }

    /// What candle's oracle makes of it, f32 on the CPU.
    fn expected(&self) -> Vec<f32> {
        let (config, device) = (&self.config, &Device::Cpu);
        let (heads, kv_heads, dim) = (config.heads, config.kv_heads, config.head_dim);
        let tokens = self.batch.token_ids.len();
        let width = (heads + 2 * kv_heads) * dim;
        let qkv = Tensor::from_slice(&self.qkv, (tokens, width), device).unwrap();
        let q = qkv.narrow(1, 0, heads * dim).unwrap().reshape((tokens, heads, dim)).unwrap();
        // The cache holds blocks, then heads, then tokens.
        let gather = |cache: &[f32]| {
            let mut rows = Vec::new();
            for sequence in &self.batch.sequences {
                for position in 0..sequence.context + sequence.tokens {
                    let block = sequence.blocks[(position / self.block_tokens) as usize] as usize;
                    let offset = (position % self.block_tokens) as usize;
                    for head in 0..kv_heads {
                        let at = (block * kv_heads + head) * self.block_tokens as usize + offset;
                        rows.extend_from_slice(&cache[at * dim..(at + 1) * dim]);
                    }
                }
            }
            let count = rows.len() / (kv_heads * dim);
            Tensor::from_vec(rows, (count, kv_heads, dim), device).unwrap()
        };
        let lengths = |of: &dyn Fn(&BatchSequence) -> u32| {
            Tensor::new(self.batch.sequences.iter().map(of).collect::<Vec<_>>(), device).unwrap()
        };
        let output = flash_attn_varlen_unfused(
            &q,
            &gather(&self.keys),
            &gather(&self.values),
            None,
            &lengths(&|s| s.tokens),
            &lengths(&|s| s.context + s.tokens),
            0,
            0,
            (dim as f32).sqrt().recip(),
            true,
            None,
            None,
        )
        .unwrap();
        output.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }
}

/// ||a - b|| / ||b||.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let differences: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (differences / b.iter().map(|b| square(*b)).sum::<f64>()).sqrt()
}

/// Between bf16 in- and outputs; NaN is not below it.
const LIMIT: f64 = 5e-3;

#[test]
fn attention_equals_the_oracle_over_random_ragged_batches() {
    let Some(placement) = gpu() else { return };
    let mut random = Random::new(1, 0);
    let mut worst = 0.0_f64;
    for round in 0..24_u64 {
        let (heads, kv_heads, dim) =
            [(16, 8, 128), (4, 2, 16), (8, 1, 64), (10, 2, 128)][round as usize % 4];
        let block_tokens = [16, 4, 1, 7][(round as usize / 4) % 4];
        let count = 1 + random.below(9);
        let mut sequences = Vec::new();
        for _ in 0..count {
            let tokens = if random.below(2) == 0 { 1 } else { 1 + random.below(150) as u32 };
            let context = [0, random.below(40), random.below(1_500)][random.below(3) as usize];
            sequences.push((tokens, context as u32));
        }
        let ragged = Ragged::new(config(heads, kv_heads, dim), block_tokens, &sequences, round);
        let found = apart(&ragged.attended(&placement, Fault::None), &ragged.expected());
        println!("{heads}/{kv_heads}x{dim}, blocks of {block_tokens}, {sequences:?}: {found:.2e}");
        assert!(found < LIMIT, "{found}");
        worst = worst.max(found);
    }
    println!("worst {worst:.2e}, limit {LIMIT:.0e}");
}

#[test]
fn the_comparison_with_the_oracle_notices_faults() {
    let Some(placement) = gpu() else { return };
    for sequences in [&[(1, 40), (1, 300)][..], &[(70, 40), (1, 33), (20, 300)][..]] {
        let ragged = Ragged::new(config(16, 8, 128), 16, sequences, 7);
        let expected = ragged.expected();
        let right = apart(&ragged.attended(&placement, Fault::None), &expected);
        assert!(right < LIMIT, "{right}");
        for fault in [Fault::WrongTable, Fault::LastKeysMissing, Fault::PositionOffByOne] {
            let found = apart(&ragged.attended(&placement, fault), &expected);
            println!("{sequences:?} {fault:?}: {found:.2e} instead of {right:.2e}");
            assert!(found.is_nan() || found >= 2.0 * LIMIT, "{fault:?} goes unnoticed: {found}");
        }
    }
}

#[test]
fn every_bucket_is_captured_and_a_step_beyond_them_is_an_error() {
    let Some(placement) = gpu() else { return };
    let config = config(4, 2, 16);
    let weights = random_weights(&config, 0, &placement).unwrap();
    let model = Rc::new(GpuModel::new(&config, &weights, "test".as_ref()).unwrap());
    let limits = GpuLimits { max_tokens: 64, max_sequences: 8, blocks: 64, block_tokens: 4 };
    let mut forward = GpuForward::new(model, limits).unwrap();
    forward.warm_up().unwrap();
    let taken = forward.capture().unwrap();
    println!("{taken:?}");
    assert_eq!(taken.graphs as usize, Buckets::new(64, 8).all().len());
    let sequence = BatchSequence { tokens: 65, context: 0, blocks: (0..17).collect(), emits: true };
    let batch = Batch { token_ids: vec![0; 65], sequences: vec![sequence] };
    let message = forward.prepare(&batch).unwrap_err().to_string();
    assert!(message.contains("raise `chunk_tokens`"), "{message}");
}

#[test]
fn too_little_memory_is_said_in_plain_words() {
    let Some(placement) = gpu() else { return };
    let config = config(16, 8, 128);
    let weights = random_weights(&config, 0, &placement).unwrap();
    let model = Rc::new(GpuModel::new(&config, &weights, "test".as_ref()).unwrap());
    let blocks = 100_000_000;
    let limits = GpuLimits { max_tokens: 64, max_sequences: 8, blocks, block_tokens: 16 };
    let message = GpuForward::new(model, limits).err().unwrap().to_string();
    println!("{message}");
    assert!(message.contains("lower `kv_blocks`"), "{message}");
}
