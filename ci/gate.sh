#!/usr/bin/env bash
# Runs the gate under nextest and passes its exit status on. JUnit lies in target/nextest/ci/junit.xml then, and the
# snapshots that moved in target/pending-snapshots.
#
#   ci/gate.sh                                                # builds and runs this checkout
#   ci/gate.sh -- h200::                                      # some cases
#   BUNDLE=target/bundle ci/gate.sh --partition hash:1/4      # runs what ci/bundle.sh built, without a toolchain
#
# Arguments are nextest's. A partition without a case is red: take fewer partitions.
set -euo pipefail
cd "$(dirname "$0")/.."
# Where CI is set, insta writes pending snapshots only when told to.
export INSTA_UPDATE=${INSTA_UPDATE:-new}

if [ -n "${BUNDLE:-}" ]; then
    # A downloaded artefact has lost its permissions.
    chmod +x "$BUNDLE/cargo-nextest"
    run=("$BUNDLE/cargo-nextest" nextest run --archive-file "$BUNDLE/gate.tar.zst" --workspace-remap .)
else
    run=(cargo nextest run --test gate)
fi
status=0
"${run[@]}" --profile ci -E 'binary(gate)' "$@" || status=$?
ci/pending-snapshots.sh
exit "$status"
