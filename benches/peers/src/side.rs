//! What both simulators are given, and what each gives back.

use anyhow::ensure;

use crate::requests::Request;

/// The scheduler's settings and the step times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most tokens of one step.
    pub chunk_tokens: u32,
    /// Most sequences that run at once.
    pub max_sequences: u32,
    /// Tokens of one KV block.
    pub kv_block_tokens: u32,
    /// KV blocks.
    pub kv_blocks: u32,
    /// What a step with prompt tokens in it takes, ns.
    pub prefill_ns: u64,
    /// What a step with decodes in it takes, ns; a step with both takes the sum.
    pub decode_ns: u64,
    /// Whether aisimulate-core builds its records of single requests.
    pub request_records: bool,
}

/// What one simulation did, and how long that took.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Requests that ran to their end.
    pub completed: usize,
    /// Tokens they got.
    pub output_tokens: u64,
    /// Steps with prompt tokens in them.
    pub prefill_steps: u64,
    /// Steps with decodes in them.
    pub decode_steps: u64,
    /// The last token's time, simulated, s.
    pub simulated_s: f64,
    /// Wall time of the simulation alone, s.
    pub wall_s: f64,
}

impl Outcome {
    /// # Errors
    /// A simulation that left work undone.
    pub fn check(&self, side: &str, requests: &[Request]) -> anyhow::Result<()> {
        let (completed, asked) = (self.completed, requests.len());
        ensure!(
            completed == asked,
            "{side} completed {completed} of {asked} requests: raise --kv-blocks"
        );
        let (tokens, asked) =
            (self.output_tokens, requests.iter().map(|r| u64::from(r.decode_tokens)).sum::<u64>());
        ensure!(tokens == asked, "{side} gave {tokens} of {asked} output tokens");
        Ok(())
    }
}
