#!/usr/bin/env bash
# Judges every case, breaks the simulator on purpose to see what they notice, and reports both. Leaves check.json,
# power.json and the folder report in OUT; the exit status is the first that is not 0.
#
#   ci/report.sh target/report [FILTER]                          # builds and runs this checkout
#   BUNDLE=target/bundle ci/report.sh target/report [FILTER]     # runs what ci/bundle.sh built
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: ci/report.sh OUT [FILTER]}
filter=("${@:2}")
mkdir -p "$out"
rm -f "$out/check.json" "$out/power.json"

if [ -n "${BUNDLE:-}" ]; then
    # A downloaded artefact has lost its permissions.
    chmod +x "$BUNDLE/simgate"
    simgate=("$BUNDLE/simgate")
else
    simgate=(cargo run --quiet --release --)
fi
status=0
keep() { "${simgate[@]}" "$@" || { local code=$?; [ "$status" -ne 0 ] || status=$code; }; }

keep check "${filter[@]}" --json "$out/check.json"
keep power "${filter[@]}" --json "$out/power.json"
power=()
[ ! -f "$out/power.json" ] || power=(--power "$out/power.json")
keep report "${filter[@]}" --out "$out/report" "${power[@]}"
exit "$status"
