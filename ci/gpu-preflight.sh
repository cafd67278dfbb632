#!/usr/bin/env bash
# Says in plain words what this machine lacks to run a simgate that was built with the feature `cuda`.
# candle links CUDA's libraries, so without them the program cannot even start to complain.
#
#   ci/gpu-preflight.sh [CAPABILITY]      # what the build was made for: 90 (H100, H200) or 80 (A100)
set -uo pipefail
capability=${1:-}
missing=0
lack() { echo "gpu-preflight: $1" >&2; missing=1; }

[ -e /dev/nvidiactl ] || lack 'there is no NVIDIA GPU, or its driver is not loaded (/dev/nvidiactl does not exist)'

# Where the loader looks: its cache, and LD_LIBRARY_PATH.
has() {
    ldconfig -p 2>/dev/null | grep -q "$1" && return
    local IFS=:
    for folder in ${LD_LIBRARY_PATH:-}; do [ -e "$folder/$1" ] && return; done
    return 1
}
has libcuda.so.1 || lack "the driver's libcuda.so.1 is not found: install the NVIDIA driver (580 or newer)"
for library in libcudart.so.13 libcublas.so.13 libcurand.so.10 libnvrtc.so.13; do
    has "$library" || lack "$library is not found: install CUDA 13's libraries, or add their folder to LD_LIBRARY_PATH"
done

if smi=$(nvidia-smi --query-gpu=driver_version,compute_cap,name --format=csv,noheader 2>/dev/null); then
    while IFS=, read -r driver compute name; do
        major=${driver%%.*}
        [ "$major" -ge 580 ] || lack "the driver is $driver: CUDA 13.0 needs 580 or newer"
        compute=$(tr -d ' .' <<<"$compute")
        if [ -n "$capability" ] && [ "$compute" != "$capability" ]; then
            lack "the GPU (${name# }) has compute capability $compute, the build is for $capability: build it with \`ci/cuda-toolchain.sh DIR $compute\`"
        fi
    done <<<"$smi"
else
    lack 'nvidia-smi does not run: the driver cannot be asked for its version'
fi
[ "$missing" -eq 0 ] && echo "gpu-preflight: ready ($smi)"
exit "$missing"
