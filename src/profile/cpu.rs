//! Times of a model on the CPU: of ops, of host spans, and how whole steps compared with their sums.

use std::path::{Path, PathBuf};

use super::{Files, ProfileError};
use crate::files::{FileError, Table, TableWriter};
use crate::model::{Op, Shape};

const OPS: &str = "ops.csv";
const HOST: &str = "host.csv";
const RESIDUALS: &str = "residuals.csv";
/// Its files.
pub(super) const FILES: [&str; 3] = [OPS, HOST, RESIDUALS];

/// Measured times on the CPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CpuTimes {
    /// Times of ops.
    pub ops: Vec<OpEntry>,
    /// Times of host spans.
    pub host: Vec<HostEntry>,
    /// Measured over predicted time of whole steps, in the order in which they were measured.
    pub residuals: Vec<Residual>,
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

impl CpuTimes {
    pub(super) fn read(
        open: &dyn Fn(&'static str) -> Result<PathBuf, ProfileError>,
    ) -> Result<Self, ProfileError> {
        Ok(Self {
            ops: read_ops(&open(OPS)?)?,
            host: read_host(&open(HOST)?)?,
            residuals: read_residuals(&open(RESIDUALS)?)?,
        })
    }

    pub(super) fn files(&self) -> Files {
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
        vec![(OPS, ops), (HOST, host), (RESIDUALS, residuals)]
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
