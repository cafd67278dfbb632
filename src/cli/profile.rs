//! `simgate profile`: measures a model on this machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use simgate::backend::LoadedModel;
use simgate::collect::{Ranges, collect};
use simgate::model::Placement;

use super::progress::Bar;
use super::say;

/// Measure a model on this machine: the simulator's only input
///
/// Example: simgate profile qwen3-tiny --out baselines/cpu/profiles/qwen3-tiny
#[derive(Debug, Args)]
pub struct Profile {
    /// The model, by its folder under models/
    model: String,
    /// What to measure on
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Where to write the bundle
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Most tokens of a step
    #[arg(long, default_value_t = 512)]
    max_tokens: u32,
    /// Most tokens in the cache of one sequence
    #[arg(long, default_value_t = 1024)]
    max_context: u32,
    /// Most sequences of a step
    #[arg(long, default_value_t = 32)]
    max_sequences: u32,
    /// Tokens of a KV block
    #[arg(long, default_value_t = 16)]
    kv_block_tokens: u32,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Device {
    Cpu,
}

impl Profile {
    /// Measures and writes.
    pub fn run(&self) -> anyhow::Result<u8> {
        let Device::Cpu = self.device;
        for (flag, value) in [
            ("max-tokens", self.max_tokens),
            ("max-context", self.max_context),
            ("max-sequences", self.max_sequences),
            ("kv-block-tokens", self.kv_block_tokens),
        ] {
            anyhow::ensure!(value > 0, "--{flag} is 0: it is at least 1");
        }
        let loaded = LoadedModel::open(&self.models.join(&self.model), &Placement::cpu())?;
        let positions = loaded.config.max_positions;
        for (flag, value) in [("max-tokens", self.max_tokens), ("max-context", self.max_context)] {
            anyhow::ensure!(
                value <= positions,
                "--{flag} is {value}, but the model has {positions} positions"
            );
        }
        let ranges = Ranges {
            max_tokens: self.max_tokens,
            max_context: self.max_context,
            max_sequences: self.max_sequences,
            kv_block_tokens: self.kv_block_tokens,
        };
        let bar = Bar::new();
        let profile = collect(&self.model, &loaded, ranges, &|what, done, all| {
            bar.show(&self.model, what, done, all);
        })?;
        bar.clear();
        profile.write(&self.out)?;
        say!(
            "{} ops, {} host spans, {} steps in {}",
            profile.ops.len(),
            profile.host.len(),
            profile.residuals.len(),
            self.out.display()
        );
        Ok(0)
    }
}
