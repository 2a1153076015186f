#!/usr/bin/env bash
# Do samplers without exithead draw the same pictures? bash scripts/interop/run.sh [options of main.ts]
# Makes a Python environment for onnxruntime in .cache; PyTorch and Chromium are taken from the system, or skipped aloud.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=.cache/interop-python
if [ ! -e "$environment/made" ]; then
  if python3 -m venv "$environment" &&
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r scripts/interop/requirements.txt; then
    touch "$environment/made"
  else
    echo "no environment for Python in $environment: what needs it is skipped" >&2
  fi
fi
exec npx tsx scripts/interop/main.ts "$@"
