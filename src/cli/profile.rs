//! `simgate profile`: measures a model on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use simgate::backend::LoadedModel;
use simgate::collect::{
    GpuSettings, Ranges, ValidatedStep, assemble, collect, measure_part, refit, validate,
};
use simgate::files::sha256_hex;
use simgate::model::{ModelConfig, Placement};
use simgate::report::{Style, duration, overview_table, signed_percent};

use super::progress::Bar;
use super::say;

/// Measure a model on this machine: the simulator's only input
///
/// On a GPU several processes measure a part each, so that what differs between processes is in the profile.
/// A collection that was stopped goes on behind its last whole part.
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
    /// Most tokens of a step, on a CPU
    #[arg(long, default_value_t = 512)]
    max_tokens: u32,
    /// Most tokens in the cache of one sequence
    #[arg(long, default_value_t = 1024)]
    max_context: u32,
    /// Most sequences of a step, on a CPU
    #[arg(long, default_value_t = 32)]
    max_sequences: u32,
    /// Tokens of a KV block
    #[arg(long, default_value_t = 16)]
    kv_block_tokens: u32,
    /// Most tokens and most sequences of a step, on a GPU: `chunk_tokens` and `max_sequences` of each engine
    /// that is to be predicted
    #[arg(long, value_name = "TOKENSxSEQUENCES", value_delimiter = ',', default_value = "512x128", value_parser = limits)]
    limits: Vec<(u32, u32)>,
    /// KV blocks, on a GPU
    #[arg(long, default_value_t = 10_000)]
    kv_blocks: u32,
    /// Processes that measure a part each, on a GPU
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    processes: u32,
    /// Random contents of each bucket and process, on a GPU
    #[arg(long, default_value_t = 6)]
    contents: u32,
    /// Random steps of each process that nothing is fitted to, on a GPU
    #[arg(long, default_value_t = 200)]
    validation: u32,
    /// Measure nothing: fit the bundle in --out anew to the steps that were measured
    #[arg(long)]
    refit: bool,
    /// Measure nothing: predict the random steps of the bundle in --out that nothing was fitted to, and print
    /// predicted against measured times
    #[arg(long, conflicts_with = "refit")]
    validate: bool,
    /// The part to measure
    #[arg(long, hide = true)]
    part: Option<u32>,
    /// Folder of models
    #[arg(long, value_name = "DIR", default_value = "models")]
    models: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Device {
    /// This machine's processor
    Cpu,
    /// The first GPU that the process sees
    #[value(name = "cuda:0")]
    Cuda,
}

fn limits(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('x').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parts {
        Some((tokens, sequences)) if tokens > 0 && sequences > 0 => Ok((tokens, sequences)),
        _ => Err("expected TOKENSxSEQUENCES, such as 512x128".to_owned()),
    }
}

impl Profile {
    /// Measures and writes.
    pub fn run(&self) -> anyhow::Result<u8> {
        for (flag, value) in [
            ("max-tokens", self.max_tokens),
            ("max-context", self.max_context),
            ("max-sequences", self.max_sequences),
            ("kv-block-tokens", self.kv_block_tokens),
            ("kv-blocks", self.kv_blocks),
        ] {
            ensure!(value > 0, "--{flag} is 0: it is at least 1");
        }
        let folder = self.models.join(&self.model);
        let positions = ModelConfig::read(&folder)?.max_positions;
        let of_device = match self.device {
            Device::Cpu => vec![("max-tokens", self.max_tokens)],
            Device::Cuda => self.limits.iter().map(|limits| ("limits", limits.0)).collect(),
        };
        if self.device == Device::Cuda {
            self.check_room(positions)?;
        }
        for (flag, value) in of_device.into_iter().chain([("max-context", self.max_context)]) {
            ensure!(
                value <= positions,
                "--{flag} is {value}, but the model has {positions} positions"
            );
        }
        if self.refit {
            let profile = refit(&folder, &self.out)?;
            say!("{} in {}", profile.times, self.out.display());
            return Ok(0);
        }
        if self.validate {
            return self.validation(&folder);
        }
        match (self.device, self.part) {
            (Device::Cpu, _) => self.on_cpu(&folder),
            (Device::Cuda, Some(part)) => self.part(&folder, part),
            (Device::Cuda, None) => self.on_gpu(),
        }
    }

    /// Whether KV blocks and positions hold what is measured.
    fn check_room(&self, positions: u32) -> anyhow::Result<()> {
        for &(tokens, sequences) in &self.limits {
            let longest = u64::from(self.max_context) + u64::from(tokens);
            ensure!(
                longest <= u64::from(positions),
                "--max-context {} and {tokens} tokens of --limits are more than the model's {positions} positions",
                self.max_context
            );
            // Every sequence has some tokens in the cache, and a chunk has all of a step's.
            let needed =
                3 * u64::from(sequences) + u64::from(tokens.div_ceil(self.kv_block_tokens));
            ensure!(
                u64::from(self.kv_blocks) >= needed,
                "--kv-blocks {} are too few for {sequences} sequences and {tokens} tokens of --limits: {needed} at least",
                self.kv_blocks
            );
        }
        Ok(())
    }

    fn on_cpu(&self, folder: &Path) -> anyhow::Result<u8> {
        let loaded = LoadedModel::open(folder, &Placement::cpu())?;
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
        say!("{} in {}", profile.times, self.out.display());
        Ok(0)
    }

    fn validation(&self, folder: &Path) -> anyhow::Result<u8> {
        let profile = simgate::profile::Profile::read(&self.out, "simgate profile")?;
        let validation = validate(&profile, &ModelConfig::read(folder)?)?;
        let rows: Vec<_> = validation.steps.iter().map(|step| (validated(step), None)).collect();
        let header = ["bucket", "measured", "predicted", "error", "content", "where it comes from"];
        say!("{}", overview_table(&header, &rows, Style::of_stdout()));
        let [median, p95, bias] = validation.errors().map(|error| 100.0 * error);
        say!(
            "{} steps, {} refused: median absolute error {median:.2} %, 95th percentile {p95:.2} %, median error {bias:+.2} %; {}",
            validation.steps.len(),
            validation.refused(),
            profile.meta.device
        );
        Ok(0)
    }

    fn settings(&self) -> GpuSettings {
        GpuSettings {
            limits: self.limits.clone(),
            kv_blocks: self.kv_blocks,
            kv_block_tokens: self.kv_block_tokens,
            max_context: self.max_context,
            contents: self.contents,
            validation: self.validation,
            seed: 0,
        }
    }

    /// Measures one part in this process.
    fn part(&self, folder: &Path, part: u32) -> anyhow::Result<u8> {
        let loaded = Rc::new(LoadedModel::open(folder, &Placement::gpu()?)?);
        let bar = Bar::new();
        let whom = format!("{}, process {part}", self.model);
        let folder = self.part_folder(part)?;
        measure_part(&self.model, &loaded, &self.settings(), part, &folder, &|what, done, all| {
            bar.show(&whom, what, done, all);
        })?;
        bar.clear();
        Ok(0)
    }

    /// Where parts are kept until the bundle is made of them.
    fn parts(&self) -> anyhow::Result<PathBuf> {
        let name = self.out.file_name().context("--out names no folder")?.to_string_lossy();
        Ok(self.out.with_file_name(format!(".{name}.parts")))
    }

    fn part_folder(&self, part: u32) -> anyhow::Result<PathBuf> {
        Ok(self.parts()?.join(part.to_string()))
    }

    /// Makes the folder of parts, or finds that the parts in it were measured with this program and settings.
    fn claim_parts(&self, program: &Path) -> anyhow::Result<()> {
        let parts = self.parts()?;
        let bytes = std::fs::read(program).context("cannot read this program")?;
        let making = format!("{:?} {} {}", self.settings(), self.model, sha256_hex(&bytes));
        let path = parts.join("making");
        match std::fs::read_to_string(&path) {
            Ok(found) if found == making => Ok(()),
            Ok(_) => bail!(
                "{}: parts of another program or with other settings are here; remove this folder to measure anew",
                parts.display()
            ),
            Err(_) => {
                std::fs::create_dir_all(&parts)
                    .with_context(|| format!("cannot create {}", parts.display()))?;
                std::fs::write(&path, making)
                    .with_context(|| format!("cannot write {}", path.display()))
            }
        }
    }

    /// Has every part measured by a process of its own, and makes the bundle of them.
    fn on_gpu(&self) -> anyhow::Result<u8> {
        let program = std::env::current_exe().context("cannot find this program again")?;
        self.claim_parts(&program)?;
        let mut folders = Vec::new();
        for part in 0..self.processes {
            let folder = self.part_folder(part)?;
            if simgate::collect::part_is_whole(&folder) {
                say!("process {part}: measured before, in {}", folder.display());
                folders.push(folder);
                continue;
            }
            let words = std::env::args_os().skip(1);
            let status = Command::new(&program)
                .args(words)
                .args(["--part", &part.to_string()])
                .status()
                .context("cannot start a process to measure in")?;
            if !status.success() {
                bail!(
                    "process {part} failed; the parts before it are kept, and the next `simgate profile` goes on there"
                );
            }
            folders.push(folder);
        }
        let profile = assemble(&self.models.join(&self.model), &folders, &self.out)?;
        let parts = self.parts()?;
        std::fs::remove_dir_all(&parts)
            .with_context(|| format!("cannot remove {}", parts.display()))?;
        say!("{} in {}", profile.times, self.out.display());
        Ok(0)
    }
}

/// A row of the table of validation steps; contents are cut where they are long.
fn validated(step: &ValidatedStep) -> Vec<String> {
    let content = step.measured.content.to_string();
    let shown: String = content.chars().take(CONTENT_SHOWN).collect();
    let rest = if shown.len() < content.len() { "..." } else { "" };
    let predicted = match &step.predicted {
        Ok(time) => duration(*time),
        Err(error) => format!("refused: {error}"),
    };
    vec![
        step.measured.bucket.to_string(),
        duration(step.measured.wall.median as f64),
        predicted,
        step.error().map_or("-".to_owned(), signed_percent),
        format!("{shown}{rest}"),
        step.origin.split(';').next().unwrap_or_default().to_owned(),
    ]
}

/// Characters of a content that a table shows.
const CONTENT_SHOWN: usize = 32;
