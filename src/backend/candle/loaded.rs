//! A model in memory, where its case wants it.

use std::path::Path;
use std::rc::Rc;

use crate::backend::gpu;
use crate::model::{
    GpuModel, ModelConfig, ModelError, Placement, Qwen3, WeightSource, load_weights,
};
use crate::run::Device;

/// A model in memory.
pub struct LoadedModel {
    /// Its architecture.
    pub config: ModelConfig,
    /// Where its weights came from.
    pub weights: WeightSource,
    /// The GPU that it lies on.
    pub device: Option<Device>,
    pub(crate) forward: Forward,
}

/// The forward pass of a device.
pub(crate) enum Forward {
    /// On the CPU.
    Cpu(Box<Qwen3>),
    /// On a GPU.
    Gpu(Rc<GpuModel>),
}

impl LoadedModel {
    /// Loads a model folder onto a device.
    ///
    /// # Errors
    /// A missing or faulty `config.json`, weights that do not fit it, or a GPU that cannot hold them.
    pub fn open(folder: &Path, placement: &Placement) -> Result<Self, ModelError> {
        let config = ModelConfig::read(folder)?;
        let (tensors, weights) = load_weights(folder, &config, placement)?;
        let (device, forward) = if placement.device.is_cuda() {
            let model = GpuModel::new(&config, &tensors, folder)?;
            (gpu::device(), Forward::Gpu(Rc::new(model)))
        } else {
            (None, Forward::Cpu(Box::new(Qwen3::new(&config, &tensors, folder)?)))
        };
        Ok(Self { config, weights, device, forward })
    }

    /// Its forward pass on the CPU, where it is there.
    pub fn on_cpu(&self) -> Option<&Qwen3> {
        match &self.forward {
            Forward::Cpu(model) => Some(model),
            Forward::Gpu(_) => None,
        }
    }
}
