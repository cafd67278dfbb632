#!/usr/bin/env bash
# Builds what runs the gate on a machine without a toolchain, and leaves it in BUNDLE: the tests (gate.tar.zst) and the
# programs simgate and cargo-nextest.
#
#   ci/bundle.sh target/bundle                            # for any machine
#   ci/bundle.sh target/bundle target/cuda-toolchain 90   # for a GPU: 90 (H100, H200) or 80 (A100)
#
# The machine needs a checkout of the same commit, and a C library that is not older than the one here.
set -euo pipefail
cd "$(dirname "$0")/.."
bundle=${1:?usage: ci/bundle.sh BUNDLE [CUDA-TOOLCHAIN CAPABILITY]}
mkdir -p "$bundle"

# The system's search path may lack what cargo installs.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v cargo-nextest >/dev/null || cargo install --locked --quiet cargo-nextest --version 0.9.143

if [ $# -gt 1 ]; then
    capability=${3:?usage: ci/bundle.sh BUNDLE CUDA-TOOLCHAIN CAPABILITY}
    ci/build-cuda.sh "$2" "$capability" "$bundle/gate.tar.zst"
    built=target/cuda-$capability
else
    built=target
    # Symbols are half of the program.
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo nextest archive --release --target-dir "$built" --test gate \
        --archive-file "$bundle/gate.tar.zst"
fi
cp "$built/release/simgate" "$(command -v cargo-nextest)" "$bundle"
ls -l "$bundle"
