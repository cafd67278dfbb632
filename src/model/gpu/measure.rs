//! What the GPU, and the host in front of it, take for single things.

use std::time::Instant;

use candle_core::cuda_backend::cudarc::driver::sys::CUevent_flags;

use super::GpuModel;
use super::forward::GpuForward;
use super::kernels::Grid;
use crate::model::ModelError;
use crate::model::gpu_ops::GpuOp;
use crate::stats::percentiles;

/// Empty kernels issued in a row, and how often, to time them.
const LAUNCHES: u32 = 64;
const LAUNCH_ROUNDS: usize = 51;

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

    /// Issues one op of the step that was prepared.
    #[cfg(test)]
    pub(super) fn issue_prepared(&self, op: GpuOp) -> Result<(), ModelError> {
        let step = &self.steps[self.under_way.0];
        self.issue_layers(op, &step.layout, step.splits)?;
        Ok(self.model.stream.synchronize()?)
    }
}
