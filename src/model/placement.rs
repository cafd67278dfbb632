//! Where a model lies and in which numbers: f32 on the CPU, bf16 on a GPU.

use candle_core::{DType, Device};

use super::ModelError;

/// A device and the type of the weights and of the KV cache on it.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// The type of its numbers.
    pub dtype: DType,
}

impl Placement {
    /// f32 on the CPU.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32 }
    }

    /// bf16 on the first GPU that the process sees (`CUDA_VISIBLE_DEVICES`).
    ///
    /// # Errors
    /// A build without the feature `cuda`, or a GPU that cannot be used.
    #[cfg(feature = "cuda")]
    pub fn gpu() -> Result<Self, ModelError> {
        let failed = |error: candle_core::Error| ModelError::Gpu { problem: error.to_string() };
        let device = Device::new_cuda(0).map_err(failed)?;
        if let Device::Cuda(cuda) = &device {
            #[expect(unsafe_code, reason = "all work of the device is on one stream of one thread")]
            // SAFETY: events order work between streams; there is only this one.
            unsafe {
                cuda.disable_event_tracking();
            }
        }
        Ok(Self { device, dtype: DType::BF16 })
    }

    /// bf16 on a GPU, which this build cannot use.
    ///
    /// # Errors
    /// Always: the build lacks the feature `cuda`.
    #[cfg(not(feature = "cuda"))]
    pub fn gpu() -> Result<Self, ModelError> {
        Err(ModelError::WithoutCuda)
    }
}
