#!/usr/bin/env bash
# Copies pending snapshots (baselines/**/*.snap.new) to target/pending-snapshots, each to its place in the checkout, and
# says how to take them.
#
#   ci/pending-snapshots.sh
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/pending-snapshots
rm -rf "$folder"
mapfile -d '' -t pending < <(find baselines -name '*.snap.new' -print0 | sort -z)
if [ "${#pending[@]}" -eq 0 ]; then
    echo 'no snapshot moved'
    exit 0
fi
mkdir -p "$folder"
cp --parents "${pending[@]}" "$folder"

echo "${#pending[@]} moved. Copy $folder over a checkout of this commit, then run there \`cargo insta review\` or"
for file in "${pending[@]}"; do
    printf "    cargo insta accept --snapshot '%s'\n" "${file%.new}"
done
