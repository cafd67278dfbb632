//! Steps launched op by op: every op's GPU time and issue time, interpolated in the op's own variables, on
//! the timeline of host and GPU.

use super::PredictError;
use super::interpolate::{Grid, Line};
use super::timeline::{Costs, Issue, timeline};
use crate::model::{GpuOp, StepKind, StepSize};
use crate::profile::{GpuTimes, OpTimesEntry, TimeSpread};

/// Times of one op.
#[derive(Debug, Clone, Default)]
struct OpTable {
    /// Over tokens, or for ops behind the last layer over sequences: all layers together, ns.
    gpu: Line,
    issue: Line,
    one_layer: Line,
    /// Attention: over (sequences or tokens, context).
    attention: Option<Grid>,
}

/// All ops of a step.
#[derive(Debug, Clone)]
pub(super) struct GpuOps {
    /// In the order of [`GpuOp::all`].
    tables: Vec<(GpuOp, OpTable)>,
    layers: u32,
    /// How long issuing takes, as a share of what was measured.
    issue_scale: f64,
    /// How long the GPU runs, likewise.
    run_scale: f64,
    costs: Costs,
    command: String,
}

/// What the ops of a step take together, ns.
pub(super) struct OpTimes {
    /// Until the host has issued all of them.
    pub issued: f64,
    /// Until it knows the step's tokens.
    pub known: f64,
    /// On the GPU.
    pub gpu: f64,
    /// Of that, attention.
    pub attention: f64,
}

/// The variable of an op that is no attention.
fn variable(op: GpuOp, size: StepSize) -> u32 {
    match op {
        GpuOp::AttentionDecode | GpuOp::LmHead | GpuOp::Argmax | GpuOp::Download => size.sequences,
        _ => size.tokens,
    }
}

fn is_attention(op: GpuOp) -> bool {
    matches!(op, GpuOp::AttentionDecode | GpuOp::AttentionPrefill)
}

impl GpuOps {
    pub fn new(times: &GpuTimes, layers: u32, command: &str) -> Result<Self, PredictError> {
        let table = |op: GpuOp| (op, OpTable::new(op, times));
        let missing = |cost: &str| PredictError::MissingCost {
            cost: cost.to_owned(),
            command: command.to_owned(),
        };
        let cost = |name: &str| times.launch(name).ok_or_else(|| missing(name));
        let (issue, wait) = (cost("issue")?, cost("wait")?);
        Ok(Self {
            tables: GpuOp::all().map(table).collect(),
            layers,
            issue_scale: 1.0,
            run_scale: 1.0,
            costs: Costs {
                // What ops take holds the gaps of a graph already.
                gap: (cost("eager_gap")? - cost("graph_gap")?).max(0.0),
                // A round trip is one issue, the way there, an empty kernel and the way back.
                latency: (cost("round_trip")? - issue - wait).max(0.0),
                depth: cost("queue_depth")? as usize,
                wait,
            },
            command: command.to_owned(),
        })
    }

    /// Lets issuing take `scale` times as long as measured.
    pub fn scale_issue(&mut self, scale: f64) {
        self.issue_scale = scale;
    }

    /// Lets the GPU run `scale` times as long as measured.
    pub fn scale_run(&mut self, scale: f64) {
        self.run_scale = scale;
    }

    /// The GPU's time for embedding and LM head, ns; 0 where they were not measured.
    pub fn head(&self, bucket: StepSize) -> f64 {
        let head = [GpuOp::Embed, GpuOp::LmHead];
        let times = self.tables.iter().filter(|(op, _)| head.contains(op));
        times.filter_map(|(op, table)| table.gpu.at(variable(*op, bucket))).sum()
    }

    /// The times of a step, launched op by op.
    ///
    /// # Errors
    /// An op or shape that the profile does not cover.
    pub fn step(
        &self,
        bucket: StepSize,
        sequences: &[(u32, u32)],
    ) -> Result<OpTimes, PredictError> {
        let times = self.times(bucket, sequences)?;
        let of = |ops: &[GpuOp], divisor: f64| -> Vec<Issue> {
            let found = times.iter().filter(|(op, _)| ops.contains(op));
            found.map(|(_, t)| Issue { issue: t.issue / divisor, run: t.run / divisor }).collect()
        };
        let layer = of(&GpuOp::LAYER, f64::from(self.layers));
        let layers = (0..self.layers).flat_map(|_| layer.iter().copied());
        let before = of(&GpuOp::BEFORE, 1.0).into_iter();
        let after = of(&GpuOp::AFTER, 1.0).into_iter();
        let (issued, known) = timeline(before.chain(layers).chain(after), self.costs);
        let attention = times.iter().filter(|(op, _)| is_attention(*op));
        Ok(OpTimes {
            issued,
            known,
            gpu: times.iter().map(|(_, t)| t.run).sum(),
            attention: attention.map(|(_, t)| t.run).sum(),
        })
    }

    /// Issue and GPU time of each op of a step, all layers together, ns.
    fn times(
        &self,
        bucket: StepSize,
        sequences: &[(u32, u32)],
    ) -> Result<Vec<(GpuOp, Issue)>, PredictError> {
        let in_step = self.tables.iter().filter(|(op, _)| op.in_step(bucket));
        in_step
            .map(|(op, table)| {
                let at = variable(*op, bucket);
                let out = |line: &Line| self.out_of_range(*op, at, line.range());
                let issue = table.issue.at(at).ok_or_else(|| out(&table.issue))?;
                let run = match &table.attention {
                    Some(grid) => self.attention(*op, grid, bucket, sequences)?,
                    None => table.gpu.at(at).ok_or_else(|| out(&table.gpu))?,
                };
                Ok((*op, Issue { issue: issue * self.issue_scale, run: run * self.run_scale }))
            })
            .collect()
    }

    /// Attention over the sequences that an op is for, at their mean context.
    fn attention(
        &self,
        op: GpuOp,
        grid: &Grid,
        bucket: StepSize,
        sequences: &[(u32, u32)],
    ) -> Result<f64, PredictError> {
        let single = op == GpuOp::AttentionDecode;
        let mine = || sequences.iter().filter(|s| (s.0 == 1) == single);
        let tokens: u32 = mine().map(|s| s.0).sum();
        let weighted: u64 = mine().map(|s| u64::from(s.0) * u64::from(s.1)).sum();
        let context = (weighted / u64::from(tokens.max(1))) as u32;
        let x = match bucket.kind {
            StepKind::Mixed if single => bucket.sequences,
            StepKind::Mixed => tokens,
            _ => bucket.tokens,
        };
        let ((low, high), contexts) = grid.ranges();
        // Fewer tokens than the smallest bucket's are padded to it.
        let x = x.max(low);
        if !(low..=high).contains(&x) {
            return Err(self.out_of_range(op, x, (low, high)));
        }
        grid.at(x, context).ok_or_else(|| self.out_of_range(op, context, contexts))
    }

    /// What the ops of a step take of the first layer only, as a share of what they take of all.
    pub fn one_layer_share(&self, bucket: StepSize) -> f64 {
        let (mut one, mut all) = (0.0, 0.0);
        for (op, table) in self.tables.iter().filter(|(op, _)| op.in_step(bucket)) {
            let at = variable(*op, bucket);
            let (Some(a), Some(b)) = (table.one_layer.at(at), table.gpu.at(at)) else { continue };
            one += a;
            all += b;
        }
        if all > 0.0 { one / all } else { 1.0 }
    }

    fn out_of_range(&self, op: GpuOp, asked: u32, (low, high): (u32, u32)) -> PredictError {
        let variable = match op {
            GpuOp::LmHead | GpuOp::Argmax | GpuOp::Download => "sequences",
            _ => "tokens or context",
        };
        let command = self.command.clone();
        PredictError::OutOfRange { op: op.as_str(), variable, asked, low, high, command }
    }
}

impl OpTable {
    fn new(op: GpuOp, times: &GpuTimes) -> Self {
        let entries: Vec<&OpTimesEntry> = times.ops.iter().filter(|e| e.op == op).collect();
        // What all ops are measured at; attention stands beside it in a grid of its own.
        let line = |of: fn(&OpTimesEntry) -> TimeSpread| {
            let mut points: Vec<(u32, u64)> =
                entries.iter().map(|e| (variable(op, e.bucket), of(e).median)).collect();
            points.sort_unstable();
            let means = points.chunk_by(|a, b| a.0 == b.0).map(mean);
            Line::new(means).unwrap_or_default()
        };
        let attention = is_attention(op).then(|| {
            let context = |e: &&OpTimesEntry| e.content.0.first().map_or(0, |s| s.1);
            let mut points: Vec<((u32, u32), u64)> =
                entries.iter().map(|e| ((e.bucket.tokens, context(e)), e.gpu.median)).collect();
            points.sort_unstable();
            let means = points.chunk_by(|a, b| a.0 == b.0).map(|same| {
                let values: Vec<(u32, u64)> = same.iter().map(|point| (0, point.1)).collect();
                let ((x, y), _) = same[0];
                (x, y, mean(&values).1)
            });
            Grid::new(means)
        });
        Self {
            gpu: line(|e| e.gpu),
            issue: line(|e| e.issue),
            one_layer: line(|e| e.one_layer),
            attention: attention.flatten(),
        }
    }
}

/// The point of several processes' measurements.
fn mean(same: &[(u32, u64)]) -> (u32, u64) {
    let sum: u64 = same.iter().map(|point| point.1).sum();
    (same[0].0, sum / same.len() as u64)
}
