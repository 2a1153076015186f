// How much faster are a forward pass and a step of training heads with the backbone in 8 bits?
import type { BackboneSpec } from '../../../src/backbones/backbone.js';
import { initialWeights } from '../../../src/backbones/init.js';
import { ditSpec } from '../../../src/backbones/spec.js';
import type { Engine, Feeds } from '../../../src/engine/engine.js';
import { frozenPrecisions } from '../../../src/engine/tensors.js';
import { headPlan } from '../../../src/exits/heads.js';
import { exitStep, queryInputs } from '../../../src/exits/model.js';
import { weightsIn } from '../../../src/exits/precision.js';
import { stream } from '../../../src/random.js';
import { headsInputs, headsStep, lossFeeds, targetsOf } from '../../../src/training/headsStep.js';
import { initialState } from '../../../src/training/state.js';
import { headsAtStart } from '../../../src/training/trainHeads.js';
import { alternate, type Candidate } from '../alternate.js';
import { benchSpec } from '../spec.js';

const rounds = 9;
const wideSpec = ditSpec({
  ...{ input_size: 16, patch_size: 2, in_channels: 4, hidden_size: 384, depth: 12, num_heads: 6 },
  ...{ mlp_ratio: 4, num_classes: 10, learn_sigma: false },
});
const update = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 1, ema: 0.995 };

/** Prints images/s of both precisions, which take turns, on backbones of two sizes. */
export async function showSpeed(engine: Engine): Promise<void> {
  for (const [spec, batch] of [
    [benchSpec, 64],
    [wideSpec, 32],
  ] as const) {
    for (const images of [1, batch]) await forward(engine, spec, images);
    for (const kind of ['linear', 'adapter'] as const) await training(engine, spec, kind, batch);
  }
}

async function forward(engine: Engine, spec: BackboneSpec, images: number): Promise<void> {
  const weights = initialWeights(spec, 0);
  const { x, t, y } = feedsOf(spec, images);
  const candidates: Candidate[] = [];
  for (const name of frozenPrecisions) {
    const step = await engine.compile(exitStep({ spec, plans: [] }, spec.depth, false), {
      ...{ state: {}, batch: queryInputs(spec) },
      frozen: await weightsIn(weights, name),
    });
    candidates.push({ name, images, run: () => step({ x, t, y }) });
  }
  console.log(`\nforward pass of ${spec.size}, batch ${images}`);
  await alternate(candidates, rounds);
}

async function training(
  engine: Engine,
  spec: BackboneSpec,
  kind: 'linear' | 'adapter',
  images: number,
): Promise<void> {
  const weights = initialWeights(spec, 0);
  const plans = Array.from({ length: spec.depth - 1 }, (_, i) => headPlan(kind, i + 1, { bottleneck: 64 }));
  const heads = await headsAtStart({ spec, weights }, plans, 0);
  const loss = { denoising: 1, distillation: 1, exitWeights: plans.map(() => 1 / plans.length) };
  const targets = targetsOf(loss);
  const feeds = { ...feedsOf(spec, images), ...lossFeeds(loss, new Float32Array(images).fill(1)) };
  const candidates: Candidate[] = [];
  for (const name of frozenPrecisions) {
    const step = await engine.compile(headsStep(spec, plans, targets, update), {
      ...{ state: initialState(heads), batch: headsInputs(spec, plans, targets) },
      frozen: await weightsIn(weights, name),
    });
    candidates.push({ name, images, run: () => step(feeds) });
  }
  console.log(`\nstep of training ${plans.length} ${kind} heads on ${spec.size}, batch ${images}`);
  await alternate(candidates, rounds);
}

function feedsOf(
  spec: BackboneSpec,
  batch: number,
): Feeds & Readonly<Record<'x' | 't' | 'y', Float32Array | Int32Array>> {
  const random = stream(0, 'bench');
  const length = batch * spec.channels * spec.imageSize ** 2;
  return {
    x: random.normals(length),
    noise: random.normals(length),
    t: new Float32Array(batch).fill(spec.timeSteps / 2),
    y: new Int32Array(batch),
    lr: 1e-4,
  };
}
