//! Where weights lie in the GPU's memory.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaStream, DevicePtr};
use candle_core::{Storage, Tensor};
use half::bf16;

use super::error::gpu;
use crate::model::ModelError;
use crate::model::layers::{Layer, Weights};

/// A device address.
pub(super) type Address = u64;

/// Addresses of all weights; valid as long as the weights live.
pub(super) struct Addresses {
    pub embed: Address,
    pub layers: Vec<LayerAddresses>,
    pub norm: Address,
    pub lm_head: Address,
}

/// Those of one layer.
pub(super) struct LayerAddresses {
    pub input_norm: Address,
    pub qkv: Address,
    pub q_norm: Address,
    pub k_norm: Address,
    pub out_proj: Address,
    pub post_norm: Address,
    pub gate_up: Address,
    pub down: Address,
}

impl Addresses {
    pub fn of(weights: &Weights, stream: &Arc<CudaStream>) -> Result<Self, ModelError> {
        let at = |tensor: &Tensor| address(tensor, stream);
        let layer = |layer: &Layer| {
            Ok(LayerAddresses {
                input_norm: at(&layer.input_norm)?,
                qkv: at(&layer.qkv)?,
                q_norm: at(&layer.q_norm)?,
                k_norm: at(&layer.k_norm)?,
                out_proj: at(&layer.out_proj)?,
                post_norm: at(&layer.post_norm)?,
                gate_up: at(&layer.gate_up)?,
                down: at(&layer.down)?,
            })
        };
        Ok(Self {
            embed: at(&weights.embed)?,
            layers: weights.layers.iter().map(layer).collect::<Result<_, ModelError>>()?,
            norm: at(&weights.norm)?,
            lm_head: at(&weights.lm_head)?,
        })
    }
}

/// Where a contiguous bf16 tensor begins.
fn address(tensor: &Tensor, stream: &Arc<CudaStream>) -> Result<Address, ModelError> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cuda(storage), Some((from, _))) = (&*storage, layout.contiguous_offsets()) else {
        return Err(gpu("a weight is not contiguous on it"));
    };
    let slice = storage.as_cuda_slice::<bf16>().map_err(|error| gpu(error.to_string()))?;
    let (address, _order) = slice.device_ptr(stream);
    Ok(address + (from * size_of::<bf16>()) as u64)
}
