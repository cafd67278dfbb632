//! Steps on the CPU, where ops run one after another: sums of medians.

use super::interpolate::{Grid, Line};
use super::{PredictError, Step};
use crate::engine::StepSpans;
use crate::model::{ModelConfig, Op, Shape, op_list};
use crate::profile::{CpuTimes, ProfileMeta, Span};
use crate::stats::Random;

/// Predicts steps of one model on a CPU.
#[derive(Debug, Clone)]
pub struct CpuPredictor {
    model: ModelConfig,
    /// By op, in the order of [`Op::ALL`].
    tables: Vec<Option<Table>>,
    schedule: Line,
    post: Line,
    /// Measured over predicted times: of decode steps, and of all others.
    residuals: [Vec<f64>; 2],
    command: String,
}

#[derive(Debug, Clone)]
enum Table {
    Rows(Line),
    Sequence(Grid),
}

impl CpuPredictor {
    /// Arranges a profile for look-ups.
    pub fn new(meta: &ProfileMeta, times: &CpuTimes, model: &ModelConfig) -> Self {
        let table = |op: Op| {
            let entries = || times.ops.iter().filter(move |entry| entry.op == op);
            if op.of_sequence() {
                Grid::new(entries().filter_map(|entry| match entry.shape {
                    Shape::Sequence { tokens, context } => Some((tokens, context, entry.median_ns)),
                    Shape::Rows(_) => None,
                }))
                .map(Table::Sequence)
            } else {
                Line::new(entries().filter_map(|entry| match entry.shape {
                    Shape::Rows(rows) => Some((rows, entry.median_ns)),
                    Shape::Sequence { .. } => None,
                }))
                .map(Table::Rows)
            }
        };
        let host = |span: Span| {
            let entries = times.host.iter().filter(|entry| entry.span == span);
            Line::new(entries.map(|entry| (entry.sequences, entry.median_ns))).unwrap_or_default()
        };
        let residuals = |decode_only| {
            let of_kind = times.residuals.iter().filter(|r| r.decode_only == decode_only);
            of_kind.map(|r| r.ratio).collect()
        };
        Self {
            model: model.clone(),
            tables: Op::ALL.into_iter().map(table).collect(),
            schedule: host(Span::Schedule),
            post: host(Span::Post),
            residuals: [residuals(true), residuals(false)],
            command: format!(
                "simgate profile {} --kv-block-tokens {} --out DIR",
                meta.model, meta.kv_block_tokens
            ),
        }
    }

    /// The time of a step over sequences of (tokens computed now, tokens in the cache before), of
    /// which `rows` want their next token: sums of medians, without residual.
    ///
    /// # Errors
    /// A shape that the profile does not cover.
    pub fn step(&self, sequences: &[(u32, u32)], rows: u32) -> Result<StepTimes, PredictError> {
        let mut times = StepTimes {
            schedule_ns: self.host("schedule", &self.schedule, sequences)?,
            prepare_ns: 0.0,
            ops_ns: 0.0,
            post_ns: self.host("post", &self.post, sequences)?,
        };
        for call in op_list(&self.model, sequences, rows) {
            let time = self.op(call.op, call.shape)? * f64::from(call.count);
            if call.op == Op::Prepare {
                times.prepare_ns += time;
            } else {
                times.ops_ns += time;
            }
        }
        Ok(times)
    }

    /// The spans of a step with a residual.
    ///
    /// # Errors
    /// A shape that the profile does not cover.
    pub fn draw(&self, step: Step<'_>, random: &mut Random) -> Result<StepSpans, PredictError> {
        let times = self.step(step.sequences, step.rows)?;
        let residual = self.residual(step.decode_only, random)?;
        let ns = |time: f64| time.round() as u64;
        Ok(StepSpans {
            schedule_ns: ns(times.schedule_ns),
            prepare_ns: ns(times.prepare_ns * residual),
            launch_ns: ns(times.ops_ns * residual),
            post_ns: ns(times.post_ns),
            ..StepSpans::default()
        })
    }

    /// The time of one op, ns.
    ///
    /// # Errors
    /// A shape that the profile does not cover.
    pub fn op(&self, op: Op, shape: Shape) -> Result<f64, PredictError> {
        let missing = || PredictError::MissingOp { op: op.as_str(), command: self.command.clone() };
        let out = |variable, asked, (low, high)| {
            self.out_of_range(op.as_str(), variable, asked, low, high)
        };
        match (self.tables[op as usize].as_ref().ok_or_else(missing)?, shape) {
            (Table::Rows(line), Shape::Rows(rows)) => {
                line.at(rows).ok_or_else(|| out("rows", rows, line.range()))
            }
            (Table::Sequence(grid), Shape::Sequence { tokens, context }) => {
                let (token_range, context_range) = grid.ranges();
                if !within(tokens, token_range) {
                    return Err(out("tokens", tokens, token_range));
                }
                grid.at(tokens, context).ok_or_else(|| out("context", context, context_range))
            }
            _ => Err(missing()),
        }
    }

    fn host(
        &self,
        name: &'static str,
        line: &Line,
        sequences: &[(u32, u32)],
    ) -> Result<f64, PredictError> {
        let count = sequences.len() as u32;
        let (low, high) = line.range();
        line.at(count).ok_or_else(|| self.out_of_range(name, "sequences", count, low, high))
    }

    fn out_of_range(
        &self,
        op: &'static str,
        variable: &'static str,
        asked: u32,
        low: u32,
        high: u32,
    ) -> PredictError {
        let flag = match variable {
            "context" => "--max-context",
            "sequences" => "--max-sequences",
            // Rows are tokens of a step, but for the ops after the last layer.
            _ if matches!(op, "final_norm" | "lm_head" | "argmax") => "--max-sequences",
            _ => "--max-tokens",
        };
        let command = format!("{} {flag} {}", self.command, asked.max(high));
        PredictError::OutOfRange { op, variable, asked, low, high, command }
    }

    /// A measured ratio of a whole step to the sum of its ops, drawn at random.
    ///
    /// # Errors
    /// No step of this kind among the measured ones.
    pub fn residual(&self, decode_only: bool, random: &mut Random) -> Result<f64, PredictError> {
        let [decode, mixed] = &self.residuals;
        let (kind, from) = if decode_only { ("decode", decode) } else { ("mixed", mixed) };
        let drawn = from.get(random.below(from.len() as u64) as usize).copied();
        drawn.ok_or_else(|| PredictError::MissingResidual { kind, command: self.command.clone() })
    }
}

fn within(value: u32, (low, high): (u32, u32)) -> bool {
    (low..=high).contains(&value)
}

/// The parts of a predicted step, ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTimes {
    /// Choosing the work.
    pub schedule_ns: f64,
    /// Describing the batch.
    pub prepare_ns: f64,
    /// The model's ops.
    pub ops_ns: f64,
    /// Handing out tokens.
    pub post_ns: f64,
}
