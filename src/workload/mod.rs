//! What is served: requests with their prompts, lengths and arrival times.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{FileError, Hasher};
use crate::stats::Random;

mod directory;
mod generate;
#[cfg(feature = "candle")]
mod hugging_face;
mod recipe;
mod tokenize;
mod vidur_trace;

pub use directory::{MARKER, files, read, write};
pub use generate::{Sources, generate};
#[cfg(feature = "candle")]
pub use hugging_face::HuggingFace;
pub use recipe::{Arrivals, Lengths, Prompts, Recipe};
pub use tokenize::Tokenize;
pub use vidur_trace::{
    TraceRow, VidurTrace, read as read_vidur, read_rows as read_vidur_rows,
    workload as vidur_workload,
};

/// Requests, fully determined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// Ascending by arrival, then by id; each id once.
    pub requests: Vec<Request>,
    /// The prompts that requests name; empty for a workload of lengths only.
    pub prompts: Vec<Prompt>,
    /// Seed of the token ids of a workload of lengths only.
    pub seed: u64,
}

/// One request of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub request_id: u64,
    /// The prompt it sends.
    pub prompt_id: String,
    /// Prompt tokens.
    pub prefill_tokens: u32,
    /// Output tokens asked for.
    pub decode_tokens: u32,
    /// Scheduled arrival, ns since the run's start.
    pub arrival_ns: u64,
}

/// A prompt: its text, its tokens, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Its name.
    pub prompt_id: String,
    /// What the user wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the model sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

impl Workload {
    /// SHA-256 over requests and prompts; equal for workloads that are served alike.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate workload v1");
        hasher.number(self.requests.len() as u64);
        for r in &self.requests {
            hasher.number(r.request_id);
            hasher.text(&r.prompt_id);
            for number in [r.prefill_tokens, r.decode_tokens] {
                hasher.number(u64::from(number));
            }
            hasher.number(r.arrival_ns);
        }
        for prompt in &self.prompts {
            hasher.text(&prompt.prompt_id);
            // Absent is told apart from empty.
            hasher.number(
                u64::from(prompt.text.is_some()) + 2 * u64::from(prompt.token_ids.is_some()),
            );
            hasher.text(prompt.text.as_deref().unwrap_or_default());
            let ids = prompt.token_ids.as_deref().unwrap_or_default();
            hasher.number(ids.len() as u64);
            ids.iter().for_each(|&id| hasher.number(u64::from(id)));
        }
        hasher.number(self.seed);
        hasher.finish()
    }

    /// The prompt tokens of each request, in the order of `requests`. A workload of lengths only has
    /// ids below `vocabulary` that follow from its seed and the prompt's id.
    pub fn token_ids(&self, vocabulary: u32) -> Vec<Cow<'_, [u32]>> {
        let known: HashMap<&str, &[u32]> = self
            .prompts
            .iter()
            .filter_map(|p| Some((p.prompt_id.as_str(), p.token_ids.as_deref()?)))
            .collect();
        let of = |request: &Request| match known.get(request.prompt_id.as_str()) {
            Some(ids) => Cow::Borrowed(*ids),
            None => Cow::Owned(self.derived_ids(request, vocabulary)),
        };
        self.requests.iter().map(of).collect()
    }

    fn derived_ids(&self, request: &Request, vocabulary: u32) -> Vec<u32> {
        let mut hasher = Hasher::new("simgate prompt v1");
        hasher.number(self.seed);
        hasher.text(&request.prompt_id);
        let digits = hasher.finish();
        // The first 16 of 64 hex digits are 64 bits.
        let seed = u64::from_str_radix(&digits[..16], 16).unwrap_or_default();
        let mut random = Random::new(seed, 0);
        (0..request.prefill_tokens).map(|_| random.below(u64::from(vocabulary)) as u32).collect()
    }
}

/// What can be wrong with a workload.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// A file that cannot be read, parsed or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory without `trace_lengths.csv` or `trace_intervals.csv`.
    #[error("{}: no {file} here: expected a workload directory", path.display())]
    NoWorkload {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// The two trace files speak of different requests.
    #[error("{}: request {request_id} is in {present} but not in {absent}", path.display())]
    OneSided {
        /// The directory.
        path: PathBuf,
        /// The request.
        request_id: u64,
        /// The file that has it.
        present: &'static str,
        /// The file that lacks it.
        absent: &'static str,
    },
    /// A request whose prompt is not there, or has another length.
    #[error("{}: request {request_id}: {problem}", path.display())]
    Prompt {
        /// `prompts.jsonl`.
        path: PathBuf,
        /// The request.
        request_id: u64,
        /// What is wrong.
        problem: String,
    },
    /// A prompt that cannot be used.
    #[error("{}: prompt `{prompt_id}`: {problem}", path.display())]
    FaultyPrompt {
        /// The prompts file.
        path: PathBuf,
        /// The prompt.
        prompt_id: String,
        /// What is wrong.
        problem: String,
    },
    /// A prompts file without a prompt.
    #[error("{}: no prompts: write one JSON object a line, with `prompt_id` and `text`", path.display())]
    NoPrompts {
        /// The prompts file.
        path: PathBuf,
    },
    /// A model folder without a tokenizer.
    #[error("{}: no tokenizer.json or tokenizer.json.zst here, which prompts that are text need", path.display())]
    NoTokenizer {
        /// The model folder.
        path: PathBuf,
    },
    /// A file that is no tokenizer.
    #[error("{}: not a tokenizer: {problem}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The library's reason.
        problem: String,
    },
    /// Bounds that a distribution practically never meets.
    #[error(
        "no length between {min} and {max} was drawn in 10000 tries: move the median between them"
    )]
    Unreachable {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// A trace with too few requests.
    #[error("{}: the trace has {requests} requests, the case asks for {asked}", path.display())]
    ShortTrace {
        /// The trace directory.
        path: PathBuf,
        /// What it has.
        requests: usize,
        /// What is asked for.
        asked: usize,
    },
    /// A path of a recipe that leads nowhere.
    #[error("`{}` is neither beside the case file, nor in the folder of cases, nor in the project", path.display())]
    NoSuchPath {
        /// The path as written.
        path: PathBuf,
    },
    /// A workload without requests.
    #[error("{}: no requests", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}
