//! A model ready to serve: compiled kernels, KV cache, buffers, and one graph for each bucket.

use std::rc::Rc;

use candle_core::cuda_backend::cudarc::driver::sys::{
    CUdevice_attribute, CUevent_flags, CUgraphInstantiate_flags, CUstreamCaptureMode,
};
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaGraph, DevicePtr};

use super::GpuModel;
use super::addresses::Address;
use super::buffers::Buffers;
use super::error::gpu;
use super::kernels::Kernels;
use super::layout::{Layout, Sizes};
use super::pinned::Pinned;
use crate::model::attention_work::{Splits, tile_tokens};
use crate::model::bucket::{Buckets, StepSize};
use crate::model::gpu_ops::{GpuLimits, GraphMemory};
use crate::model::{Batch, ModelError};

/// The forward pass of one engine.
pub struct GpuForward {
    pub(super) model: Rc<GpuModel>,
    pub(super) kernels: Kernels,
    pub(super) buffers: Buffers,
    pub(super) angles: Address,
    pub(super) multiprocessors: u32,
    limits: GpuLimits,
    /// Bytes of one layer's keys.
    layer_bytes: u64,
    buckets: Buckets,
    pub(super) steps: Vec<BucketStep>,
    pub(super) description: Pinned,
    pub(super) tokens: Pinned,
    /// Before and after a traced step.
    events: Option<[CudaEvent; 2]>,
    /// Of the step under way: its place in `steps`, and how many of its rows are wanted.
    pub(super) under_way: (usize, usize),
    /// Whether a launched step was not waited for yet.
    in_flight: bool,
}

/// How a bucket's step is issued.
pub(super) struct BucketStep {
    pub layout: Layout,
    pub splits: Splits,
    graph: Option<CudaGraph>,
}

impl GpuForward {
    /// Compiles the kernels and allocates memory for steps within `limits`.
    ///
    /// # Errors
    /// Limits beyond the kernels' own, too little memory, or a GPU that cannot be used.
    pub fn new(model: Rc<GpuModel>, limits: GpuLimits) -> Result<Self, ModelError> {
        check(limits)?;
        let (config, stream) = (&model.config, &model.stream);
        let count = stream
            .context()
            .attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let multiprocessors = count as u32;
        let sizes = Sizes {
            block_tokens: limits.block_tokens,
            blocks: limits.blocks,
            max_positions: config.max_positions,
            tile_tokens: tile_tokens(config),
        };
        let buckets = Buckets::new(limits.max_tokens, limits.max_sequences);
        let plan = |&bucket: &StepSize| {
            let layout = Layout::new(bucket, sizes);
            let tiles = layout.tile_count();
            (layout, Splits::new(config, bucket.sequences, tiles, multiprocessors))
        };
        let plans: Vec<(Layout, Splits)> = buckets.all().iter().map(plan).collect();
        let slots = limits.blocks as usize * limits.block_tokens as usize;
        let words = plans.iter().map(|(layout, _)| layout.words).max().unwrap_or(0);
        let buffers = Buffers::new(stream, config, &plans, slots)?;
        Ok(Self {
            kernels: Kernels::new(config, limits.block_tokens, stream.clone())?,
            angles: model.angles.device_ptr(stream).0,
            multiprocessors,
            limits,
            layer_bytes: (slots * config.kv_heads * config.head_dim * size_of::<u16>()) as u64,
            steps: plans
                .into_iter()
                .map(|(layout, splits)| BucketStep { layout, splits, graph: None })
                .collect(),
            description: Pinned::new(words as usize)?,
            tokens: Pinned::new(limits.max_sequences as usize)?,
            events: None,
            under_way: (0, 0),
            in_flight: false,
            buffers,
            buckets,
            model: Rc::clone(&model),
        })
    }

    /// What its steps may ask for.
    pub fn limits(&self) -> GpuLimits {
        self.limits
    }

    /// Multiprocessors of the GPU.
    pub fn multiprocessors(&self) -> u32 {
        self.multiprocessors
    }

    /// Issues every bucket's step once, over padding only, so that nothing is loaded later.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn warm_up(&mut self) -> Result<(), ModelError> {
        let empty = Batch::default();
        for step in &self.steps {
            step.layout.fill(&empty, self.description.as_mut_slice());
            self.issue(&step.layout, step.splits)?;
            self.model.stream.synchronize()?;
        }
        Ok(())
    }

    /// Captures every bucket's step as a graph, behind [`GpuForward::warm_up`], and launches each once.
    ///
    /// # Errors
    /// Too little memory.
    pub fn capture(&mut self) -> Result<GraphMemory, ModelError> {
        let stream = self.model.stream.clone();
        stream.synchronize()?;
        let free = stream.context().mem_get_info()?.0;
        let empty = Batch::default();
        for i in 0..self.steps.len() {
            let step = &self.steps[i];
            let graph = self.capture_issued(|| self.issue(&step.layout, step.splits))?;
            step.layout.fill(&empty, self.description.as_mut_slice());
            graph.launch()?;
            stream.synchronize()?;
            self.steps[i].graph = Some(graph);
        }
        let taken = free.saturating_sub(stream.context().mem_get_info()?.0);
        Ok(GraphMemory { graphs: self.steps.len() as u32, bytes: taken as u64 })
    }

    /// Has every step timed on the GPU, which makes it a little slower.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn trace(&mut self) -> Result<(), ModelError> {
        let event = || self.model.stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        self.events = Some([event()?, event()?]);
        Ok(())
    }

    /// Describes a batch to the step of its bucket, which is returned.
    ///
    /// # Errors
    /// A batch beyond the limits, or one that contradicts itself.
    pub fn prepare(&mut self, batch: &Batch) -> Result<StepSize, ModelError> {
        let size = StepSize::of(batch);
        let place = self.buckets.fitting(size).ok_or(ModelError::NoBucket { size })?;
        let (config, GpuLimits { blocks, block_tokens, .. }) = (&self.model.config, self.limits);
        let fault = batch.fault(config.max_positions, (blocks, block_tokens), config.vocab_size);
        if let Some((sequence, problem)) = fault {
            return Err(ModelError::Batch { sequence, problem });
        }
        // The GPU may still read the description before.
        if self.in_flight {
            self.finish()?;
        }
        let rows = self.steps[place].layout.fill(batch, self.description.as_mut_slice());
        self.under_way = (place, rows);
        Ok(self.buckets.all()[place])
    }

    /// Launches the step that was prepared: as one graph where there are graphs, else kernel by kernel.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn launch(&mut self) -> Result<(), ModelError> {
        self.in_flight = true;
        let step = &self.steps[self.under_way.0];
        if let Some([before, _]) = &self.events {
            before.record(&self.model.stream)?;
        }
        match &step.graph {
            Some(graph) => graph.launch()?,
            None => self.issue(&step.layout, step.splits)?,
        }
        if let Some([_, after]) = &self.events {
            after.record(&self.model.stream)?;
        }
        Ok(())
    }

    /// Waits for the step that was launched; the next token of each sequence that wants one, in batch
    /// order.
    ///
    /// # Errors
    /// A GPU that was lost, or logits that are no numbers.
    pub fn wait(&mut self) -> Result<&[u32], ModelError> {
        self.finish()?;
        let tokens = &self.tokens.as_slice()[..self.under_way.1];
        match tokens.iter().position(|&token| token == NOT_A_NUMBER) {
            Some(row) => Err(ModelError::NotANumber { row }),
            None => Ok(tokens),
        }
    }

    fn finish(&mut self) -> Result<(), ModelError> {
        self.model.stream.synchronize()?;
        self.in_flight = false;
        Ok(())
    }

    /// How long the step waited for last took on the GPU, ns; `None` unless traced.
    ///
    /// # Errors
    /// A GPU that was lost.
    pub fn gpu_ns(&self) -> Result<Option<u64>, ModelError> {
        let Some([before, after]) = &self.events else { return Ok(None) };
        let milliseconds = before.elapsed_ms(after)?;
        Ok(Some((f64::from(milliseconds) * 1e6) as u64))
    }

    /// A graph of what `issue` issues.
    pub(super) fn capture_issued(
        &self,
        issue: impl FnOnce() -> Result<(), ModelError>,
    ) -> Result<CudaGraph, ModelError> {
        let stream = &self.model.stream;
        stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        let issued = issue();
        // A capture is ended also where it failed, or the stream stays unusable.
        let graph = stream.end_capture(CUgraphInstantiate_flags(0));
        issued?;
        graph?.ok_or_else(|| gpu("a graph came out empty"))
    }

    /// The logits of the step that was waited for last, (rows, vocabulary) of the wanted rows.
    ///
    /// # Errors
    /// A GPU that was lost.
    pub fn logits(&self) -> Result<Vec<f32>, ModelError> {
        let bits = self.model.stream.clone_dtoh(&self.buffers.logits.slice)?;
        let wanted = self.under_way.1 * self.model.config.vocab_size;
        Ok(bits[..wanted].iter().map(|&bits| half::bf16::from_bits(bits).to_f32()).collect())
    }

    /// Where a layer's keys and values begin.
    pub(super) fn cache(&self, layer: usize) -> (Address, Address) {
        let offset = layer as u64 * self.layer_bytes;
        (self.buffers.keys.at + offset, self.buffers.values.at + offset)
    }
}

/// A grid has at most so many blocks in its second and third dimension.
const MOST_BLOCKS: u64 = 65_535;

/// What the kernels' grids and their 32-bit places in the cache can hold.
fn check(limits: GpuLimits) -> Result<(), ModelError> {
    let GpuLimits { max_tokens, max_sequences, blocks, block_tokens } = limits;
    let most_blocks = i32::MAX as u64 / u64::from(block_tokens.max(1));
    for (key, value, most) in [
        // Tiles of single tokens, and one more for each sequence.
        ("chunk_tokens", max_tokens, MOST_BLOCKS / 2),
        ("max_sequences", max_sequences, MOST_BLOCKS / 2),
        ("kv_block_tokens", block_tokens, MOST_BLOCKS),
        ("kv_blocks", blocks, most_blocks),
    ] {
        let value = u64::from(value);
        if value == 0 || value > most {
            return Err(ModelError::Limit { key, value, most });
        }
    }
    Ok(())
}

impl Drop for GpuForward {
    fn drop(&mut self) {
        // Nothing may be freed under a kernel that still runs.
        let _ = self.model.stream.synchronize();
    }
}

/// What `argmax.cu` answers for a row with a NaN.
const NOT_A_NUMBER: u32 = u32::MAX;
