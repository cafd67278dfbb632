//! What one forward pass computes, as plain data: packed tokens of any mix of prompt chunks and
//! decodes.

/// A packed batch. Tokens of one sequence stand together, in the order of `sequences`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Token ids, all sequences one after another.
    pub token_ids: Vec<u32>,
    /// The sequences.
    pub sequences: Vec<BatchSequence>,
}

/// One sequence's part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSequence {
    /// Tokens that are computed now.
    pub tokens: u32,
    /// Tokens in the cache before: the position of the first token.
    pub context: u32,
    /// Its KV blocks, in the order of its tokens; they hold `context + tokens` tokens.
    pub blocks: Vec<u32>,
    /// Whether the token after its last one is wanted.
    pub emits: bool,
}

impl Batch {
    /// Tokens in all.
    pub fn tokens(&self) -> u32 {
        self.token_ids.len() as u32
    }

    /// Sequences whose next token is wanted.
    pub fn rows(&self) -> u32 {
        self.sequences.iter().filter(|s| s.emits).count() as u32
    }
}
