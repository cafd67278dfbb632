//! The settings of an engine, the same for the real and the simulated one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::files::Hasher;
use crate::workload::{Request, Workload};

/// How a step's work is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Decodes first, then prefill chunks up to the token budget.
    Sarathi,
    /// Whole prompts before decodes, never both in one step: vLLM until its version 0.
    Vllm,
    /// One token budget for decodes and chunks alike, first come first served: vLLM from version 1 on.
    VllmV1,
    /// Whole prompts beside decodes, each request with room for its whole life.
    Orca,
    /// A batch runs to completion before the next one starts.
    Static,
    /// Whole prompts when all that runs still fits at its largest, decodes otherwise.
    LightLlm,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sarathi, Self::Vllm, Self::VllmV1, Self::Orca, Self::Static, Self::LightLlm];

    /// The word in case files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sarathi => "sarathi",
            Self::Vllm => "vllm",
            Self::VllmV1 => "vllm-v1",
            Self::Orca => "orca",
            Self::Static => "static",
            Self::LightLlm => "light-llm",
        }
    }

    /// Most tokens of a request that have to be computed in one step: none where prompts are cut into chunks, the
    /// prompt where they are not, and all but the last where a request may be computed anew.
    pub fn tokens_at_once(self, prefill_tokens: u32, decode_tokens: u32) -> u32 {
        match self {
            Self::Sarathi | Self::VllmV1 | Self::Static => 1,
            Self::Orca | Self::LightLlm => prefill_tokens,
            Self::Vllm => prefill_tokens.saturating_add(decode_tokens.saturating_sub(1)),
        }
    }
}

/// How a step's kernels reach the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Launch {
    /// One launch after another.
    #[default]
    Eager,
    /// The whole step as one captured graph.
    Graph,
}

impl Launch {
    /// The word in case files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Graph => "graph",
        }
    }
}

/// Settings of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// How a step's work is chosen.
    pub policy: Policy,
    /// Most tokens of one step.
    pub chunk_tokens: u32,
    /// Most sequences of one step.
    pub max_sequences: u32,
    /// Tokens of one KV block.
    pub kv_block_tokens: u32,
    /// KV blocks; absent where the engine takes what memory allows.
    pub kv_blocks: Option<u32>,
    /// Share of the KV blocks kept free when a request is admitted, in hundredths of a percent.
    pub kv_watermark_bp: u32,
    /// How kernels are launched.
    pub launch: Launch,
    /// Whether every request runs to its full output length.
    pub ignore_eos: bool,
}

/// The watermark of an engine that names none: 1 %, as in vLLM.
pub const DEFAULT_KV_WATERMARK_BP: u32 = 100;

impl EngineConfig {
    /// KV blocks that hold `tokens` tokens.
    pub fn blocks_for(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.kv_block_tokens)
    }

    /// KV blocks that one request needs when its last token is computed. The last output token is
    /// never fed back, so it takes no room.
    pub fn blocks_of_request(&self, prefill_tokens: u32, decode_tokens: u32) -> u32 {
        self.blocks_for(prefill_tokens.saturating_add(decode_tokens.saturating_sub(1)))
    }

    /// Of `blocks` KV blocks, those kept free when a request is admitted.
    pub fn watermark(&self, blocks: u32) -> u32 {
        let share = u64::from(blocks) * u64::from(self.kv_watermark_bp);
        share.div_ceil(10_000) as u32
    }

    /// The KV blocks there are: as configured, or enough for `max_sequences` of the workload's
    /// largest requests.
    pub fn resolve_kv_blocks(&self, workload: &Workload) -> u32 {
        self.kv_blocks.unwrap_or_else(|| {
            let need = |r: &Request| self.blocks_of_request(r.prefill_tokens, r.decode_tokens);
            let largest = workload.requests.iter().map(need).max().unwrap_or(1);
            largest.saturating_mul(self.max_sequences).saturating_add(1)
        })
    }

    /// SHA-256 over the settings, in their order here.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate engine v1");
        hasher.text(self.policy.as_str());
        hasher.text(self.launch.as_str());
        for number in
            [self.chunk_tokens, self.max_sequences, self.kv_block_tokens, self.kv_watermark_bp]
        {
            hasher.number(u64::from(number));
        }
        hasher.number(self.kv_blocks.map_or(u64::MAX, u64::from));
        hasher.number(u64::from(self.ignore_eos));
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_changes_the_hash() {
        let base = EngineConfig {
            policy: Policy::Sarathi,
            chunk_tokens: 512,
            max_sequences: 128,
            kv_block_tokens: 16,
            kv_blocks: Some(10_000),
            kv_watermark_bp: 100,
            launch: Launch::Graph,
            ignore_eos: true,
        };
        let variants = [
            base.clone(),
            EngineConfig { policy: Policy::Static, ..base.clone() },
            EngineConfig { chunk_tokens: 256, ..base.clone() },
            EngineConfig { max_sequences: 64, ..base.clone() },
            EngineConfig { kv_block_tokens: 32, ..base.clone() },
            EngineConfig { kv_blocks: None, ..base.clone() },
            EngineConfig { kv_watermark_bp: 0, ..base.clone() },
            EngineConfig { launch: Launch::Eager, ..base.clone() },
            EngineConfig { ignore_eos: false, ..base },
        ];
        let mut hashes: Vec<String> = variants.iter().map(EngineConfig::hash).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 9);
    }
}
