// What do both sides read? Writes the backbone, the heads and one batch of a case into a folder.
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BackboneSpec } from '../../../src/backbones/backbone.js';
import { familyOf } from '../../../src/backbones/families.js';
import { ditSpec } from '../../../src/backbones/spec.js';
import { openBackbone } from '../../../src/checkpoints/backbone.js';
import { writeSafetensors } from '../../../src/checkpoints/safetensors.js';
import { writeBackbone } from '../../../src/checkpoints/writeBackbone.js';
import { alphaBar, ddpmBetas, diffusion } from '../../../src/diffusion/betas.js';
import { respace } from '../../../src/diffusion/respace.js';
import type { HostTensors, Shapes } from '../../../src/engine/tensors.js';
import { headPlan, headShapes, type HeadPlan } from '../../../src/exits/heads.js';
import { exitMacs } from '../../../src/exits/model.js';
import { promptsOf } from '../../../src/exits/prompts.js';
import { isFile } from '../../../src/files/disk.js';
import { stream } from '../../../src/random.js';
import { spreadTimes } from '../../../src/training/times.js';
import { unreachable } from '../../../src/errors.js';
import { randomWeight } from '../weights.js';
import type { Case, ModelName, Work } from './cases.js';
import type { Course, Job, JobWork } from './job.js';

const process = diffusion(ddpmBetas);
const bottleneck = 64;

/** All that the sides of a case have in common. */
export async function prepare(
  folder: string,
  { model, batch, work }: Case,
): Promise<Omit<Job, 'side' | 'threads'>> {
  await mkdir(folder, { recursive: true });
  const backbone = await backboneFolder(folder, model);
  const { spec, weights } = await openBackbone({ path: backbone, weights: 'auto' });
  const kind = headsOf(work);
  const plans = kind
    ? Array.from({ length: spec.depth - 1 }, (_, i) => headPlan(kind, i + 1, { bottleneck }))
    : [];
  const heads = join(folder, `${model}-${kind ?? 'no'}-heads.safetensors`);
  const headWeights = randomWeights(
    Object.assign({}, ...plans.map((plan) => headShapes(spec, plan))) as Shapes,
  );
  await writeSafetensors(heads, headWeights);
  const inputs = join(folder, `${model}-${batch}.safetensors`);
  await writeSafetensors(inputs, oneBatch(spec, batch));
  return {
    ...{ backbone, inputs, heads, plans },
    work: jobWork(
      work,
      (exit) => exitMacs({ spec, backbone: weights, plans, heads: headWeights }, exit),
      spec.depth,
    ),
    loss: { denoising: 1, distillation: 1, exitWeights: plans.map(() => 1 / plans.length) },
    update: { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, clip: 1, ema: 0.995 },
  };
}

function headsOf(work: Work): HeadPlan['kind'] | undefined {
  switch (work.kind) {
    case 'heads':
      return work.heads;
    case 'sample':
      return 'adapter';
    case 'gemm':
    case 'forward':
    case 'full':
      return undefined;
    default:
      return unreachable(work);
  }
}

async function backboneFolder(folder: string, model: ModelName): Promise<string> {
  if (model === 'digits') return resolve('models/mnist-dit');
  const path = join(folder, model);
  if (await isFile(join(path, 'config.json'))) return path;
  const spec = madeSpec(model);
  await writeBackbone(path, spec, randomWeights(familyOf(spec).shapes(spec)));
  return path;
}

function madeSpec(model: Exclude<ModelName, 'digits'>): BackboneSpec {
  const small = { hidden_size: 384, depth: 12, num_heads: 6, patch_size: 2, in_channels: 4 };
  const rest = { mlp_ratio: 4, num_classes: 1000, learn_sigma: false };
  switch (model) {
    case 'latents-64':
      return ditSpec({ ...small, ...rest, input_size: 16 });
    case 'latents-256':
      return ditSpec({ ...small, ...rest, input_size: 32 });
    case 'tiny':
      return ditSpec({
        ...rest,
        ...{ hidden_size: 16, depth: 3, num_heads: 2, patch_size: 2, in_channels: 1, input_size: 8 },
      });
    default:
      return unreachable(model);
  }
}

function randomWeights(shapes: Shapes): HostTensors {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, data: randomWeight(name, shape) }]),
  );
}

function oneBatch(spec: BackboneSpec, batch: number): HostTensors {
  const { channels, imageSize } = spec;
  const { count } = promptsOf(spec);
  const random = stream(0, 'bench');
  const shape = [batch, channels, imageSize, imageSize];
  const images = (): Float32Array => random.normals(batch * channels * imageSize ** 2);
  return {
    x: { shape, data: images() },
    noise: { shape, data: images() },
    t: { shape: [batch], data: spreadTimes(0, batch, process.steps) },
    y: { shape: [batch], data: Float32Array.from({ length: batch }, (_, i) => i % count) },
    lambda: { shape: [batch], data: Float32Array.from({ length: batch }, (_, i) => 1 + (i % 2)) },
  };
}

function jobWork(work: Work, macs: (exit: number) => number, depth: number): JobWork {
  if (work.kind !== 'sample') return work;
  const timesteps = respace(process.steps, String(work.steps));
  const course: Course = {
    timesteps,
    alphas: timesteps.map((t) => alphaBar(process, t)),
    exits: risingExits(work.steps, depth, macs, work.speedup),
  };
  return { ...work, ...course };
}

/** Exits that rise evenly from noise to data, from the deepest start that stays within the budget. */
function risingExits(
  steps: number,
  depth: number,
  macs: (exit: number) => number,
  speedup: number,
): number[] {
  const cost = Array.from({ length: depth }, (_, i) => macs(i + 1));
  const from = (start: number): number[] =>
    Array.from({ length: steps }, (_, i) =>
      Math.round(start + ((depth - start) * i) / Math.max(1, steps - 1)),
    );
  const costOf = (exits: readonly number[]): number =>
    exits.reduce((sum, exit) => sum + (cost[exit - 1] ?? NaN), 0);
  const budget = (steps * (cost.at(-1) ?? NaN)) / speedup;
  for (let start = depth; start > 1; start -= 1 / 64) if (costOf(from(start)) <= budget) return from(start);
  return from(1);
}
