//! The forward pass on an NVIDIA GPU: packed steps of any mix of chunks and decodes over a paged KV cache,
//! in bf16; our kernels add up in f32, cuBLAS too within a part of a product. Matrix products are cuBLAS's but for few rows, everything else is a few kernels
//! of our own (`kernels/`). A step runs as one captured graph or launch by launch, over the same kernels
//! and sizes, so both give the same bits.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use candle_core::cuda_backend::cudarc::cublas::CudaBlas;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream};
use candle_nn::VarBuilder;

use super::layers::Weights;
use super::{ModelConfig, ModelError};

mod addresses;
mod buffers;
mod error;
mod forward;
mod gemm;
mod kernels;
mod layout;
mod measure;
mod pinned;
mod step;
#[cfg(test)]
mod tests;

pub use forward::GpuForward;

/// A model's weights on a GPU.
pub struct GpuModel {
    /// Its architecture.
    pub config: ModelConfig,
    /// Kept for the memory that `addresses` points to.
    _weights: Weights,
    addresses: addresses::Addresses,
    /// Cosine and sine by position and frequency, f32.
    angles: CudaSlice<f32>,
    blas: CudaBlas,
    /// What cuBLAS may use; without it every product allocates its own.
    _workspace: CudaSlice<u8>,
    stream: Arc<CudaStream>,
}

/// Bytes of scratch memory for cuBLAS, what NVIDIA recommends for Hopper.
const WORKSPACE: usize = 32 << 20;

impl GpuModel {
    /// Puts bf16 weights that lie on a GPU to their places. `folder` is used in messages.
    ///
    /// # Errors
    /// Weights that are missing or of another shape, sizes that the kernels do not have, or too little
    /// memory.
    pub fn new(
        config: &ModelConfig,
        weights: &VarBuilder<'_>,
        folder: &Path,
    ) -> Result<Self, ModelError> {
        check(config, folder)?;
        let Device::Cuda(device) = weights.device() else {
            return Err(error::gpu("the weights do not lie on it"));
        };
        let stream = device.cuda_stream();
        let weights = Weights::new(config, weights, folder)?;
        let blas = CudaBlas::new(Arc::clone(&stream))?;
        let workspace = gemm::give_workspace(&blas, &stream, WORKSPACE)?;
        Ok(Self {
            config: config.clone(),
            addresses: addresses::Addresses::of(&weights, &stream)?,
            _weights: weights,
            angles: stream.clone_htod(&angles(config))?,
            blas,
            _workspace: workspace,
            stream,
        })
    }
}

/// What the kernels ask of a model's sizes.
fn check(config: &ModelConfig, folder: &Path) -> Result<(), ModelError> {
    let fault = |key, problem: &str| {
        let path = folder.join("config.json");
        Err(ModelError::Config { path, key, problem: problem.to_owned() })
    };
    let (dim, group) = (config.head_dim, config.heads / config.kv_heads);
    if !dim.is_power_of_two() || !(16..=256).contains(&dim) {
        return fault("head_dim", "is not 16, 32, 64, 128 or 256, as the GPU's kernels need");
    }
    if group > super::attention_work::TILE_ROWS as usize {
        return fault("num_key_value_heads", "leaves more than 64 query heads to one key head");
    }
    if !config.hidden_size.is_multiple_of(8) || !config.intermediate_size.is_multiple_of(8) {
        return fault("hidden_size / intermediate_size", "is no multiple of 8");
    }
    if !config.vocab_size.is_multiple_of(2) {
        return fault("vocab_size", "is odd");
    }
    Ok(())
}

/// (cosine, sine) by position and frequency, shape (positions, head dim / 2, 2).
fn angles(config: &ModelConfig) -> Vec<f32> {
    let half = config.head_dim / 2;
    let frequency = |i: usize| config.rope_theta.powf(-2.0 * i as f64 / config.head_dim as f64);
    let frequencies: Vec<f64> = (0..half).map(frequency).collect();
    let mut angles = Vec::with_capacity(config.max_positions as usize * config.head_dim);
    for position in 0..config.max_positions {
        for frequency in &frequencies {
            let (sine, cosine) = (f64::from(position) * frequency).sin_cos();
            angles.extend([cosine as f32, sine as f32]);
        }
    }
    angles
}
