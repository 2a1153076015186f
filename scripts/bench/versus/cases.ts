// What is compared? Every case: a model, a batch, the work, who does it, and what was hoped for.
import { UserError } from '../../../src/errors.js';
import type { HeadPlan } from '../../../src/exits/heads.js';
import type { SideName } from './sides.js';

export type ModelName = 'digits' | 'latents-64' | 'latents-256' | 'tiny';

export type Work =
  /** One product of square matrices: what the machine can do at best. */
  | { readonly kind: 'gemm'; readonly size: number }
  /** One pass of the whole backbone. */
  | { readonly kind: 'forward' }
  /** One step of training heads at all exits, with loss, clipping, AdamW and averages. */
  | { readonly kind: 'heads'; readonly heads: Exclude<HeadPlan['kind'], 'shared'> }
  /** One step of training all weights, likewise. */
  | { readonly kind: 'full' }
  /** Unguided DDIM at full depth, and with a schedule whose multiply-adds are 1 / speedup of that. */
  | { readonly kind: 'sample'; readonly steps: number; readonly speedup: number };

/** How many times as fast a side should be as each of some others. */
export interface Target {
  readonly side: SideName;
  readonly than: readonly SideName[];
  readonly times: number;
}

export interface Case {
  readonly name: string;
  readonly model: ModelName;
  readonly batch: number;
  readonly work: Work;
  readonly sides: readonly SideName[];
  readonly targets: readonly Target[];
}

const bench = (
  name: string,
  model: ModelName,
  batch: number,
  work: Work,
  sides: readonly SideName[],
  targets: readonly Target[] = [],
): Case => ({ name: `${name}-${model}-${batch}`, model, batch, work, sides, targets });

const plainTorch: readonly SideName[] = ['torch eager', 'torch compile'];
const still: readonly SideName[] = ['onnx', 'onnx int8', 'torch eager', 'torch compile', 'torch freeze'];
const training: readonly SideName[] = ['onnx', 'torch eager', 'torch compile'];
const frozen: readonly SideName[] = ['onnx', 'onnx int8', 'torch eager', 'torch compile'];
const sampling: readonly SideName[] = [
  'onnx',
  'onnx scheduled',
  'onnx int8 scheduled',
  'torch eager',
  'torch compile',
  'torch scheduled',
  'torch bf16',
  'torch bf16 compile',
];

function forward(model: ModelName, batch: number): Case {
  return bench('forward', model, batch, { kind: 'forward' }, still, [
    { side: 'onnx', than: plainTorch, times: 1.35 },
  ]);
}

function heads(model: ModelName, batch: number, kind: 'linear' | 'adapter' | 'block'): Case {
  return bench(kind, model, batch, { kind: 'heads', heads: kind }, frozen, [
    { side: 'onnx', than: ['torch eager'], times: kind === 'block' ? 1.1 : 1.3 },
    { side: 'onnx int8', than: ['torch eager'], times: 2 },
  ]);
}

function full(model: ModelName, batch: number): Case {
  return bench('full', model, batch, { kind: 'full' }, training, [
    { side: 'onnx', than: ['torch eager'], times: 1 },
  ]);
}

function sample(model: ModelName, batch: number, steps = 50): Case {
  return bench('sample', model, batch, { kind: 'sample', steps, speedup: 1.5 }, sampling, [
    { side: 'onnx scheduled', than: plainTorch, times: 1.9 },
    { side: 'onnx int8 scheduled', than: ['torch bf16', 'torch bf16 compile'], times: 1.2 },
  ]);
}

const product: Case = {
  ...{ name: 'product', model: 'tiny', batch: 2048, work: { kind: 'gemm', size: 2048 } },
  ...{ sides: ['onnx', 'torch eager'], targets: [] },
};

/** In the order of the table; `product` comes first, since shares of its speed are told. */
export const cases: readonly Case[] = [
  product,
  ...[1, 16, 64].map((batch) => forward('digits', batch)),
  ...[1, 16, 64].map((batch) => forward('latents-64', batch)),
  ...[1, 16].map((batch) => forward('latents-256', batch)),
  heads('digits', 16, 'adapter'),
  ...(['linear', 'adapter', 'block'] as const).map((kind) => heads('digits', 128, kind)),
  ...(['linear', 'adapter', 'block'] as const).map((kind) => heads('latents-64', 32, kind)),
  full('digits', 64),
  full('latents-64', 16),
  sample('digits', 16),
  sample('latents-64', 4),
];

/** Cases that take no time: they hold the bench itself to account. */
export const tinyCases: readonly Case[] = [
  forward('tiny', 2),
  ...(['linear', 'adapter', 'block'] as const).map((kind) => heads('tiny', 2, kind)),
  full('tiny', 2),
  sample('tiny', 2, 4),
  { ...product, name: 'product-tiny', batch: 8, work: { kind: 'gemm', size: 8 } },
];

/**
 * Cases by name, all of them unless some are named. The beginning of a name stands for all that go on from there, and
 * `tiny` for all tiny ones.
 * @throws UserError if a name fits none
 */
export function casesOf(names: readonly string[]): readonly Case[] {
  if (names.length === 0) return cases;
  return names.flatMap((wanted) => {
    if (wanted === 'tiny') return tinyCases;
    const found = cases.filter(({ name }) => name === wanted || name.startsWith(`${wanted}-`));
    if (found.length > 0) return found;
    throw new UserError(
      `there is no case ${wanted}; those are ${cases.map(({ name }) => name).join(', ')}, and tiny.`,
    );
  });
}
