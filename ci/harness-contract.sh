#!/usr/bin/env bash
# Holds the gate to what its users rely on, with the real nextest and cargo-insta, from an archive run
# in a copy of the checkout: the documented way on machines without a toolchain.
# Usage: ci/harness-contract.sh   (needs cargo-nextest and cargo-insta)
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"; [ ! -d target.away ] || mv target.away target' EXIT
copy=$work/checkout
mkdir "$copy"
git ls-files -z | xargs -0 cp --parents --no-dereference -t "$copy"
cargo nextest archive --archive-file "$work/all.tar.zst"
cargo nextest archive --test gate --archive-file "$work/gate.tar.zst"

gate=(cargo nextest run --archive-file "$work/gate.tar.zst" --workspace-remap "$copy" --profile ci)
control=cases/control/a100-sarathi-vs-vidur.yaml
snapshot=baselines/control/a100-sarathi-vs-vidur.snap
fail() { echo "contract broken: $1" >&2; exit 1; }
green() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "expected green: $*"; }; }
red() { ! "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "expected red: $*"; }; }
unset INSTA_UPDATE INSTA_FORCE_PASS

echo '- the suite is green from an archive in another folder'
green "${gate[@]}"

echo '- and so is all else, with the build directory gone'
mv target target.away
green cargo nextest run --archive-file "$work/all.tar.zst" --workspace-remap "$copy" --profile ci
mv target.away target

echo '- a figure that drifts is red, and green again once cargo insta accepted it'
sed -i 's/sim, 1 run/sim, 2 runs/; s/1\.968 ms/1.969 ms/' "$copy/$snapshot"
red env CI= INSTA_UPDATE=new "${gate[@]}"
grep -q 'the figures differ from the accepted snapshot' "$work/log" || fail 'no word of the drift'
green cargo insta accept --workspace-root "$copy"
green "${gate[@]}"

echo '- the control is red without its expectation, also with its snapshot accepted'
sed -i '/^expect:/d' "$copy/$control"
red env CI= INSTA_UPDATE=always "${gate[@]}"
for insta in INSTA_UPDATE=no INSTA_UPDATE=always INSTA_FORCE_PASS=1; do
    red env "$insta" "${gate[@]}"
done
grep -q 'FAIL .*control::a100-sarathi-vs-vidur' "$work/log" || fail 'another test was red'

echo '- JUnit carries the verdict as its message'
junit=$(find "$copy/target" -name junit.xml | head -n 1)
grep -q 'Error: control::a100-sarathi-vs-vidur: ttft.p50 -88.62 %' "$junit" || fail "no verdict in $junit"

echo '- cargo insta test does not turn it green'
red env -C "$copy" CARGO_TARGET_DIR="$PWD/target" cargo insta test --test-runner nextest --test gate

echo '- a snapshot without a case is red'
git checkout-index --prefix="$copy/" -f "$control" "$snapshot"
green "${gate[@]}"
cp "$copy/$snapshot" "$copy/baselines/orphan.snap"
red "${gate[@]}"
grep -q 'baselines/orphan.snap has no case' "$work/log" || fail 'no word of the orphan'
echo 'all held'
