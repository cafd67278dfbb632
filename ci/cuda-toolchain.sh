#!/usr/bin/env bash
# Installs what building simgate's `cuda` feature takes, on a machine with Python but without CUDA and
# without a GPU, and prints the environment to build with:
#
#   eval "$(ci/cuda-toolchain.sh DIR [CAPABILITY])"     # CAPABILITY: 90 for H100 and H200, 80 for A100
#   cargo build --release --features cuda --target-dir target/cuda-90
#
# A second run only prints. The versions go together: newer PTX does not load on a CUDA 13.0 driver.
set -euo pipefail
dir=${1:?usage: ci/cuda-toolchain.sh DIR [CAPABILITY]}
capability=${2:-90}
case "$capability" in 80 | 90) ;; *) echo "capability $capability: simgate is built for 80 (A100) or 90 (H100, H200)" >&2; exit 2 ;; esac
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
toolkit=$dir/nvidia/cu13

if [ ! -e "$dir/complete" ]; then
    python3 -m pip install --quiet --upgrade --target "$dir" \
        nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
        nvidia-cuda-runtime==13.0.88 nvidia-cuda-cccl==13.0.85 nvidia-curand==10.4.0.35 \
        nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.0.2.14 >&2
    # The linker looks for names without versions, nvcc for lib64.
    for library in "$toolkit"/lib/lib*.so.*; do
        ln -sf "$(basename "$library")" "${library%%.so.*}.so"
    done
    ln -sfn lib "$toolkit/lib64"
    # The driver's library comes with the driver; a stub with its names stands in for it while linking.
    mkdir -p "$dir/stubs"
    grep -oE '\bcu[A-Z][A-Za-z0-9_]*' "$toolkit/include/cuda.h" | sort -u | sed 's/.*/void &(void) {}/' |
        cc -shared -x c - -Wl,-soname,libcuda.so.1 -o "$dir/stubs/libcuda.so"
    # Tests that need no GPU load it under this name.
    ln -sf libcuda.so "$dir/stubs/libcuda.so.1"
    touch "$dir/complete"
fi

cat <<ENVIRONMENT
export CUDA_HOME='$toolkit' CUDA_PATH='$toolkit' NVCC='$toolkit/bin/nvcc' CUDA_COMPUTE_CAP=$capability
export PATH='$toolkit/bin':"\$PATH"
export LIBRARY_PATH='$dir/stubs:$toolkit/lib'
ENVIRONMENT
