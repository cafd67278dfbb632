//! A profile: measured times of one model on one machine with one build, the predictors' only input.
//! The bundle's format and its provenance; nothing here measures.
//!
//! A bundle is a directory of `ops.csv`, `host.csv`, `residuals.csv` and `profile_meta.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::files::{
    FileError, Hasher, NewDir, Table, TableWriter, find, read_json, sha256_hex, write_inside,
};
use crate::model::{Op, Shape};

const META: &str = "profile_meta.json";
const OPS: &str = "ops.csv";
const HOST: &str = "host.csv";
const RESIDUALS: &str = "residuals.csv";
const SCHEMA_VERSION: u32 = 1;

/// The files of a bundle in `dir`, packed or not.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let found = [OPS, HOST, RESIDUALS, META].map(|name| find(dir, name));
    found.into_iter().filter_map(|file| file.ok().flatten()).collect()
}

/// Measured times.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Where they come from.
    pub meta: ProfileMeta,
    /// Times of ops.
    pub ops: Vec<OpEntry>,
    /// Times of host spans.
    pub host: Vec<HostEntry>,
    /// Measured over predicted time of whole steps, in the order in which they were measured.
    pub residuals: Vec<Residual>,
}

/// Provenance of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileMeta {
    /// Version of the bundle's format.
    pub schema_version: u32,
    /// Model, by its folder.
    pub model: String,
    /// SHA-256 of its architecture.
    pub model_config: String,
    /// Where the weights came from.
    pub weights: String,
    /// Device that was measured.
    pub device: String,
    /// UUID of that device, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_uuid: Option<String>,
    /// CPU of its host.
    pub host: String,
    /// Commit of the build, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Tokens of a KV block.
    pub kv_block_tokens: u32,
    /// Runs that fitted the residuals and host spans. None of them may gate.
    pub run_ids: Vec<String>,
    /// Start of the collection, RFC 3339.
    pub started_at: String,
    /// End of the collection, RFC 3339.
    pub ended_at: String,
}

/// The time of one op at one shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpEntry {
    /// The class.
    pub op: Op,
    /// The shape.
    pub shape: Shape,
    /// Median, ns.
    pub median_ns: u64,
    /// 10th percentile, ns.
    pub p10_ns: u64,
    /// 90th percentile, ns.
    pub p90_ns: u64,
    /// Times measured.
    pub samples: u32,
}

/// Host work around a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// Choosing the work.
    Schedule,
    /// Handing out tokens.
    Post,
}

impl Span {
    const ALL: [(Self, &'static str); 2] = [(Self::Schedule, "schedule"), (Self::Post, "post")];

    /// The name in profiles.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(span, _)| *span == self).map_or("schedule", |(_, name)| name)
    }
}

/// The time of a host span with so many sequences in the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostEntry {
    /// The span.
    pub span: Span,
    /// Sequences in the step.
    pub sequences: u32,
    /// Median, ns.
    pub median_ns: u64,
    /// Times measured.
    pub samples: u32,
}

/// How a whole step compared with the sum of its ops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residual {
    /// Whether the step was decodes only.
    pub decode_only: bool,
    /// Measured over predicted.
    pub ratio: f64,
}

/// What can be wrong with a profile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A file that cannot be read, parsed or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No profile there.
    #[error("{}: no profile here; collect it with `{command}`", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The command that collects it.
        command: String,
    },
    /// A profile of another device or with other settings.
    #[error("{}: the profile is of {what} {found}, the case of {expected}; collect it again, or name another", path.display())]
    Other {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The profile's.
        found: String,
        /// The case's.
        expected: String,
    },
    /// A profile of another model.
    #[error("{}: the profile is of another architecture: its hash is {found}, the model's is {expected}; collect it again", path.display())]
    OtherModel {
        /// The directory.
        path: PathBuf,
        /// Hash in the profile.
        found: String,
        /// Hash of the model.
        expected: String,
    },
}

impl Profile {
    /// Checks that the profile, read from `path`, is of this hardware and KV block size.
    ///
    /// # Errors
    /// [`ProfileError::Other`] with what differs.
    pub fn check(
        &self,
        path: &Path,
        hardware: &str,
        kv_block_tokens: u32,
    ) -> Result<(), ProfileError> {
        let other = |what, found: &str, expected: &str| {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            Err(ProfileError::Other { path: path.to_owned(), what, found, expected })
        };
        let device = &self.meta.device;
        // `h100` stands for every device whose full name has it.
        if !device.to_lowercase().contains(&hardware.to_lowercase()) {
            return other("device", device, hardware);
        }
        if self.meta.kv_block_tokens != kv_block_tokens {
            let found = self.meta.kv_block_tokens.to_string();
            return other("KV block size", &found, &kv_block_tokens.to_string());
        }
        Ok(())
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// A missing bundle, or a faulty file in it.
    pub fn read(dir: &Path, command: &str) -> Result<Self, ProfileError> {
        let missing =
            || ProfileError::Missing { path: dir.to_owned(), command: command.to_owned() };
        let open = |name| find(dir, name)?.ok_or_else(missing);
        let meta_path = open(META)?;
        let meta: ProfileMeta = read_json(&meta_path)?;
        if meta.schema_version > SCHEMA_VERSION {
            let (found, supported) = (meta.schema_version, SCHEMA_VERSION);
            return Err(FileError::SchemaVersion { path: meta_path, found, supported }.into());
        }
        Ok(Self {
            meta,
            ops: read_ops(&open(OPS)?)?,
            host: read_host(&open(HOST)?)?,
            residuals: read_residuals(&open(RESIDUALS)?)?,
        })
    }

    /// Writes a bundle in one step.
    ///
    /// # Errors
    /// A directory of somebody else's, or a system error.
    pub fn write(&self, dir: &Path) -> Result<(), ProfileError> {
        let new = NewDir::create(dir, META)?;
        for (name, bytes) in self.csvs() {
            write_inside(&new.path().join(name), &bytes)?;
        }
        let path = new.path().join(META);
        let json = serde_json::to_vec_pretty(&self.meta).map_err(|e| FileError::json(&path, &e))?;
        write_inside(&path, &json)?;
        new.commit()?;
        Ok(())
    }

    /// SHA-256 over the measured times.
    pub fn hash(&self) -> String {
        let mut hasher = Hasher::new("simgate profile v1");
        self.csvs().iter().for_each(|(_, bytes)| hasher.text(&sha256_hex(bytes)));
        hasher.finish()
    }

    fn csvs(&self) -> [(&'static str, Vec<u8>); 3] {
        let mut ops = TableWriter::new(&OP_COLUMNS);
        for entry in &self.ops {
            let (rows, context) = match entry.shape {
                Shape::Rows(rows) => (rows, String::new()),
                Shape::Sequence { tokens, context } => (tokens, context.to_string()),
            };
            ops.row(&[
                entry.op.as_str().to_owned(),
                rows.to_string(),
                context,
                entry.median_ns.to_string(),
                entry.p10_ns.to_string(),
                entry.p90_ns.to_string(),
                entry.samples.to_string(),
            ]);
        }
        let mut host = TableWriter::new(&HOST_COLUMNS);
        for entry in &self.host {
            host.row(&[
                entry.span.as_str().to_owned(),
                entry.sequences.to_string(),
                entry.median_ns.to_string(),
                entry.samples.to_string(),
            ]);
        }
        let mut residuals = TableWriter::new(&RESIDUAL_COLUMNS);
        for residual in &self.residuals {
            let kind = if residual.decode_only { "decode" } else { "mixed" };
            residuals.row(&[kind, &ratio_ppm(residual.ratio).to_string()]);
        }
        [(OPS, ops.into_bytes()), (HOST, host.into_bytes()), (RESIDUALS, residuals.into_bytes())]
    }
}

const OP_COLUMNS: [&str; 7] =
    ["op", "tokens", "context", "median_ns", "p10_ns", "p90_ns", "samples"];
const HOST_COLUMNS: [&str; 4] = ["span", "sequences", "median_ns", "samples"];
const RESIDUAL_COLUMNS: [&str; 2] = ["kind", "ratio_ppm"];

/// Ratios are kept in millionths: an integer reads back as it was written.
fn ratio_ppm(ratio: f64) -> u64 {
    (ratio * 1e6).round() as u64
}

fn read_ops(path: &Path) -> Result<Vec<OpEntry>, FileError> {
    let table = Table::open(path)?;
    let [op, tokens, context, median, p10, p90, samples] = table.columns(OP_COLUMNS)?;
    let mut entries: Vec<OpEntry> = Vec::new();
    table.for_each::<FileError>(|row| {
        let name = row.text(op);
        let Some(class) = Op::ALL.into_iter().find(|op| op.as_str() == name) else {
            return Err(row.problem(op, format!("`{name}` is no op of a step")));
        };
        let shape = if class.of_sequence() {
            Shape::Sequence { tokens: row.u32(tokens)?, context: row.u32(context)? }
        } else {
            Shape::Rows(row.u32(tokens)?)
        };
        if entries.iter().any(|entry| entry.op == class && entry.shape == shape) {
            return Err(row.problem(op, "this op and shape stand there already"));
        }
        let median_ns = row.u64(median)?;
        if median_ns == 0 {
            return Err(row.problem(median, "an op takes more than 0 ns"));
        }
        let (p10_ns, p90_ns, samples) = (row.u64(p10)?, row.u64(p90)?, row.u32(samples)?);
        entries.push(OpEntry { op: class, shape, median_ns, p10_ns, p90_ns, samples });
        Ok(())
    })?;
    Ok(entries)
}

fn read_host(path: &Path) -> Result<Vec<HostEntry>, FileError> {
    let table = Table::open(path)?;
    let [span, sequences, median, samples] = table.columns(HOST_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        let name = row.text(span);
        let Some((kind, _)) = Span::ALL.into_iter().find(|(_, word)| *word == name) else {
            return Err(row.problem(span, format!("`{name}` is no host span")));
        };
        entries.push(HostEntry {
            span: kind,
            sequences: row.u32(sequences)?,
            median_ns: row.u64(median)?,
            samples: row.u32(samples)?,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_residuals(path: &Path) -> Result<Vec<Residual>, FileError> {
    let table = Table::open(path)?;
    let (kind, ratio) = (table.column(RESIDUAL_COLUMNS[0])?, table.column(RESIDUAL_COLUMNS[1])?);
    let mut residuals = Vec::new();
    table.for_each::<FileError>(|row| {
        let decode_only = match row.text(kind) {
            "decode" => true,
            "mixed" => false,
            other => return Err(row.problem(kind, format!("`{other}` is not `decode` or `mixed`"))),
        };
        residuals.push(Residual { decode_only, ratio: row.u64(ratio)? as f64 / 1e6 });
        Ok(())
    })?;
    Ok(residuals)
}
