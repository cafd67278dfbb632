//! What stands in for the forward pass on a GPU in a build without the feature `cuda`: types that have no
//! value, so that all else is written once.

use std::convert::Infallible;
use std::path::Path;
use std::rc::Rc;

use candle_nn::VarBuilder;

use super::{
    Batch, GpuLimits, GpuOp, GraphMemory, LaunchCosts, ModelConfig, ModelError, OpTimes, Replays,
    StepSize,
};

/// A model's weights on a GPU: never, in this build.
pub struct GpuModel {
    /// Its architecture.
    pub config: ModelConfig,
    never: Infallible,
}

/// The forward pass of one engine: never, in this build.
pub struct GpuForward(Infallible);

impl GpuModel {
    /// No weights lie on a GPU.
    ///
    /// # Errors
    /// Always: the build lacks the feature `cuda`.
    pub fn new(_: &ModelConfig, _: &VarBuilder<'_>, _: &Path) -> Result<Self, ModelError> {
        Err(ModelError::WithoutCuda)
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn copy_bandwidth(&self) -> Result<f64, ModelError> {
        match self.never {}
    }
}

impl GpuForward {
    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn new(model: Rc<GpuModel>, _: GpuLimits) -> Result<Self, ModelError> {
        match model.never {}
    }

    /// Never called.
    pub fn limits(&self) -> GpuLimits {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn warm_up(&mut self) -> Result<(), ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn capture(&mut self) -> Result<GraphMemory, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn trace(&mut self) -> Result<(), ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn empty_launch_us(&self) -> Result<f64, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn prepare(&mut self, _: &Batch) -> Result<StepSize, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn launch(&mut self) -> Result<(), ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn wait(&mut self) -> Result<&[u32], ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn gpu_ns(&self) -> Result<Option<u64>, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn replay(&mut self, _: &Batch, _: usize) -> Result<Replays, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn launch_costs(&self) -> Result<LaunchCosts, ModelError> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn times_of(&self, _: &[GpuOp], _: usize) -> Result<Vec<OpTimes>, ModelError> {
        match self.0 {}
    }

    /// Never called.
    pub fn multiprocessors(&self) -> u32 {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn op_times(&self, _: u32) -> Result<Vec<(GpuOp, f64)>, ModelError> {
        match self.0 {}
    }
}
