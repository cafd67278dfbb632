//! What the GPU, and the host in front of it, take for single things.

use std::time::{Duration, Instant};

use candle_core::cuda_backend::cudarc::driver::sys::CUevent_flags;
use candle_core::cuda_backend::cudarc::driver::{CudaEvent, CudaGraph};

use super::GpuModel;
use super::forward::GpuForward;
use super::kernels::Grid;
use crate::model::gpu_ops::{GpuOp, LaunchCosts, OpTimes, Replays};
use crate::model::{Batch, ModelError};
use crate::stats::percentiles;

/// Empty kernels issued in a row, and how often, to time them.
const LAUNCHES: u32 = 64;
const LAUNCH_ROUNDS: usize = 51;

/// Empty kernels in a row whose distance is measured.
const EMPTY_KERNELS: u32 = 500;
/// Launches of the step in front of a queue that must not run dry.
const STEPS_IN_FRONT: u32 = 16;
/// Most launches that are tried to fill the queue, and how long one takes that had to wait.
const MOST_QUEUED: u32 = 4_096;
const QUEUE_FULL: Duration = Duration::from_micros(300);

/// Bytes of a copy whose speed is measured, and how many are.
const COPIED: usize = 1 << 30;
const COPIES: usize = 20;

impl GpuModel {
    /// Bytes a second of a copy on the GPU, those read and those written.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn copy_bandwidth(&self) -> Result<f64, ModelError> {
        let stream = &self.stream;
        let from = stream.alloc_zeros::<u8>(COPIED)?;
        let mut to = stream.alloc_zeros::<u8>(COPIED)?;
        let event = || stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        let (before, after) = (event()?, event()?);
        stream.memcpy_dtod(&from, &mut to)?;
        before.record(stream)?;
        for _ in 0..COPIES {
            stream.memcpy_dtod(&from, &mut to)?;
        }
        after.record(stream)?;
        let seconds = f64::from(before.elapsed_ms(&after)?) / 1e3;
        Ok((2 * COPIED * COPIES) as f64 / seconds)
    }
}

impl GpuForward {
    /// What issuing an empty kernel takes on the host, us, the median of many.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn empty_launch_us(&self) -> Result<f64, ModelError> {
        let grid = Grid { blocks: (1, 1, 1), threads: 32, shared: 0 };
        let mut times = Vec::with_capacity(LAUNCH_ROUNDS);
        for _ in 0..LAUNCH_ROUNDS {
            let start = Instant::now();
            for _ in 0..LAUNCHES {
                self.kernels.launch(&self.kernels.nothing, grid, &[])?;
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(LAUNCHES));
            // A full queue would make the host wait.
            self.model.stream.synchronize()?;
        }
        let [median] = percentiles(&mut times, [0.5]);
        Ok(median)
    }

    /// GPU time of each op of the step that was prepared, all layers together, ns: `rounds` times in one
    /// graph, on whatever numbers the buffers hold.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn op_times(&self, rounds: u32) -> Result<Vec<(GpuOp, f64)>, ModelError> {
        let (stream, step) = (&self.model.stream, &self.steps[self.under_way.0]);
        let event = || stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        let (before, after) = (event()?, event()?);
        self.upload(&step.layout)?;
        let mut times = Vec::new();
        for op in GpuOp::all() {
            if !op.in_step(step.layout.bucket()) {
                continue;
            }
            let graph = self.capture_issued(|| {
                (0..rounds).try_for_each(|_| self.issue_layers(op, &step.layout, step.splits))
            })?;
            // Once for the caches.
            graph.launch()?;
            before.record(stream)?;
            graph.launch()?;
            after.record(stream)?;
            times.push((op, f64::from(before.elapsed_ms(&after)?) * 1e6 / f64::from(rounds)));
        }
        Ok(times)
    }

    /// Does one step `times` times with the host's clock around it, and as often between two events, after
    /// once that is not counted.
    ///
    /// # Errors
    /// A batch beyond the limits, or a GPU that cannot be used.
    pub fn replay(&mut self, batch: &Batch, times: usize) -> Result<Replays, ModelError> {
        self.prepare(batch)?;
        let [before, after] = self.events()?;
        let mut replays = Replays::default();
        for i in 0..=times {
            let start = Instant::now();
            self.launch()?;
            self.wait()?;
            let wall = start.elapsed().as_nanos() as u64;
            if i > 0 {
                replays.wall_ns.push(wall);
            }
        }
        for _ in 0..times {
            before.record(&self.model.stream)?;
            self.launch()?;
            after.record(&self.model.stream)?;
            self.wait()?;
            replays.gpu_ns.push((f64::from(before.elapsed_ms(&after)?) * 1e6) as u64);
        }
        Ok(replays)
    }

    /// Times of some ops of the step that was prepared, `times` of each.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn times_of(&self, ops: &[GpuOp], times: usize) -> Result<Vec<OpTimes>, ModelError> {
        let (stream, step) = (&self.model.stream, &self.steps[self.under_way.0]);
        let [before, after] = self.events()?;
        let bucket = step.layout.bucket();
        // Ops read the description on the GPU, which is still that of the step before.
        self.upload(&step.layout)?;
        let mut all = Vec::new();
        for &op in ops.iter().filter(|op| op.in_step(bucket)) {
            let issue = || self.issue_layers(op, &step.layout, step.splits);
            let graph = self.capture_issued(issue)?;
            let one_layer =
                self.capture_issued(|| self.issue_one_layer(op, &step.layout, step.splits))?;
            let on_gpu = |graph: &CudaGraph| -> Result<f64, ModelError> {
                before.record(stream)?;
                graph.launch()?;
                after.record(stream)?;
                Ok(f64::from(before.elapsed_ms(&after)?) * 1e6)
            };
            let (gpu_ns, one_layer_ns, issue_ns) = (Vec::new(), Vec::new(), Vec::new());
            let mut found = OpTimes { op, gpu_ns, one_layer_ns, issue_ns };
            for i in 0..=times {
                let (gpu, one_layer) = (on_gpu(&graph)?, on_gpu(&one_layer)?);
                let start = Instant::now();
                issue()?;
                let host = start.elapsed().as_nanos() as f64;
                stream.synchronize()?;
                // The first time is for the caches.
                if i > 0 {
                    found.gpu_ns.push(gpu);
                    found.one_layer_ns.push(one_layer);
                    found.issue_ns.push(host);
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    /// What launching costs, apart from what is launched. A step must have been prepared.
    ///
    /// # Errors
    /// A GPU that cannot be used.
    pub fn launch_costs(&self) -> Result<LaunchCosts, ModelError> {
        let stream = &self.model.stream;
        let grid = Grid { blocks: (1, 1, 1), threads: 32, shared: 0 };
        let empty = || self.kernels.launch(&self.kernels.nothing, grid, &[]);
        let timed = |work: &dyn Fn() -> Result<(), ModelError>| -> Result<f64, ModelError> {
            let mut times = Vec::with_capacity(LAUNCH_ROUNDS);
            for _ in 0..LAUNCH_ROUNDS {
                let start = Instant::now();
                work()?;
                times.push(start.elapsed().as_nanos() as f64);
            }
            Ok(percentiles(&mut times, [0.5])[0])
        };
        stream.synchronize()?;
        let wait_ns = timed(&|| Ok(stream.synchronize()?))?;
        let round_trip_ns = timed(&|| {
            empty()?;
            Ok(stream.synchronize()?)
        })?;
        let [before, after] = self.events()?;
        let kernels = |count: u32| (0..count).try_for_each(|_| empty());
        let graph = self.capture_issued(|| kernels(EMPTY_KERNELS))?;
        graph.launch()?;
        before.record(stream)?;
        graph.launch()?;
        after.record(stream)?;
        let gap = |ms: f32| f64::from(ms) * 1e6 / f64::from(EMPTY_KERNELS);
        let graph_gap_ns = gap(before.elapsed_ms(&after)?);
        let step = &self.steps[self.under_way.0];
        let step = self.capture_issued(|| self.issue(&step.layout, step.splits))?;
        // Work for a while, which is not waited for.
        let busy = || (0..STEPS_IN_FRONT).try_for_each(|_| step.launch());
        busy()?;
        before.record(stream)?;
        kernels(EMPTY_KERNELS)?;
        after.record(stream)?;
        let eager_gap_ns = gap(before.elapsed_ms(&after)?);
        busy()?;
        let mut queue_depth = 0;
        while queue_depth < MOST_QUEUED {
            let start = Instant::now();
            empty()?;
            if start.elapsed() > QUEUE_FULL {
                break;
            }
            queue_depth += 1;
        }
        stream.synchronize()?;
        let issue_ns = self.empty_launch_us()? * 1e3;
        Ok(LaunchCosts {
            issue_ns,
            round_trip_ns,
            wait_ns,
            graph_gap_ns,
            eager_gap_ns,
            queue_depth,
        })
    }

    fn events(&self) -> Result<[CudaEvent; 2], ModelError> {
        let event = || self.model.stream.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        Ok([event()?, event()?])
    }

    /// Issues one op of the step that was prepared.
    #[cfg(test)]
    pub(super) fn issue_prepared(&self, op: GpuOp) -> Result<(), ModelError> {
        let step = &self.steps[self.under_way.0];
        self.issue_layers(op, &step.layout, step.splits)?;
        Ok(self.model.stream.synchronize()?)
    }
}
