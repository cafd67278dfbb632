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

    /// The first sequence that contradicts the batch or what a device can hold, and how: positions below
    /// `max_positions`, blocks of `block_tokens` tokens below `blocks`, ids below `vocabulary`.
    pub fn fault(
        &self,
        max_positions: u32,
        (blocks, block_tokens): (u32, u32),
        vocabulary: usize,
    ) -> Option<(usize, &'static str)> {
        let mut from = 0;
        for (i, sequence) in self.sequences.iter().enumerate() {
            let end = u64::from(sequence.context) + u64::from(sequence.tokens);
            let ids = self.token_ids.get(from..from + sequence.tokens as usize);
            let problem = if sequence.tokens == 0 {
                "has no tokens"
            } else if end > u64::from(max_positions) {
                "is longer than the model's positions"
            } else if (sequence.blocks.len() as u64) * u64::from(block_tokens) < end {
                "has too few KV blocks"
            } else if sequence.blocks.iter().any(|&block| block >= blocks) {
                "names a KV block that does not exist"
            } else {
                match ids {
                    None => "has more tokens than the batch has ids",
                    Some(ids) if ids.iter().any(|&id| id as usize >= vocabulary) => {
                        "has a token id beyond the vocabulary"
                    }
                    Some(_) => {
                        from += sequence.tokens as usize;
                        continue;
                    }
                }
            };
            return Some((i, problem));
        }
        let last = self.sequences.len().saturating_sub(1);
        (from != self.token_ids.len()).then_some((last, "leaves token ids over"))
    }

    /// Sequences whose next token is wanted.
    pub fn rows(&self) -> u32 {
        self.sequences.iter().filter(|s| s.emits).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_contradicts_itself_or_its_limits_is_named() {
        let sequence =
            |tokens| BatchSequence { tokens, context: 6, blocks: vec![0, 3], emits: true };
        let good = Batch { token_ids: vec![9, 8, 7], sequences: vec![sequence(1), sequence(2)] };
        let fault = |change: &dyn Fn(&mut Batch)| {
            let mut batch = good.clone();
            change(&mut batch);
            batch.fault(8, (4, 4), 10)
        };
        assert_eq!(fault(&|_| {}), None);
        assert_eq!(fault(&|b| b.sequences[1].tokens = 0), Some((1, "has no tokens")));
        assert_eq!(
            fault(&|b| b.sequences[0].context = 8),
            Some((0, "is longer than the model's positions"))
        );
        assert_eq!(fault(&|b| b.sequences[1].blocks = vec![1]), Some((1, "has too few KV blocks")));
        assert_eq!(
            fault(&|b| b.sequences[0].blocks[1] = 4),
            Some((0, "names a KV block that does not exist"))
        );
        assert_eq!(
            fault(&|b| b.token_ids[2] = 10),
            Some((1, "has a token id beyond the vocabulary"))
        );
        assert_eq!(
            fault(&|b| b.token_ids.truncate(2)),
            Some((1, "has more tokens than the batch has ids"))
        );
        assert_eq!(fault(&|b| b.token_ids.push(0)), Some((1, "leaves token ids over")));
    }
}
