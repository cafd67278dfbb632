//! `simgate bench`: how fast single steps of an engine on a GPU are, how well their times repeat, where
//! the time goes, and how far that is from what the memory allows.

use std::rc::Rc;
use std::time::Instant;

use super::{CollectError, Progress, sarathi};
use crate::backend::candle::{Candle, Forward};
use crate::backend::{Backend, BackendError, LoadedModel};
use crate::engine::Launch;
use crate::model::{Batch, BatchSequence, GpuForward, GpuLimits, GpuOp, ModelConfig, ModelError};
use crate::run::{Run, StepRecord};
use crate::stats::percentiles;
use crate::workload::{Request, Workload};

/// KV blocks of the benchmark's engine, and tokens of each: 64 sequences of 2,048 tokens and more.
const BLOCKS: u32 = 10_000;
const BLOCK_TOKENS: u32 = 16;
const MAX_TOKENS: u32 = 512;
const MAX_SEQUENCES: u32 = 64;
/// Steps of a shape in one round, after a few that are not counted.
const STEPS: usize = 200;
const IGNORED: usize = 10;
/// Times that an op is issued in its graph.
const OP_ROUNDS: u32 = 20;

/// A step to be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sequences of one token.
    pub decodes: u32,
    /// Tokens in the cache of each.
    pub context: u32,
    /// A chunk beside them: its tokens, and those in its cache.
    pub chunk: Option<(u32, u32)>,
}

/// The shapes that are timed.
pub const SHAPES: [Shape; 13] = [
    decode(1, 512),
    decode(1, 2_048),
    decode(8, 512),
    decode(8, 2_048),
    decode(64, 512),
    decode(64, 2_048),
    prefill(16, 0),
    prefill(128, 0),
    prefill(512, 0),
    prefill(16, 1_536),
    prefill(512, 1_536),
    Shape { decodes: 63, context: 512, chunk: Some((65, 0)) },
    Shape { decodes: 63, context: 512, chunk: Some((449, 0)) },
];

const fn decode(decodes: u32, context: u32) -> Shape {
    Shape { decodes, context, chunk: None }
}

const fn prefill(tokens: u32, context: u32) -> Shape {
    Shape { decodes: 0, context: 0, chunk: Some((tokens, context)) }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { decodes, context, .. } = self;
        match (decodes, self.chunk) {
            (_, None) => write!(f, "decode {decodes} x {context}"),
            (0, Some((tokens, from))) => write!(f, "prefill {tokens} at {from}"),
            (_, Some((tokens, _))) => write!(f, "{decodes} decodes and a chunk of {tokens}"),
        }
    }
}

/// What came of one shape and launch mode, us.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The step.
    pub shape: Shape,
    /// The bucket that it runs in.
    pub bucket: String,
    /// How it is launched.
    pub launch: Launch,
    /// From the description to the tokens, median of each round.
    pub p50: Vec<f64>,
    /// 99th percentile over all rounds.
    pub p99: f64,
    /// Each op's GPU time over all layers, in a graph of its own; none for single launches.
    pub ops: Vec<(GpuOp, f64)>,
    /// Weights, keys and values that it reads at least.
    pub bytes: f64,
}

/// All that `simgate bench` measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    /// Steps.
    pub timings: Vec<Timing>,
    /// Bytes a second of a copy on the GPU, those read and those written.
    pub bandwidth: f64,
    /// When the first token was known.
    pub first_token: Instant,
    /// (sequences, launch, median us of a step outside launch and wait) in a serving loop.
    pub host: Vec<(u32, Launch, f64)>,
}

/// Times steps on the GPU that `loaded` lies on, in `rounds` rounds that take turns over all shapes.
///
/// # Errors
/// A model that lies on no GPU, or a GPU that cannot be used.
pub fn speed(
    loaded: &Rc<LoadedModel>,
    rounds: u32,
    progress: Progress<'_>,
) -> Result<Speed, CollectError> {
    let Forward::Gpu(model) = &loaded.forward else { return Err(CollectError::NoGpu) };
    let limits = GpuLimits {
        max_tokens: MAX_TOKENS,
        max_sequences: MAX_SEQUENCES,
        blocks: BLOCKS,
        block_tokens: BLOCK_TOKENS,
    };
    let shapes: Vec<Shape> =
        SHAPES.into_iter().filter(|shape| fits(&loaded.config, shape)).collect();
    let Some(first) = shapes.first() else { return Err(CollectError::SmallModel) };
    let mut timings = Vec::new();
    let mut first_token = None;
    for launch in [Launch::Graph, Launch::Eager] {
        let mut forward = GpuForward::new(Rc::clone(model), limits)?;
        forward.warm_up()?;
        if launch == Launch::Graph {
            forward.capture()?;
        }
        if first_token.is_none() {
            forward.prepare(&batch(first))?;
            forward.launch()?;
            forward.wait()?;
        }
        first_token.get_or_insert_with(Instant::now);
        let mut times = vec![Vec::new(); shapes.len()];
        for round in 0..rounds {
            for (shape, times) in shapes.iter().zip(&mut times) {
                times.push(time(&mut forward, &batch(shape))?);
            }
            progress(launch.as_str(), u64::from(round) + 1, u64::from(rounds));
        }
        for (shape, rounds) in shapes.iter().zip(times) {
            let bucket = forward.prepare(&batch(shape))?.to_string();
            // Once is enough: inside a graph both modes are the same.
            let ops = match launch {
                Launch::Graph => forward.op_times(OP_ROUNDS)?,
                Launch::Eager => Vec::new(),
            };
            let p50 = rounds.iter().map(|times| percentiles(&mut times.clone(), [0.5])[0]);
            timings.push(Timing {
                shape: *shape,
                bucket,
                launch,
                p50: p50.collect(),
                p99: percentiles(&mut rounds.concat(), [0.99])[0],
                ops: ops.into_iter().map(|(op, ns)| (op, ns / 1e3)).collect(),
                bytes: bytes(&loaded.config, shape),
            });
        }
    }
    let bandwidth = model.copy_bandwidth()?;
    let mut host = Vec::new();
    for launch in [Launch::Graph, Launch::Eager] {
        for sequences in [1, MAX_SEQUENCES] {
            host.push((sequences, launch, host_time(loaded, sequences, launch)?));
        }
    }
    let first_token = first_token.unwrap_or_else(Instant::now);
    Ok(Speed { timings, bandwidth, first_token, host })
}

/// Whether a model has so many positions and token ids.
fn fits(config: &ModelConfig, shape: &Shape) -> bool {
    let (tokens, from) = shape.chunk.unwrap_or_default();
    let longest = (shape.context + 1).max(tokens + from);
    longest <= config.max_positions && (tokens as usize) < config.vocab_size
}

/// The batch of a shape: every sequence in blocks of its own.
fn batch(shape: &Shape) -> Batch {
    let mut batch = Batch::default();
    let decodes = (0..shape.decodes).map(|_| (1, shape.context));
    let mut next = 0;
    for (tokens, context) in decodes.chain(shape.chunk) {
        let held = (context + tokens).div_ceil(BLOCK_TOKENS);
        batch.token_ids.extend((0..tokens).map(|i| 1 + i));
        let blocks = (next..next + held).collect();
        batch.sequences.push(BatchSequence { tokens, context, blocks, emits: true });
        next += held;
    }
    batch
}

/// Times of one round, us.
fn time(forward: &mut GpuForward, batch: &Batch) -> Result<Vec<f64>, ModelError> {
    let mut times = Vec::with_capacity(STEPS);
    for step in 0..IGNORED + STEPS {
        let start = Instant::now();
        forward.prepare(batch)?;
        forward.launch()?;
        forward.wait()?;
        if step >= IGNORED {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}

/// Bytes that a step reads at least: all matrices, and the keys and values of its sequences, in bf16.
fn bytes(config: &ModelConfig, shape: &Shape) -> f64 {
    let (q, kv) = (config.heads * config.head_dim, config.kv_heads * config.head_dim);
    let layer = config.hidden_size * (2 * q + 2 * kv + 3 * config.intermediate_size);
    let weights = config.layers * layer + config.vocab_size * config.hidden_size;
    let (tokens, from) = shape.chunk.unwrap_or_default();
    let keys = shape.decodes * (shape.context + 1) + tokens + from;
    2.0 * (weights + config.layers * 2 * kv * keys as usize) as f64
}

/// Median time of a decode step of `sequences` outside launch and wait, us, in a serving loop.
fn host_time(
    loaded: &Rc<LoadedModel>,
    sequences: u32,
    launch: Launch,
) -> Result<f64, BackendError> {
    let engine = sarathi(launch, (MAX_TOKENS, MAX_SEQUENCES), BLOCK_TOKENS, Some(BLOCKS));
    let positions = loaded.config.max_positions;
    let request = |i: u32| Request {
        request_id: u64::from(i),
        prompt_id: format!("bench-{i}"),
        prefill_tokens: 64.min(positions / 4),
        decode_tokens: 256.min(positions / 2),
        arrival_ns: 0,
    };
    let requests = (0..sequences).map(request).collect();
    let workload = Workload { requests, prompts: Vec::new(), seed: 0 };
    let mut candle = Candle::new(Rc::clone(loaded), engine, 0);
    candle.run(&workload, 0)?;
    let run: Run = candle.run(&workload, 1)?;
    let outside = |step: &StepRecord| (step.schedule_ns + step.prepare_ns + step.post_ns) as f64;
    let full =
        run.steps.iter().filter(|s| s.decode_sequences == sequences && s.prefill_tokens == 0);
    let mut times: Vec<f64> = full.map(outside).collect();
    Ok(percentiles(&mut times, [0.5])[0] / 1e3)
}
