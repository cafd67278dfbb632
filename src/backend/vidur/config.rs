//! Vidur's settings of a cluster and its schedulers.

use super::SimulateError;
use crate::engine::{Cluster, EngineConfig, Policy, Router};

/// Vidur's replica schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VidurPolicy {
    /// Decodes, then chunks of prompts.
    Sarathi,
    /// Whole prompts before any decode.
    Vllm,
    /// Decodes and whole prompts in one step, with room for the longest request reserved.
    Orca,
    /// A batch runs to its end before the next (`faster_transformer`).
    Static,
    /// Prompts every so many steps, admitted by the memory they may come to need.
    LightLlm,
}

impl VidurPolicy {
    /// All of them, with Vidur's names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("sarathi", Self::Sarathi),
        ("vllm", Self::Vllm),
        ("orca", Self::Orca),
        ("faster_transformer", Self::Static),
        ("lightllm", Self::LightLlm),
    ];

    /// That of our engine's policies; `None` for one that Vidur does not have.
    pub fn of(policy: Policy) -> Option<Self> {
        match policy {
            Policy::Sarathi => Some(Self::Sarathi),
            Policy::Vllm => Some(Self::Vllm),
            Policy::VllmV1 => None,
            Policy::Orca => Some(Self::Orca),
            Policy::Static => Some(Self::Static),
            Policy::LightLlm => Some(Self::LightLlm),
        }
    }
}

/// Vidur's global schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VidurRouter {
    /// One replica after the other.
    RoundRobin,
    /// Any, with equal chances. Vidur draws from Python's generator: ours draws otherwise.
    Random,
    /// The one with the fewest requests that wait. Those that run do not count.
    LeastOutstanding,
}

impl VidurRouter {
    /// All of them, with Vidur's names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("round_robin", Self::RoundRobin),
        ("random", Self::Random),
        ("lor", Self::LeastOutstanding),
    ];
}

/// What Vidur simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VidurConfig {
    /// How each replica chooses its work.
    pub policy: VidurPolicy,
    /// Which replica gets a request.
    pub router: VidurRouter,
    /// Copies of the model.
    pub replicas: u32,
    /// Pipeline stages of each.
    pub pipeline_parallel: u32,
    /// Tokens of a KV block.
    pub block_tokens: u32,
    /// KV blocks of a replica.
    pub blocks: u32,
    /// Of them, those kept free when a request is admitted.
    pub watermark_blocks: u32,
    /// Most sequences that hold blocks (`batch_size_cap`).
    pub max_sequences: u32,
    /// Most sequences of a batch, where the policy reserves room for the longest request.
    pub max_batch: u32,
    /// Tokens of a step: sarathi's chunk, vLLM's and LightLLM's `max_tokens_in_batch`.
    pub chunk_tokens: u32,
    /// Most tokens of a request.
    pub max_request_tokens: u32,
    /// Steps between LightLLM's prompts.
    pub max_waiting_steps: u32,
    /// Of [`VidurRouter::Random`].
    pub seed: u64,
}

impl VidurRouter {
    /// That of our clusters.
    pub fn of(router: Router) -> Self {
        match router {
            Router::RoundRobin => Self::RoundRobin,
            Router::Random => Self::Random,
            Router::LeastOutstanding => Self::LeastOutstanding,
        }
    }
}

impl VidurConfig {
    /// A cluster of engines with our engine's settings, of which `kv_blocks` are resolved.
    ///
    /// # Errors
    /// A policy that Vidur does not have.
    pub fn of(
        engine: &EngineConfig,
        cluster: Cluster,
        kv_blocks: u32,
        max_request_tokens: u32,
    ) -> Result<Self, SimulateError> {
        let policy = VidurPolicy::of(engine.policy).ok_or_else(|| SimulateError::Config {
            problem: format!(
                "the policy `{}`: it has sarathi, vllm, orca, static and light-llm",
                engine.policy.as_str()
            ),
        })?;
        let share = u64::from(kv_blocks) * u64::from(engine.kv_watermark_bp) / 10_000;
        Ok(Self {
            policy,
            router: VidurRouter::of(cluster.router),
            replicas: cluster.replicas,
            pipeline_parallel: cluster.pipeline_parallel,
            block_tokens: engine.kv_block_tokens,
            blocks: kv_blocks,
            watermark_blocks: share as u32,
            max_sequences: engine.max_sequences,
            max_batch: engine.max_sequences,
            chunk_tokens: engine.chunk_tokens,
            max_request_tokens,
            max_waiting_steps: 10,
            seed: 0,
        })
    }

    /// Most sequences of one batch, of which each pipeline stage has one under way.
    pub(super) fn micro_batch(&self) -> usize {
        (self.max_sequences / self.pipeline_parallel) as usize
    }

    /// Blocks of the longest request. Vidur rounds down.
    pub(super) fn blocks_of_longest(&self) -> u32 {
        self.max_request_tokens / self.block_tokens
    }

    /// Refuses settings that Vidur would stop at, or never come to an end with.
    pub(super) fn check(&self) -> Result<(), SimulateError> {
        let fault = |problem: &str| Err(SimulateError::Config { problem: problem.to_owned() });
        let sizes = [
            ("replicas", self.replicas),
            ("pipeline stages", self.pipeline_parallel),
            ("tokens of a KV block", self.block_tokens),
            ("KV blocks", self.blocks),
            ("sequences", self.max_sequences),
            ("sequences of a batch", self.max_batch),
            ("tokens of a step", self.chunk_tokens),
            ("tokens of a request", self.max_request_tokens),
        ];
        if let Some((what, _)) = sizes.iter().find(|size| size.1 == 0) {
            return fault(&format!("0 {what}: at least 1 is needed"));
        }
        if self.micro_batch() == 0 {
            return fault("fewer sequences than pipeline stages: a batch could hold none");
        }
        match self.policy {
            VidurPolicy::LightLlm if self.block_tokens != 1 => {
                fault("LightLLM's scheduler has KV blocks of 1 token")
            }
            VidurPolicy::LightLlm if self.pipeline_parallel != 1 => {
                fault("LightLLM's scheduler has no pipeline parallelism")
            }
            VidurPolicy::Orca | VidurPolicy::Static if self.blocks_of_longest() == 0 => {
                fault("a KV block that is longer than the longest request")
            }
            _ => Ok(()),
        }
    }

    /// Refuses a request that would wait for ever.
    pub(super) fn admits(&self, prefill: u32, decode: u32) -> Result<(), String> {
        let total = u64::from(prefill) + u64::from(decode);
        if prefill == 0 || decode == 0 {
            return Err("has no prompt or no output".to_owned());
        }
        if total > u64::from(self.max_request_tokens) {
            return Err(format!("has {total} tokens, more than {}", self.max_request_tokens));
        }
        let budget = matches!(self.policy, VidurPolicy::Vllm | VidurPolicy::LightLlm);
        if budget && prefill > self.chunk_tokens {
            let most = self.chunk_tokens;
            return Err(format!(
                "has a prompt of {prefill} tokens, but a step takes {most} at most"
            ));
        }
        let (needed, there) = match self.policy {
            VidurPolicy::Sarathi | VidurPolicy::Vllm => {
                let prompt =
                    prefill.div_ceil(self.block_tokens).saturating_add(self.watermark_blocks);
                let end = (total - 1).div_ceil(u64::from(self.block_tokens)) as u32;
                (prompt.max(end), self.blocks)
            }
            VidurPolicy::Orca | VidurPolicy::Static => (self.blocks_of_longest(), self.blocks),
            // Below the number of blocks, not up to it.
            VidurPolicy::LightLlm => {
                ((prefill + 1).saturating_add(decode.saturating_sub(2)), self.blocks - 1)
            }
        };
        if needed > there {
            return Err(format!(
                "needs {needed} KV blocks, the watermark included, and there are {there}"
            ));
        }
        Ok(())
    }
}
