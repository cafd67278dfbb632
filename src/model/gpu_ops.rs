//! What a forward pass on a GPU consists of and is asked for.

use super::bucket::StepSize;

/// What steps may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuLimits {
    /// Most tokens of a step.
    pub max_tokens: u32,
    /// Most sequences of a step.
    pub max_sequences: u32,
    /// KV blocks.
    pub blocks: u32,
    /// Tokens of a KV block.
    pub block_tokens: u32,
}

/// What the captured graphs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphMemory {
    /// Graphs.
    pub graphs: u32,
    /// Bytes of GPU memory that capturing them took.
    pub bytes: u64,
}

/// Times of one step on a GPU, done again and again, ns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replays {
    /// From its launch until the host knows its tokens.
    pub wall_ns: Vec<u64>,
    /// Between two events around it, in other runs of the step: events cost time themselves.
    pub gpu_ns: Vec<u64>,
}

/// Times of one op of a step, over all layers that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpTimes {
    /// The op.
    pub op: GpuOp,
    /// On the GPU in a graph of its own, ns.
    pub gpu_ns: Vec<f64>,
    /// The same, but with the first layer's weights and cache in place of every layer's, ns.
    pub one_layer_ns: Vec<f64>,
    /// Issuing it, one launch after another, on the host, ns.
    pub issue_ns: Vec<f64>,
}

/// What launching costs, ns, apart from what is launched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaunchCosts {
    /// The host's time to issue one empty kernel.
    pub issue_ns: f64,
    /// From issuing one empty kernel to an idle GPU until the host knows that it ran.
    pub round_trip_ns: f64,
    /// Waiting for a GPU that has nothing to do.
    pub wait_ns: f64,
    /// Between the starts of two empty kernels of a graph.
    pub graph_gap_ns: f64,
    /// Between the starts of two empty kernels that were launched one by one and waited in the queue.
    pub eager_gap_ns: f64,
    /// Launches that the queue takes before the host has to wait.
    pub queue_depth: u32,
}

/// The ops of a step on a GPU, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GpuOp {
    /// The batch's description, from the host.
    Upload,
    /// Token embeddings.
    Embed,
    /// Norm; query, key and value projections.
    Qkv,
    /// Norm of queries and keys, rotation, write to the KV blocks.
    QkNormRope,
    /// Attention of single tokens.
    AttentionDecode,
    /// Attention of chunks.
    AttentionPrefill,
    /// Output projection and residual.
    OutProj,
    /// Norm, gate and up projections, activation.
    GateUp,
    /// Down projection and residual.
    Down,
    /// Final norm and LM head of the wanted rows.
    LmHead,
    /// Greedy sampling.
    Argmax,
    /// The tokens, to the host.
    Download,
}

impl GpuOp {
    /// Those before the first layer, in their order.
    pub const BEFORE: [Self; 2] = [Self::Upload, Self::Embed];
    /// Those of every layer, in their order.
    pub const LAYER: [Self; 7] = [
        Self::Qkv,
        Self::QkNormRope,
        Self::AttentionDecode,
        Self::AttentionPrefill,
        Self::OutProj,
        Self::GateUp,
        Self::Down,
    ];
    /// Those behind the last layer, in their order.
    pub const AFTER: [Self; 3] = [Self::LmHead, Self::Argmax, Self::Download];

    /// All ops, in the order of a step.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::BEFORE.into_iter().chain(Self::LAYER).chain(Self::AFTER)
    }

    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Embed => "embed",
            Self::Qkv => "qkv",
            Self::QkNormRope => "qk_norm_rope",
            Self::AttentionDecode => "attention_decode",
            Self::AttentionPrefill => "attention_prefill",
            Self::OutProj => "out_proj",
            Self::GateUp => "gate_up",
            Self::Down => "down",
            Self::LmHead => "lm_head",
            Self::Argmax => "argmax",
            Self::Download => "download",
        }
    }

    /// Whether every layer has it.
    pub fn in_layers(self) -> bool {
        Self::LAYER.contains(&self)
    }

    /// Whether a step of this size has it.
    pub fn in_step(self, size: StepSize) -> bool {
        match self {
            Self::AttentionDecode => size.decodes(),
            Self::AttentionPrefill => size.prefills(),
            _ => true,
        }
    }
}
