//! What is served: requests with their prompts, lengths and arrival times.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{FileError, Hasher};

mod directory;
mod recipe;

pub use directory::{MARKER, read, write};
pub use recipe::{Arrivals, Lengths, Prompts, Recipe};

/// Requests, fully determined.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// Ascending by arrival, then by id; each id once.
    pub requests: Vec<Request>,
    /// Prompts by id; empty for a workload of lengths only.
    pub prompts: Vec<Prompt>,
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
            hasher.text(prompt.text.as_deref().unwrap_or_default());
            let ids = prompt.token_ids.as_deref().unwrap_or_default();
            hasher.number(ids.len() as u64);
            ids.iter().for_each(|&id| hasher.number(u64::from(id)));
        }
        hasher.finish()
    }

    /// The request called `id`.
    pub fn request(&self, id: u64) -> Option<&Request> {
        self.requests.iter().find(|r| r.request_id == id)
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
    /// A workload without requests.
    #[error("{}: no requests", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}
