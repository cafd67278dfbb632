#!/usr/bin/env bash
# Records the real side of every case of HARDWARE, SETS times anew, into target/nightly/DATE/set-N: repeats that no
# baseline and no profile has seen. Runs what ci/bundle.sh built, on a GPU machine.
#
#   BUNDLE=target/bundle ci/nightly.sh h200 [SETS]
#
# A set that fails does not keep the others from being recorded, but makes the exit status 1. A recording that is too
# noisy for its case fails, too, and is kept: leaving it out would flatter the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
hardware=${1:?usage: ci/nightly.sh HARDWARE [SETS]}
sets=${2:-1}
bundle=${BUNDLE:?set BUNDLE to what ci/bundle.sh built}
# A downloaded artefact has lost its permissions.
chmod +x "$bundle/simgate"
ci/gpu-preflight.sh

names=$("$bundle/simgate" check --list "$hardware::")
mapfile -t cases <<<"$names"
out=target/nightly/$(date -u +%Y-%m-%d)
status=0
for ((set = 1; set <= sets; set++)); do
    echo "set $set of $sets: ${#cases[@]} cases into $out/set-$set"
    # As loosely as the baselines (docs/decisions/gpu-baselines.md).
    "$bundle/simgate" record "${cases[@]}" --out "$out/set-$set" --reason 'held-out repeats' --max-host-drift 30% ||
        status=1
done
exit "$status"
