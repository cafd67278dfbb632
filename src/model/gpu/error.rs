//! What the GPU's libraries say, in words that help.

use candle_core::cuda_backend::cudarc::cublas::result::CublasError;
use candle_core::cuda_backend::cudarc::driver::DriverError;
use candle_core::cuda_backend::cudarc::driver::sys::CUresult;
use candle_core::cuda_backend::cudarc::nvrtc::CompileError;

use crate::model::ModelError;

/// A GPU that did not do what it was told.
pub(super) fn gpu(problem: impl Into<String>) -> ModelError {
    ModelError::Gpu { problem: problem.into() }
}

impl From<DriverError> for ModelError {
    fn from(error: DriverError) -> Self {
        let advice = match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                "its memory is used up: lower `kv_blocks`, `chunk_tokens` or `max_sequences`, or end what else runs on it (nvidia-smi lists it)"
            }
            CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
            | CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => {
                "its driver is too old for CUDA 13.0: install 580 or newer"
            }
            CUresult::CUDA_ERROR_INVALID_PTX => {
                "its driver does not take the kernels for this model's sizes: report it, with `config.json`"
            }
            CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU => {
                "simgate was built for another GPU: build it with `ci/cuda-toolchain.sh DIR CAPABILITY` for this one"
            }
            CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE
            | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
            | CUresult::CUDA_ERROR_NO_DEVICE
            | CUresult::CUDA_ERROR_UNKNOWN => {
                "it was lost: look at `nvidia-smi` and at the kernel's log for Xid messages, then start again"
            }
            CUresult::CUDA_ERROR_ILLEGAL_ADDRESS | CUresult::CUDA_ERROR_LAUNCH_FAILED => {
                "a kernel failed, and with it everything in this process; run `compute-sanitizer` over the same command, and report it"
            }
            _ => return gpu(format!("{error:?}")),
        };
        gpu(format!("{advice} ({error:?})"))
    }
}

impl From<CublasError> for ModelError {
    fn from(error: CublasError) -> Self {
        gpu(format!("a matrix product failed ({error:?})"))
    }
}

impl From<CompileError> for ModelError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::CompileError { log, .. } => {
                gpu(format!("its kernels do not compile:\n{}", log.to_string_lossy()))
            }
            other => gpu(format!("its kernels do not compile ({other:?})")),
        }
    }
}
