//! Text to tokens: the seam behind which a tokenizer stands.

/// Turns text into token ids.
pub trait Tokenize {
    /// The ids of `text`, without special tokens.
    ///
    /// # Errors
    /// The tokenizer's reason.
    fn token_ids(&self, text: &str) -> Result<Vec<u32>, String>;

    /// One more than the largest id.
    fn vocabulary(&self) -> usize;
}
