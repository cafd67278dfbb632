//! Steps on a GPU: host spans, and the step model of whole steps in each bucket. Every time is fitted to steps
//! that were measured in that bucket, and none is given outside what was measured there.

use std::cell::RefCell;
use std::sync::Arc;

use super::ablation::{Ablation, Parts};
use super::gpu_ops::{GpuOps, OpTimes};
use super::interpolate::Line;
use super::memo::Memo;
use super::residuals::{Draws, Residuals};
use super::work::{NAMES, variables};
use super::{Idle, PredictError};
use crate::engine::{EngineConfig, Launch, StepSpans};
use crate::model::{AttentionWork, Buckets, ModelConfig, StepSize};
use crate::profile::{BucketModel, Content, GpuHost, GpuTimes, ProfileMeta, StepModel};

/// Predicts steps of one model and engine on a GPU.
#[derive(Debug, Clone)]
pub struct GpuPredictor {
    buckets: Buckets,
    work: AttentionWork,
    eager: bool,
    /// By bucket, in the order of [`Buckets::all`].
    models: Vec<Option<BucketModel>>,
    /// What each bucket is called, likewise.
    names: Vec<Arc<str>>,
    /// Of steps without and with a chunk, by [`GpuHost::ALL`].
    host: [Vec<Line>; 2],
    /// Longer after idle time, by steps since.
    idle: Vec<Line>,
    residuals: Residuals,
    /// Ops, one by one.
    ops: GpuOps,
    /// The host's time to launch a graph, ns.
    launch_ns: f64,
    /// What launch and wait take beyond the GPU's own time, ns.
    overhead_ns: f64,
    layers: f64,
    ablation: Option<Ablation>,
    gpu_scale: f64,
    launch_scale: f64,
    /// What the models said of steps before.
    memo: RefCell<Memo>,
    command: String,
}

/// Times from a step's launch on, ns.
struct DeviceTimes {
    /// Until the host knows its tokens.
    device: f64,
    /// Of which the GPU works.
    gpu: f64,
    /// The host's time to issue everything.
    issue: f64,
    /// The GPU's time for attention.
    attention: f64,
}

/// A step taken apart, ns.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StepParts {
    /// On the GPU.
    pub gpu: f64,
    /// On the host before and beside it: until its tokens are known.
    pub before: f64,
    /// On the host behind it.
    pub after: f64,
}

/// What a step is predicted to take, ns, without residuals.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuStep {
    /// The size that it is padded to.
    pub bucket: StepSize,
    /// Its place among the engine's.
    pub place: usize,
    /// Choosing the work.
    pub schedule: f64,
    /// Describing the batch.
    pub prepare: f64,
    /// From its launch until the host knows its tokens, as a GPU that is at work takes.
    pub device: f64,
    /// Of that, what is not the GPU's own time.
    pub beside: f64,
    /// Longer after idle time.
    pub idle: f64,
    /// Handing out tokens.
    pub post: f64,
}

impl GpuPredictor {
    /// Arranges a profile for look-ups.
    ///
    /// # Errors
    /// A profile that nothing was fitted to yet, or that lacks a cost of launching.
    pub fn new(
        meta: &ProfileMeta,
        times: &GpuTimes,
        model: &ModelConfig,
        engine: &EngineConfig,
    ) -> Result<Self, PredictError> {
        let multiprocessors = meta.gpu.as_ref().map_or(1, |gpu| gpu.multiprocessors);
        let known = times.variables.iter().map(String::as_str).eq(NAMES);
        if times.step_model.is_empty() || !known {
            return Err(PredictError::NotFitted { model: meta.model.clone() });
        }
        let command = format!("simgate profile {} --device cuda:0 --out DIR", meta.model);
        let eager = engine.launch == Launch::Eager;
        let buckets = Buckets::new(engine.chunk_tokens, engine.max_sequences);
        let of = |model: &StepModel, &bucket: &StepSize| model.get(&bucket).cloned();
        let host = |chunks: bool| {
            let line = |span: GpuHost| {
                let entries = times.host.iter().filter(|e| e.span == span && e.chunks == chunks);
                Line::new(entries.map(|e| (e.sequences, e.time.median))).unwrap_or_default()
            };
            GpuHost::ALL.into_iter().map(line).collect()
        };
        let mode = engine.launch.as_str();
        let cost = |name: &str| {
            let cost = format!("{mode}_{name}");
            let missing =
                || PredictError::MissingCost { cost: cost.clone(), command: command.clone() };
            times.launch(&cost).ok_or_else(missing)
        };
        let (launch_ns, overhead_ns) = (cost("service_launch")?, cost("overhead")?);
        Ok(Self {
            models: buckets.all().iter().map(|bucket| of(&times.step_model, bucket)).collect(),
            names: buckets.all().iter().map(|bucket| bucket.to_string().into()).collect(),
            buckets,
            work: AttentionWork::new(model, multiprocessors),
            eager,
            host: [host(false), host(true)],
            idle: idle_lines(times, eager),
            residuals: Residuals::new(times.residuals.iter().filter(|r| r.eager == eager)),
            ops: GpuOps::new(times, model.layers as u32, &command)?,
            launch_ns,
            overhead_ns,
            layers: model.layers as f64,
            ablation: None,
            gpu_scale: 1.0,
            launch_scale: 1.0,
            memo: RefCell::default(),
            command,
        })
    }

    /// Predicts with one part of the prediction left out or replaced.
    pub fn ablate(&mut self, ablation: Ablation) {
        self.ablation = Some(ablation);
    }

    /// Lets the GPU work `scale` times as long as predicted.
    pub fn scale_gpu(&mut self, scale: f64) {
        match self.eager {
            // On the timeline, where the host may hide it.
            true => self.ops.scale_run(scale),
            false => self.gpu_scale = scale,
        }
    }

    /// Lets launching take `scale` times as long as predicted.
    pub fn scale_launch(&mut self, scale: f64) {
        match self.eager {
            // On the timeline likewise.
            true => self.ops.scale_issue(scale),
            false => self.launch_scale = scale,
        }
    }

    /// A step taken apart, without residuals.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn parts(&self, sequences: &[(u32, u32)], idle: Idle) -> Result<StepParts, PredictError> {
        Ok(self.taken_apart(&self.step(sequences, idle)?, (1.0, 1.0)))
    }

    /// A step taken apart, and its bucket.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn draw_parts(
        &self,
        sequences: &[(u32, u32)],
        idle: Idle,
        draws: &mut Draws,
    ) -> Result<(StepParts, String), PredictError> {
        let predicted = self.step(sequences, idle)?;
        let ratios = self.ratios(&predicted, sequences.len(), draws);
        Ok((self.taken_apart(&predicted, ratios), predicted.bucket.to_string()))
    }

    /// How much of the time between a step's first and last kernel the GPU works, as a share.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn busy_share(&self, sequences: &[(u32, u32)]) -> Result<f64, PredictError> {
        let step = self.step(sequences, Idle::default())?;
        let between = step.device - self.overhead_ns;
        let work = step.device - step.beside;
        Ok(if between > 0.0 { (work / between).min(1.0) } else { 1.0 })
    }

    fn taken_apart(&self, step: &GpuStep, (device, host): (f64, f64)) -> StepParts {
        let whole = step.device * device + step.idle;
        let gpu = (whole - step.beside).max(0.0);
        let before = (step.schedule + step.prepare) * host + whole - gpu;
        StepParts { gpu, before, after: step.post * host }
    }

    /// Residuals of the next step.
    fn ratios(&self, predicted: &GpuStep, sequences: usize, draws: &mut Draws) -> (f64, f64) {
        match self.ablation {
            Some(Ablation::NoResiduals) => (1.0, 1.0),
            _ => {
                let chunks = predicted.bucket.prefills();
                draws.next(&self.residuals, chunks, sequences as u32)
            }
        }
    }

    /// What a step is predicted to take.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn step(&self, sequences: &[(u32, u32)], idle: Idle) -> Result<GpuStep, PredictError> {
        let size = StepSize::of_tokens(sequences.iter().map(|sequence| sequence.0));
        let place = self.buckets.fitting(size);
        let place = place.ok_or_else(|| self.missing(size))?;
        let bucket = self.buckets.all()[place];
        let DeviceTimes { mut device, gpu, issue, attention } = self.device(place, sequences)?;
        let chunks = bucket.prefills();
        let mut host = self.host_spans(chunks, sequences.len() as u32)?;
        let mut idle = self.idle_extra(idle);
        if let Some(ablation) = self.ablation {
            let parts = Parts {
                host,
                device,
                gpu,
                idle,
                attention,
                issue,
                head: self.ops.head(bucket),
                one_layer: device * self.ops.one_layer_share(bucket),
                usual_beside_gpu: self.usual_beside_gpu(),
                layers: self.layers,
            };
            let changed = ablation.apply(parts, chunks);
            (host, device, idle) = (changed.host, changed.device, changed.idle);
        }
        let [schedule, prepare, post] = host;
        // A graph starts once it is launched.
        device += (self.launch_scale - 1.0) * self.launch_ns;
        device += (self.gpu_scale - 1.0) * gpu;
        let beside = (device - self.gpu_scale * gpu).max(0.0);
        Ok(GpuStep { bucket, place, schedule, prepare, device, beside, idle, post })
    }

    /// Schedule, prepare and post of a step, ns.
    fn host_spans(&self, chunks: bool, sequences: u32) -> Result<[f64; 3], PredictError> {
        let mut spans = [0.0; 3];
        let lines = GpuHost::ALL.into_iter().zip(&self.host[usize::from(chunks)]);
        for (time, (span, line)) in spans.iter_mut().zip(lines) {
            *time = line.at(sequences).ok_or_else(|| {
                let (low, high) = line.range();
                PredictError::OutOfRange {
                    op: span.as_str(),
                    variable: "sequences",
                    asked: sequences,
                    low,
                    high,
                    command: self.command.clone(),
                }
            })?;
        }
        Ok(spans)
    }

    /// The times of a step in the bucket at `place`.
    fn device(&self, place: usize, sequences: &[(u32, u32)]) -> Result<DeviceTimes, PredictError> {
        let bucket = self.buckets.all()[place];
        if self.eager {
            // Steps as graphs are fitted to service; a timeline of ops that were measured alone is not.
            let level = self.residuals.level(bucket.prefills(), sequences.len() as u32);
            let OpTimes { issued, known, gpu, attention } = self.ops.step(bucket, sequences)?;
            return Ok(DeviceTimes { device: known * level, gpu, issue: issued, attention });
        }
        let model = self.models[place].as_ref().ok_or_else(|| self.missing(bucket))?;
        let values = variables(&self.work, bucket, sequences);
        if let Some(place) = model.out_of_range(&values) {
            let (low, high) = model.variables[place].range;
            return Err(PredictError::OutOfWork {
                bucket,
                variable: NAMES[place],
                asked: values[place],
                low,
                high,
                command: self.command.clone(),
            });
        }
        let attention = model.variables.iter().zip(&values).map(|(v, x)| v.pooled * x);
        let device = self.memo.borrow_mut().time(place, &values, || model.time(&values));
        if !(device.is_finite() && device > 0.0) {
            return Err(PredictError::NoTime {
                bucket,
                content: Content(sequences.to_vec()).to_string(),
                command: self.command.clone(),
            });
        }
        Ok(DeviceTimes {
            device,
            gpu: device - self.overhead_ns,
            issue: self.launch_ns,
            attention: attention.sum::<f64>().max(0.0),
        })
    }

    fn missing(&self, bucket: StepSize) -> PredictError {
        PredictError::MissingBucket { bucket, command: self.command.clone() }
    }

    fn idle_extra(&self, idle: Idle) -> f64 {
        let Some(line) = self.idle.get(idle.steps_since as usize) else { return 0.0 };
        // It is level long before the longest idle time that was measured.
        let us = ((idle.ns / 1_000).min(u64::from(u32::MAX)) as u32).min(line.range().1);
        line.at(us).unwrap_or_default()
    }

    /// One of the times that are as likely as they were measured.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn draw(
        &self,
        sequences: &[(u32, u32)],
        idle: Idle,
        draws: &mut Draws,
    ) -> Result<(StepSpans, Option<Arc<str>>), PredictError> {
        let predicted = self.step(sequences, idle)?;
        let (device, host) = self.ratios(&predicted, sequences.len(), draws);
        let ns = |time: f64| time.round().max(0.0) as u64;
        let device_ns = predicted.device * device + predicted.idle;
        let launch = self.launch_ns.min(device_ns);
        let spans = StepSpans {
            schedule_ns: ns(predicted.schedule * host),
            prepare_ns: ns(predicted.prepare * host),
            launch_ns: ns(launch),
            wait_ns: ns(device_ns - launch),
            post_ns: ns(predicted.post * host),
            gpu_ns: Some(ns(device_ns - predicted.beside)),
        };
        Ok((spans, self.names.get(predicted.place).cloned()))
    }

    /// Where the time of a step comes from.
    ///
    /// # Errors
    /// A step that the profile does not cover.
    pub fn origin(&self, sequences: &[(u32, u32)]) -> Result<String, PredictError> {
        let predicted = self.step(sequences, Idle::default())?;
        let model = self.models[predicted.place].as_ref();
        let samples = model.map_or(0, |model| model.samples);
        let values = variables(&self.work, predicted.bucket, sequences);
        if self.eager {
            return Ok("ops interpolated between measured shapes, on a timeline".to_owned());
        }
        let mut text = format!("fitted to {samples} steps measured in bucket {}", predicted.bucket);
        let fitted = model.map(|model| &model.variables[..]).unwrap_or_default();
        for ((name, x), v) in NAMES.iter().zip(values).zip(fitted) {
            if v.range.0 < v.range.1 {
                text.push_str(&format!("; {name} {x} of {} to {}", v.range.0, v.range.1));
            }
        }
        Ok(text)
    }

    /// What an ordinary step takes beside the GPU's own time, ns.
    fn usual_beside_gpu(&self) -> f64 {
        let of = |line: &Line| line.at(line.range().0).unwrap_or_default();
        self.overhead_ns + self.host[0].iter().map(of).sum::<f64>()
    }
}

/// By steps since idle time, how much longer a step takes, over the idle time in us.
fn idle_lines(times: &GpuTimes, eager: bool) -> Vec<Line> {
    let most = times.idle.iter().filter(|e| e.eager == eager).map(|e| e.steps_since + 1).max();
    let line = |since: u32| {
        let entries = times.idle.iter().filter(|e| e.eager == eager && e.steps_since == since);
        let points = entries.map(|e| ((e.idle_ns / 1_000) as u32, e.extra_ns.max(0) as u64));
        Line::new(std::iter::once((0, 0)).chain(points)).unwrap_or_default()
    };
    (0..most.unwrap_or(0)).map(line).collect()
}
