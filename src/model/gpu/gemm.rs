//! Matrix products through cuBLAS.

use std::ffi::c_void;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::cublas::{CudaBlas, result, sys};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream, DevicePtr};

use super::addresses::Address;
use crate::model::ModelError;

/// `y = x w^T`, or `y += x w^T`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    /// Shape (rows, inner).
    pub x: Address,
    /// Shape (outputs, inner).
    pub w: Address,
    /// Shape (rows, outputs).
    pub y: Address,
    pub rows: u32,
    pub inner: usize,
    pub outputs: usize,
    /// Whether the product is added to what `y` holds.
    pub add: bool,
}

/// Gives cuBLAS `bytes` of memory of ours.
pub(super) fn give_workspace(
    blas: &CudaBlas,
    stream: &Arc<CudaStream>,
    bytes: usize,
) -> Result<CudaSlice<u8>, ModelError> {
    let workspace = stream.alloc_zeros::<u8>(bytes)?;
    let address = workspace.device_ptr(stream).0;
    #[expect(unsafe_code, reason = "cuBLAS is called through its C interface")]
    // SAFETY: the memory has this size and lives as long as the handle; both are kept together.
    unsafe {
        sys::cublasSetWorkspace_v2(*blas.handle(), address as *mut c_void, bytes).result()?;
    }
    Ok(workspace)
}

/// Issues a product of bf16 matrices with f32 sums.
pub(super) fn multiply(blas: &CudaBlas, product: Product) -> Result<(), ModelError> {
    let Product { x, w, y, rows, inner, outputs, add } = product;
    let (one, before) = (1_f32, f32::from(u8::from(add)));
    let [rows, inner, outputs] = [rows as i32, inner as i32, outputs as i32];
    let bf16 = sys::cudaDataType_t::CUDA_R_16BF;
    #[expect(unsafe_code, reason = "cuBLAS is called through its C interface")]
    // SAFETY: callers pass matrices of these shapes. cuBLAS counts by columns, so that our rows are its
    // columns: y^T (outputs, rows) = w (outputs, inner) x^T (inner, rows).
    unsafe {
        result::gemm_ex(
            *blas.handle(),
            sys::cublasOperation_t::CUBLAS_OP_T,
            sys::cublasOperation_t::CUBLAS_OP_N,
            outputs,
            rows,
            inner,
            (&raw const one).cast(),
            w as *const c_void,
            bf16,
            inner,
            x as *const c_void,
            bf16,
            inner,
            (&raw const before).cast(),
            y as *mut c_void,
            bf16,
            outputs,
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
        )?;
    }
    Ok(())
}
