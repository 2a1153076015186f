#!/usr/bin/env bash
# How was models/mnist-dit made? From nothing but the 60,000 training images; about an hour on two idle cores.
# A run that was stopped goes on with: scripts/make-mnist-dit.sh --resume
set -euo pipefail
cd "$(dirname "$0")/.."
npm run --silent exithead -- pretrain configs/mnist/pretrain.yaml "$@"
run=$(ls -d runs/*-mnist-pretrain | tail -n 1)
cp "$run"/backbone/config.json "$run"/backbone/model.safetensors models/mnist-dit/
cp "$run"/metrics.jsonl models/mnist-dit/metrics.jsonl
npx tsx scripts/bench/digits.ts models/mnist-dit
