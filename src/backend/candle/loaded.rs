//! A model in memory, where its case wants it.

use std::path::Path;
use std::rc::Rc;

use crate::backend::gpu;
use crate::model::GpuModel;
use crate::model::{ModelConfig, ModelError, Placement, Qwen3, WeightSource, load_weights};
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
        let device = if placement.device.is_cuda() { gpu::device() } else { None };
        if placement.device.is_cuda() {
            let model = Rc::new(GpuModel::new(&config, &tensors, folder)?);
            return Ok(Self {
                config,
                weights,
                device: gpu::device(),
                forward: Forward::Gpu(model),
            });
        }
        let model = Box::new(Qwen3::new(&config, &tensors, folder)?);
        Ok(Self { config, weights, device, forward: Forward::Cpu(model) })
    }

    /// Its forward pass on the CPU, where it is there.
    pub fn on_cpu(&self) -> Option<&Qwen3> {
        match &self.forward {
            Forward::Cpu(model) => Some(model),
            Forward::Gpu(_) => None,
        }
    }
}
