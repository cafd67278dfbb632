//! Times of a model on a GPU: what was measured, what was made of calibration runs, and what was fitted to both.

use super::Content;
use super::step_model::StepModel;
use crate::model::{GpuOp, StepSize};

/// Measured times on a GPU.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuTimes {
    /// Whole steps as graphs.
    pub replays: Vec<ReplayEntry>,
    /// Whole steps, launch by launch.
    pub eager: Vec<ReplayEntry>,
    /// Whole steps as graphs that nothing is fitted to.
    pub validation: Vec<ReplayEntry>,
    /// Ops.
    pub ops: Vec<OpTimesEntry>,
    /// What launching costs.
    pub launches: Vec<LaunchEntry>,
    /// Host spans.
    pub host: Vec<GpuHostEntry>,
    /// What steps after idle time take longer.
    pub idle: Vec<IdleEntry>,
    /// Measured over predicted steps.
    pub residuals: Vec<StepResidual>,
    /// What was fitted to steps.
    pub step_model: StepModel,
    /// The names of the step model's variables.
    pub variables: Vec<String>,
}

/// Where repeated measurements of one thing lie, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpread {
    /// Median.
    pub median: u64,
    /// 10th percentile.
    pub p10: u64,
    /// 90th percentile.
    pub p90: u64,
}

/// A whole step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayEntry {
    /// The process that measured it.
    pub process: u32,
    /// The size that it was padded to.
    pub bucket: StepSize,
    /// What it computed.
    pub content: Content,
    /// From its launch until the host knew its tokens.
    pub wall: TimeSpread,
    /// On the GPU.
    pub gpu: TimeSpread,
    /// Times measured, of each.
    pub samples: u32,
}

/// One op of a step, over all layers that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpTimesEntry {
    /// The process that measured it.
    pub process: u32,
    /// The op.
    pub op: GpuOp,
    /// The size that the step was padded to.
    pub bucket: StepSize,
    /// What the step computed.
    pub content: Content,
    /// On the GPU, in a graph of its own.
    pub gpu: TimeSpread,
    /// The same, had every layer the first one's weights and cache.
    pub one_layer: TimeSpread,
    /// Issuing it on the host, launch by launch.
    pub issue: TimeSpread,
    /// Times measured, of each.
    pub samples: u32,
}

/// One cost of launching.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchEntry {
    /// The process that measured it.
    pub process: u32,
    /// What it is: `issue`, `round_trip`, `wait`, `graph_gap`, `eager_gap`, and of steps
    /// in service `graph_service_launch`, `graph_overhead`, `eager_service_launch`, `eager_overhead`, all in
    /// ns; or `queue_depth`.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// Host work of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GpuHost {
    /// Choosing the work.
    Schedule,
    /// Describing the batch.
    Prepare,
    /// Handing out tokens, and finding that there is more work.
    Post,
}

impl GpuHost {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Schedule, Self::Prepare, Self::Post];

    /// The name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Prepare => "prepare",
            Self::Post => "post",
        }
    }
}

/// The time of a host span in steps of so many sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuHostEntry {
    /// The span.
    pub span: GpuHost,
    /// Whether a prompt's chunk is in the step.
    pub chunks: bool,
    /// Sequences in the step.
    pub sequences: u32,
    /// The time, ns.
    pub time: TimeSpread,
    /// Times measured.
    pub samples: u32,
}

/// How much longer a step takes after idle time than its content says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleEntry {
    /// Whether kernels were launched one by one.
    pub eager: bool,
    /// Idle time, ns.
    pub idle_ns: u64,
    /// Steps since: 0 is the first one.
    pub steps_since: u32,
    /// Longer by, ns; negative where it was shorter.
    pub extra_ns: i64,
    /// Times measured.
    pub samples: u32,
}

/// Measured over predicted time of one step of a calibration run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepResidual {
    /// The process that served the run.
    pub process: u32,
    /// The run, from 0.
    pub run: u32,
    /// Whether kernels were launched one by one.
    pub eager: bool,
    /// Whether a prompt's chunk is in the step.
    pub chunks: bool,
    /// Sequences in the step.
    pub sequences: u32,
    /// Launch and wait, measured over predicted.
    pub device: f64,
    /// Host spans, measured over predicted.
    pub host: f64,
}

impl GpuTimes {
    /// The mean over processes of a cost of launching.
    pub fn launch(&self, name: &str) -> Option<f64> {
        let values = || self.launches.iter().filter(|e| e.name == name).map(|e| e.value);
        let count = values().count();
        (count > 0).then(|| values().sum::<f64>() / count as f64)
    }
}
