#!/usr/bin/env bash
# Times the gate over many generated cases: five repeats a side of 300 requests and 32 tokens each.
# Usage: ci/many-cases.sh [CASES]   (needs cargo-nextest; 400 cases take 1.3 GB under TMPDIR)
set -euo pipefail
cd "$(dirname "$0")/.."
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT

cargo run --quiet --example many_cases -- "$project" "${1:-400}"
cargo nextest archive --test gate --archive-file "$project/gate.tar.zst"
gate=(cargo nextest run --archive-file "$project/gate.tar.zst" --workspace-remap "$project" --status-level none)
# An archive runs in any folder that has the workspace's manifest.
cp Cargo.toml "$project"
cd "$project"
# The first run only accepts the snapshots.
INSTA_UPDATE=always INSTA_OUTPUT=none "${gate[@]}" -E 'not test(snapshots::)' >/dev/null 2>&1
"${gate[@]}"
