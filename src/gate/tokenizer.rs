//! The tokenizer of a case's model, loaded when a prompt first needs it: that takes half a second.

use std::cell::OnceCell;
use std::sync::Arc;

use super::GateError;
use super::model::CaseModel;
use crate::files::find;
use crate::workload::{HuggingFace, Tokenize, WorkloadError};

/// Opens the tokenizer at its first use.
pub(super) struct LazyTokenizer<'a> {
    model: &'a CaseModel<'a>,
    tokenizer: OnceCell<Arc<HuggingFace>>,
}

impl<'a> LazyTokenizer<'a> {
    pub fn new(model: &'a CaseModel<'a>) -> Self {
        Self { model, tokenizer: OnceCell::new() }
    }

    fn open(&self) -> Result<Arc<HuggingFace>, GateError> {
        let config = self.model.config()?;
        let folder = match &config.tokenizer {
            Some(folder) => folder.clone(),
            None => self.model.folder()?,
        };
        let file: Vec<_> =
            find(&folder, "tokenizer.json").map_err(WorkloadError::from)?.into_iter().collect();
        let open = || HuggingFace::open(&folder);
        let tokenizer = self.model.shared().tokenizers.get(&folder, &file, open)?;
        let (vocabulary, ids) = (config.vocab_size, tokenizer.vocabulary());
        if ids > vocabulary {
            return Err(WorkloadError::Tokenizer {
                path: folder,
                problem: format!(
                    "it has {ids} ids, the model {vocabulary}: it is of another model"
                ),
            }
            .into());
        }
        Ok(tokenizer)
    }
}

impl Tokenize for LazyTokenizer<'_> {
    fn token_ids(&self, text: &str) -> Result<Vec<u32>, String> {
        if self.tokenizer.get().is_none() {
            let opened = self.open().map_err(|error| error.to_string())?;
            self.tokenizer.get_or_init(|| opened);
        }
        self.tokenizer.get().map_or_else(|| Ok(Vec::new()), |tokenizer| tokenizer.token_ids(text))
    }

    fn vocabulary(&self) -> usize {
        self.tokenizer.get().map_or(0, |tokenizer| tokenizer.vocabulary())
    }
}
