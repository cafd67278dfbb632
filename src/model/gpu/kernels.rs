//! The kernels: compiled at run time for one model and one block size, and how they are launched.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaFunction, CudaModule, CudaStream, sys};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

use crate::model::attention_work::{
    MOST_DECODE_SPLITS, MOST_PREFILL_SPLITS, TILE_KEYS, TILE_ROWS, heads_at_once,
};
use crate::model::{ModelConfig, ModelError};

/// All sources, as one unit.
const SOURCES: &str = concat!(
    include_str!("kernels/common.cuh"),
    include_str!("kernels/elementwise.cu"),
    include_str!("kernels/rope.cu"),
    include_str!("kernels/merge.cuh"),
    include_str!("kernels/attention_decode.cu"),
    include_str!("kernels/attention_prefill.cu"),
    include_str!("kernels/matrix_vector.cu"),
    include_str!("kernels/argmax.cu"),
);

/// A grid of blocks of `threads` each, with `shared` bytes of memory of its own for each block beside
/// what the kernel declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub blocks: (u32, u32, u32),
    pub threads: u32,
    pub shared: u32,
}

/// Shared memory of a block of `attention_prefill.cu`: two tiles of keys and two of values, rows padded.
pub(super) fn prefill_shared_bytes(config: &ModelConfig) -> u32 {
    (4 * TILE_KEYS as usize * (config.head_dim + 8) * size_of::<u16>()) as u32
}

/// Rows that the products of `matrix_vector.cu` come for.
const VECTOR_ROWS: [u32; 3] = [1, 2, 4];
/// Bytes of shared memory that a kernel may declare.
const STATIC_SHARED_BYTES: usize = 48 << 10;

/// The products of so many rows.
pub(super) struct MatrixVector {
    pub norm: CudaFunction,
    pub out: CudaFunction,
    pub silu: CudaFunction,
    pub down: CudaFunction,
}

/// The compiled kernels.
pub(super) struct Kernels {
    /// Does nothing: shows what a launch costs.
    pub nothing: CudaFunction,
    pub embed: CudaFunction,
    pub rms_norm: CudaFunction,
    pub silu_mul: CudaFunction,
    pub qk_norm_rope: CudaFunction,
    pub attention_decode: CudaFunction,
    pub attention_prefill: CudaFunction,
    pub argmax: CudaFunction,
    /// For each of [`VECTOR_ROWS`] that fits.
    matrix_vector: Vec<(u32, MatrixVector)>,
    stream: Arc<CudaStream>,
    /// Whether a kernel may start while the one before it finishes: Hopper and later.
    overlap: bool,
}

/// Most rows that `matrix_vector.cu` can hold in shared memory; 0 where not even one fits.
fn most_vector_rows(config: &ModelConfig) -> u32 {
    let widest = config.hidden_size.max(config.intermediate_size);
    let widest = widest.max(config.heads * config.head_dim);
    (STATIC_SHARED_BYTES / (widest * size_of::<u16>())) as u32
}

/// PTX of the kernels for compute capability `capability` (90 for 9.0).
///
/// # Errors
/// The compiler's own words.
pub(super) fn compile(
    config: &ModelConfig,
    block_tokens: u32,
    capability: i32,
) -> Result<candle_core::cuda_backend::cudarc::nvrtc::Ptx, ModelError> {
    let sizes = [
        ("HIDDEN", config.hidden_size),
        ("INTERMEDIATE", config.intermediate_size),
        ("HEADS", config.heads),
        ("KV_HEADS", config.kv_heads),
        ("HEAD_DIM", config.head_dim),
        ("VOCABULARY", config.vocab_size),
        ("BLOCK_TOKENS", block_tokens as usize),
        ("HEADS_AT_ONCE", heads_at_once(config)),
        ("TILE_ROWS", TILE_ROWS as usize),
        ("TILE_KEYS", TILE_KEYS as usize),
        ("MOST_VECTOR_ROWS", most_vector_rows(config) as usize),
        ("MOST_DECODE_SPLITS", MOST_DECODE_SPLITS as usize),
        ("MOST_PREFILL_SPLITS", MOST_PREFILL_SPLITS as usize),
    ];
    let mut options: Vec<String> =
        sizes.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
    options.push(format!("-DEPSILON={:e}f", config.rms_norm_eps as f32));
    options.push(format!("-DSCALE={:e}f", (config.head_dim as f32).sqrt().recip()));
    options.push(format!("--gpu-architecture=compute_{capability}"));
    let options = CompileOptions { options, ..CompileOptions::default() };
    Ok(compile_ptx_with_opts(SOURCES, options)?)
}

impl Kernels {
    /// Compiles the kernels for the GPU of `stream`.
    pub fn new(
        config: &ModelConfig,
        block_tokens: u32,
        stream: Arc<CudaStream>,
    ) -> Result<Self, ModelError> {
        let (major, minor) = stream.context().compute_capability()?;
        let ptx = compile(config, block_tokens, 10 * major + minor)?;
        let module = stream.context().load_module(ptx)?;
        let get = |name: &str| module.load_function(name);
        let attention_prefill = get("attention_prefill")?;
        attention_prefill.set_attribute(
            sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
            prefill_shared_bytes(config) as i32,
        )?;
        Ok(Self {
            nothing: get("nothing")?,
            embed: get("embed")?,
            rms_norm: get("rms_norm")?,
            silu_mul: get("silu_mul")?,
            qk_norm_rope: get("qk_norm_rope")?,
            attention_decode: get("attention_decode")?,
            attention_prefill,
            argmax: get("argmax")?,
            matrix_vector: VECTOR_ROWS
                .into_iter()
                .filter(|&rows| rows <= most_vector_rows(config))
                .map(|rows| Ok((rows, MatrixVector::new(&module, rows)?)))
                .collect::<Result<_, ModelError>>()?,
            stream,
            overlap: major >= 9,
        })
    }

    /// The products for `rows` rows, where they are ours.
    pub fn matrix_vector(&self, rows: u32) -> Option<&MatrixVector> {
        self.matrix_vector.iter().find(|(count, _)| *count == rows).map(|(_, kernels)| kernels)
    }

    /// Launches `kernel`. Each argument is a device address or, in its low half, a 32-bit number.
    pub fn launch(
        &self,
        kernel: &CudaFunction,
        grid: Grid,
        arguments: &[u64],
    ) -> Result<(), ModelError> {
        let mut pointers = [null_mut::<c_void>(); 12];
        for (pointer, argument) in pointers.iter_mut().zip(arguments) {
            *pointer = std::ptr::from_ref(argument).cast_mut().cast();
        }
        let mut attributes = [sys::CUlaunchAttribute {
            id: sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            pad: [0; 4],
            value: sys::CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 },
        }];
        let config = sys::CUlaunchConfig {
            gridDimX: grid.blocks.0,
            gridDimY: grid.blocks.1,
            gridDimZ: grid.blocks.2,
            blockDimX: grid.threads,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: grid.shared,
            hStream: self.stream.cu_stream(),
            attrs: attributes.as_mut_ptr(),
            numAttrs: u32::from(self.overlap),
        };
        #[expect(unsafe_code, reason = "kernels are launched through the driver")]
        // SAFETY: callers pass what the kernel's signature asks for, and device memory that lives as
        // long as the stream's work. Kernels stay inside it for descriptions that were checked.
        unsafe {
            sys::cuLaunchKernelEx(&config, kernel.cu_function(), pointers.as_mut_ptr(), null_mut())
                .result()?;
        }
        Ok(())
    }
}

impl MatrixVector {
    fn new(module: &Arc<CudaModule>, rows: u32) -> Result<Self, ModelError> {
        let get = |name: &str| module.load_function(&format!("{name}_product_{rows}"));
        Ok(Self { norm: get("norm")?, out: get("out")?, silu: get("silu")?, down: get("down")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(heads: usize, kv_heads: usize, head_dim: usize) -> ModelConfig {
        ModelConfig {
            vocab_size: 1_024,
            hidden_size: 256,
            intermediate_size: 512,
            layers: 2,
            heads,
            kv_heads,
            head_dim,
            max_positions: 1_024,
            rope_theta: 1e6,
            rms_norm_eps: 1e-6,
            tie_word_embeddings: true,
            eos: None,
            tokenizer: None,
        }
    }

    /// Has the toolkit's assembler take PTX, which the driver otherwise does while loading it.
    fn assemble(ptx: &str, capability: i32) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kernels.ptx"), ptx).unwrap();
        let output = std::process::Command::new("ptxas")
            .arg(format!("-arch=sm_{capability}"))
            .args(["-o", "kernels.cubin", "kernels.ptx"])
            .current_dir(dir.path())
            .output();
        match output {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => println!("skipped: there is no ptxas here"),
        }
    }

    #[test]
    fn kernels_compile_for_every_size_and_gpu_without_one_at_hand() {
        // Those of Qwen3-0.6B, 8B and 32B, and groups of heads that are no power of two.
        for (heads, kv_heads, head_dim, hidden, wide) in [
            (16, 8, 128, 1_024, 3_072),
            (32, 8, 128, 4_096, 12_288),
            (64, 8, 128, 5_120, 25_600),
            (40, 8, 128, 512, 512),
            (4, 2, 16, 32, 64),
            (8, 1, 64, 256, 512),
        ] {
            let config = ModelConfig {
                hidden_size: hidden,
                intermediate_size: wide,
                ..config(heads, kv_heads, head_dim)
            };
            for capability in [80, 90] {
                let compiled = compile(&config, 16, capability).unwrap();
                assemble(&compiled.to_src(), capability);
            }
        }
    }
}
