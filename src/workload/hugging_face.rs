//! The tokenizer of a model, from its `tokenizer.json`.

use std::path::Path;

use super::{Tokenize, WorkloadError};
use crate::files::{find, read_text};

/// A Hugging Face `tokenizer.json`.
pub struct HuggingFace(tokenizers::Tokenizer);

impl HuggingFace {
    /// Loads `tokenizer.json` or `tokenizer.json.zst` of a model folder.
    ///
    /// # Errors
    /// A folder without it, or a file that is no tokenizer.
    pub fn open(model: &Path) -> Result<Self, WorkloadError> {
        let Some(path) = find(model, "tokenizer.json")? else {
            return Err(WorkloadError::NoTokenizer { path: model.to_owned() });
        };
        let text = read_text(&path)?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(text.as_bytes()).map_err(|error| {
            WorkloadError::Tokenizer { path: path.clone(), problem: error.to_string() }
        })?;
        Ok(Self(tokenizer))
    }
}

impl Tokenize for HuggingFace {
    fn token_ids(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.0.encode_fast(text, false).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    fn vocabulary(&self) -> usize {
        self.0.get_vocab_size(true)
    }
}
