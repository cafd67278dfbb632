//! One step, op by op: every op is a function of its own, so that the profile times what serves.

use candle_core::cuda_backend::cudarc::driver::{CudaFunction, result, sys};

use super::addresses::Address;
use super::forward::GpuForward;
use super::gemm::{self, Product};
use super::kernels::{Grid, MatrixVector, prefill_shared_bytes};
use super::layout::Layout;
use crate::model::ModelError;
use crate::model::attention_work::{Splits, heads_at_once};
use crate::model::gpu_ops::GpuOp;

/// Threads of a block, as the kernels expect them.
const THREADS: u32 = 128;
/// Blocks that share a row of logits in `argmax.cu`, and their threads.
const ARGMAX_BLOCKS: u32 = 16;
const ARGMAX_THREADS: u32 = 256;
/// Warps of a block in `matrix_vector.cu`.
const VECTOR_WARPS: u32 = 4;
/// Most blocks of a product of few rows, for each multiprocessor.
const VECTOR_BLOCKS: u32 = 8;

impl GpuForward {
    /// Issues the whole step of a bucket: description up, every layer, tokens down.
    pub(super) fn issue(&self, layout: &Layout, splits: Splits) -> Result<(), ModelError> {
        for op in GpuOp::BEFORE {
            self.issue_op(op, 0, layout, splits)?;
        }
        for layer in 0..self.model.config.layers {
            for op in GpuOp::LAYER {
                self.issue_op(op, layer, layout, splits)?;
            }
        }
        for op in GpuOp::AFTER {
            self.issue_op(op, 0, layout, splits)?;
        }
        Ok(())
    }

    /// Issues one op over all layers that have it.
    pub(super) fn issue_layers(
        &self,
        op: GpuOp,
        layout: &Layout,
        splits: Splits,
    ) -> Result<(), ModelError> {
        let layers = if op.in_layers() { self.model.config.layers } else { 1 };
        (0..layers).try_for_each(|layer| self.issue_op(op, layer, layout, splits))
    }

    /// Issues one op as often as [`GpuForward::issue_layers`] does, but of the first layer only.
    pub(super) fn issue_one_layer(
        &self,
        op: GpuOp,
        layout: &Layout,
        splits: Splits,
    ) -> Result<(), ModelError> {
        let times = if op.in_layers() { self.model.config.layers } else { 1 };
        (0..times).try_for_each(|_| self.issue_op(op, 0, layout, splits))
    }

    fn issue_op(
        &self,
        op: GpuOp,
        layer: usize,
        layout: &Layout,
        splits: Splits,
    ) -> Result<(), ModelError> {
        if !op.in_step(layout.bucket()) {
            return Ok(());
        }
        match op {
            GpuOp::Upload => self.upload(layout),
            GpuOp::Embed => self.embed(layout),
            GpuOp::Qkv => self.qkv(layer, layout),
            GpuOp::QkNormRope => self.qk_norm_rope(layer, layout),
            GpuOp::AttentionDecode => self.attention_decode(layer, layout, splits),
            GpuOp::AttentionPrefill => self.attention_prefill(layer, layout, splits),
            GpuOp::OutProj => self.out_proj(layer, layout),
            GpuOp::GateUp => self.gate_up(layer, layout),
            GpuOp::Down => self.down(layer, layout),
            GpuOp::LmHead => self.lm_head(layout),
            GpuOp::Argmax => self.argmax(layout),
            GpuOp::Download => self.download(layout),
        }
    }

    fn part(&self, offset: u32) -> Address {
        self.buffers.description.at + u64::from(offset) * size_of::<u32>() as u64
    }

    fn embed(&self, layout: &Layout) -> Result<(), ModelError> {
        let grid = Grid { blocks: (layout.bucket().tokens, 1, 1), threads: THREADS, shared: 0 };
        let ids = self.part(layout.token_ids);
        self.kernels.launch(
            &self.kernels.embed,
            grid,
            &[self.model.addresses.embed, ids, self.buffers.x.at],
        )
    }

    /// Norms of `count` rows of the residual stream: those named at `rows`, or the first ones.
    fn norm(&self, count: u32, rows: Address, weight: Address) -> Result<(), ModelError> {
        let grid = Grid { blocks: (count, 1, 1), threads: THREADS, shared: 0 };
        let arguments = [self.buffers.x.at, rows, weight, self.buffers.normed.at];
        self.kernels.launch(&self.kernels.rms_norm, grid, &arguments)
    }

    /// Blocks of a product of few rows: one warp for each of `items` outputs, or fewer that go round.
    fn vector_grid(&self, items: usize) -> Grid {
        let blocks = (items as u32).div_ceil(VECTOR_WARPS);
        let blocks = blocks.min(VECTOR_BLOCKS * self.multiprocessors);
        Grid { blocks: (blocks, 1, 1), threads: THREADS, shared: 0 }
    }

    /// Norm and product of `count` rows of the residual stream, to `y`.
    fn norm_product(
        &self,
        (count, rows): (u32, Address),
        (norm, matrix): (Address, Address),
        (y, outputs): (Address, usize),
    ) -> Result<(), ModelError> {
        let inner = self.model.config.hidden_size;
        if let Some(kernels) = self.kernels.matrix_vector(count) {
            let arguments = [self.buffers.x.at, rows, norm, matrix, y, outputs as u64];
            return self.kernels.launch(&kernels.norm, self.vector_grid(outputs / 2), &arguments);
        }
        self.norm(count, rows, norm)?;
        let x = self.buffers.normed.at;
        let product = Product { x, w: matrix, y, rows: count, inner, outputs, add: false };
        gemm::multiply(&self.model.blas, product)
    }

    fn qkv(&self, layer: usize, layout: &Layout) -> Result<(), ModelError> {
        let (config, weights) = (&self.model.config, &self.model.addresses.layers[layer]);
        let outputs = (config.heads + 2 * config.kv_heads) * config.head_dim;
        let rows = (layout.bucket().tokens, 0);
        self.norm_product(rows, (weights.input_norm, weights.qkv), (self.buffers.qkv.at, outputs))
    }

    fn qk_norm_rope(&self, layer: usize, layout: &Layout) -> Result<(), ModelError> {
        let (config, weights) = (&self.model.config, &self.model.addresses.layers[layer]);
        let heads = (config.heads + 2 * config.kv_heads) as u32;
        let blocks = (layout.bucket().tokens, heads.div_ceil(THREADS / 32), 1);
        let (keys, values) = self.cache(layer);
        let arguments = [
            self.buffers.qkv.at,
            self.part(layout.positions),
            self.part(layout.slots),
            weights.q_norm,
            weights.k_norm,
            self.angles,
            keys,
            values,
        ];
        let grid = Grid { blocks, threads: THREADS, shared: 0 };
        self.kernels.launch(&self.kernels.qk_norm_rope, grid, &arguments)
    }

    /// The arguments of both attention kernels, of which `work` describes the sequences or tiles.
    fn attention_arguments(&self, layer: usize, layout: &Layout, work: u32) -> [Address; 9] {
        let (keys, values) = self.cache(layer);
        let b = &self.buffers;
        [
            b.qkv.at,
            keys,
            values,
            self.part(work),
            self.part(layout.tables),
            b.attended.at,
            b.parts.at,
            b.sums.at,
            b.counters.at,
        ]
    }

    fn attention_decode(
        &self,
        layer: usize,
        layout: &Layout,
        splits: Splits,
    ) -> Result<(), ModelError> {
        let config = &self.model.config;
        let parts = (config.heads / heads_at_once(config)) as u32;
        let blocks = (splits.decode, parts, layout.bucket().sequences);
        let arguments = self.attention_arguments(layer, layout, layout.sequences);
        let grid = Grid { blocks, threads: THREADS, shared: 0 };
        self.kernels.launch(&self.kernels.attention_decode, grid, &arguments)
    }

    fn attention_prefill(
        &self,
        layer: usize,
        layout: &Layout,
        splits: Splits,
    ) -> Result<(), ModelError> {
        let blocks = (splits.prefill, self.model.config.kv_heads as u32, layout.tile_count());
        let arguments = self.attention_arguments(layer, layout, layout.tiles);
        let shared = prefill_shared_bytes(&self.model.config);
        let grid = Grid { blocks, threads: THREADS, shared };
        self.kernels.launch(&self.kernels.attention_prefill, grid, &arguments)
    }

    /// Adds the product of all rows of `x` to the residual stream: a kernel of ours for few rows.
    fn add_product(
        &self,
        rows: u32,
        kernel: impl Fn(&MatrixVector) -> &CudaFunction,
        (x, inner): (Address, usize),
        w: Address,
    ) -> Result<(), ModelError> {
        let (y, outputs) = (self.buffers.x.at, self.model.config.hidden_size);
        if let Some(kernels) = self.kernels.matrix_vector(rows) {
            let arguments = [x, 0, 0, w, y, outputs as u64];
            return self.kernels.launch(kernel(kernels), self.vector_grid(outputs), &arguments);
        }
        gemm::multiply(&self.model.blas, Product { x, w, y, rows, inner, outputs, add: true })
    }

    fn out_proj(&self, layer: usize, layout: &Layout) -> Result<(), ModelError> {
        let (config, w) = (&self.model.config, self.model.addresses.layers[layer].out_proj);
        let x = (self.buffers.attended.at, config.heads * config.head_dim);
        self.add_product(layout.bucket().tokens, |kernels| &kernels.out, x, w)
    }

    /// Gate and up projections, and their activation.
    fn gate_up(&self, layer: usize, layout: &Layout) -> Result<(), ModelError> {
        let (config, b) = (&self.model.config, &self.buffers);
        let (weights, rows) = (&self.model.addresses.layers[layer], layout.bucket().tokens);
        let wide = config.intermediate_size;
        if let Some(kernels) = self.kernels.matrix_vector(rows) {
            let matrices = (weights.post_norm, weights.gate_up);
            let arguments = [b.x.at, 0, matrices.0, matrices.1, b.active.at, wide as u64];
            return self.kernels.launch(&kernels.silu, self.vector_grid(wide), &arguments);
        }
        self.norm(rows, 0, weights.post_norm)?;
        let (inner, outputs) = (config.hidden_size, 2 * wide);
        let (x, w, y) = (b.normed.at, weights.gate_up, b.gate_up.at);
        gemm::multiply(&self.model.blas, Product { x, w, y, rows, inner, outputs, add: false })?;
        let blocks = ((wide as u32 / 8).div_ceil(THREADS), rows, 1);
        let grid = Grid { blocks, threads: THREADS, shared: 0 };
        self.kernels.launch(&self.kernels.silu_mul, grid, &[b.gate_up.at, b.active.at])
    }

    fn down(&self, layer: usize, layout: &Layout) -> Result<(), ModelError> {
        let (config, w) = (&self.model.config, self.model.addresses.layers[layer].down);
        let x = (self.buffers.active.at, config.intermediate_size);
        self.add_product(layout.bucket().tokens, |kernels| &kernels.down, x, w)
    }

    fn lm_head(&self, layout: &Layout) -> Result<(), ModelError> {
        let rows = (layout.bucket().sequences, self.part(layout.rows));
        let weights = (self.model.addresses.norm, self.model.addresses.lm_head);
        self.norm_product(rows, weights, (self.buffers.logits.at, self.model.config.vocab_size))
    }

    fn argmax(&self, layout: &Layout) -> Result<(), ModelError> {
        let b = &self.buffers;
        let blocks = (ARGMAX_BLOCKS, layout.bucket().sequences, 1);
        let grid = Grid { blocks, threads: ARGMAX_THREADS, shared: 0 };
        let arguments = [b.logits.at, b.best.at, b.counters.at, b.tokens.at];
        self.kernels.launch(&self.kernels.argmax, grid, &arguments)
    }

    /// Sends a description up.
    pub(super) fn upload(&self, layout: &Layout) -> Result<(), ModelError> {
        let words = &self.description.as_slice()[..layout.words as usize];
        #[expect(unsafe_code, reason = "a copy that a graph can hold")]
        // SAFETY: source and target live as long as this forward pass, and so do its graphs.
        unsafe {
            let stream = self.model.stream.cu_stream();
            result::memcpy_htod_async(self.buffers.description.at, words, stream)?;
        }
        Ok(())
    }

    /// Brings the tokens down.
    pub(super) fn download(&self, layout: &Layout) -> Result<(), ModelError> {
        let rows = layout.bucket().sequences as usize;
        #[expect(unsafe_code, reason = "a copy that a graph can hold")]
        // SAFETY: source and target live as long as this forward pass; the target is read only after
        // a wait for the stream.
        unsafe {
            let stream = self.model.stream.cu_stream();
            let (to, bytes) = (self.tokens.address().cast(), rows * size_of::<u32>());
            sys::cuMemcpyDtoHAsync_v2(to, self.buffers.tokens.at, bytes, stream).result()?;
        }
        Ok(())
    }
}
