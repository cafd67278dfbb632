//! The ops of a step: what is executed, how often, and on which shapes. Real side, profile and
//! prediction all follow this list.

use super::config::ModelConfig;

/// A class of ops: those of one class differ by their shape only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Describes one sequence of the batch to the device: ids, positions, slots, mask.
    Prepare,
    /// Looks up token embeddings and rotary angles.
    Embed,
    /// Norm before attention.
    InputNorm,
    /// Query, key and value projections.
    Qkv,
    /// Norm of queries and keys, and their rotation.
    QkNormRope,
    /// Writes keys and values to their KV blocks, sequence by sequence.
    KvWrite,
    /// Attention of one sequence over its KV blocks.
    Attention,
    /// Output projection and residual.
    OutProj,
    /// Norm before the feed-forward part.
    PostNorm,
    /// Gate and up projections.
    GateUp,
    /// Activation.
    SiluMul,
    /// Down projection and residual.
    Down,
    /// Norm of the rows whose next token is wanted.
    FinalNorm,
    /// LM head.
    LmHead,
    /// Greedy sampling, and the copy of its result to the host.
    Argmax,
}

impl Op {
    /// All classes, in the order of a step.
    pub const ALL: [Self; 15] = [
        Self::Prepare,
        Self::Embed,
        Self::InputNorm,
        Self::Qkv,
        Self::QkNormRope,
        Self::KvWrite,
        Self::Attention,
        Self::OutProj,
        Self::PostNorm,
        Self::GateUp,
        Self::SiluMul,
        Self::Down,
        Self::FinalNorm,
        Self::LmHead,
        Self::Argmax,
    ];

    /// Whether its shape is one sequence's; else it is the rows of a matrix.
    pub fn of_sequence(self) -> bool {
        matches!(self, Self::Prepare | Self::KvWrite | Self::Attention)
    }

    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Embed => "embed",
            Self::InputNorm => "input_norm",
            Self::Qkv => "qkv",
            Self::QkNormRope => "qk_norm_rope",
            Self::KvWrite => "kv_write",
            Self::Attention => "attention",
            Self::OutProj => "out_proj",
            Self::PostNorm => "post_norm",
            Self::GateUp => "gate_up",
            Self::SiluMul => "silu_mul",
            Self::Down => "down",
            Self::FinalNorm => "final_norm",
            Self::LmHead => "lm_head",
            Self::Argmax => "argmax",
        }
    }
}

/// The variables that an op's time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Rows of a matrix: tokens, or sequences whose next token is wanted.
    Rows(u32),
    /// One sequence: tokens computed now, and tokens in the cache before.
    Sequence {
        /// Computed now.
        tokens: u32,
        /// In the cache before.
        context: u32,
    },
}

/// Ops of one class and shape in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpCall {
    /// The class.
    pub op: Op,
    /// The shape.
    pub shape: Shape,
    /// How often.
    pub count: u32,
}

/// The ops of a step over sequences of (tokens computed now, tokens in the cache before), of which
/// `rows` want their next token.
pub fn op_list(config: &ModelConfig, sequences: &[(u32, u32)], rows: u32) -> Vec<OpCall> {
    let layers = config.layers as u32;
    let tokens: u32 = sequences.iter().map(|(tokens, _)| tokens).sum();
    let mut calls = Vec::with_capacity(Op::ALL.len() + 2 * sequences.len());
    for op in Op::ALL {
        let mut push = |shape, count| calls.push(OpCall { op, shape, count });
        match op {
            Op::Embed => push(Shape::Rows(tokens), 1),
            Op::FinalNorm | Op::LmHead | Op::Argmax => {
                if rows > 0 {
                    push(Shape::Rows(rows), 1);
                }
            }
            Op::Prepare | Op::KvWrite | Op::Attention => {
                let count = if op == Op::Prepare { 1 } else { layers };
                for &(tokens, context) in sequences {
                    push(Shape::Sequence { tokens, context }, count);
                }
            }
            _ => push(Shape::Rows(tokens), layers),
        }
    }
    calls
}
