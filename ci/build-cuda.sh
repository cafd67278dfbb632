#!/usr/bin/env bash
# Builds the feature `cuda` end to end on a machine without CUDA and without a GPU: installs the compiler,
# lints, runs the tests that need no GPU (all kernels compile, for every architecture), and leaves an
# archive for a GPU machine. To be run before any change of `model` or of the candle backend is done.
#
#   ci/build-cuda.sh DIR [CAPABILITY [ARCHIVE]]    # 90 (H100, H200) or 80 (A100)
#
# The archive is target/gate-CAPABILITY.tar.zst of this checkout unless named.
set -euo pipefail
dir=$(realpath -m "${1:?usage: ci/build-cuda.sh DIR [CAPABILITY [ARCHIVE]]}")
capability=${2:-90}
archive=$(realpath -m "${3:-$(dirname "$0")/../target/gate-$capability.tar.zst}")
cd "$(dirname "$0")/.."
environment=$(ci/cuda-toolchain.sh "$dir" "$capability")
eval "$environment"
# Symbols are half of the program.
export CARGO_PROFILE_RELEASE_STRIP=symbols
build=(--release --features cuda --target-dir "target/cuda-$capability")

cargo clippy "${build[@]}" --all-targets -- -D warnings
LD_LIBRARY_PATH=$LIBRARY_PATH cargo test "${build[@]}" --lib gpu
cargo nextest archive "${build[@]}" --bins --test gate --test gpu --lib --archive-file "$archive"
ls -l "$archive"
