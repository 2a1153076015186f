import { describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { familyOf } from '../../src/backbones/families.js';
import { ditSpec, publishedSize } from '../../src/backbones/spec.js';
import type { Shapes, Weights } from '../../src/engine/tensors.js';
import { headShapes, type HeadPlan } from '../../src/exits/heads.js';
import { exitMacs, exitsOf, type Model } from '../../src/exits/model.js';

/** Weights nobody can read: counting needs shapes alone. */
const phantom = (shapes: Shapes): Weights =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      { shape, dtype: 'F32', path: '/nowhere/model.safetensors', offset: 0, bytes: 0 },
    ]),
  );
const modelOf = (spec: BackboneSpec, plans: readonly HeadPlan[] = []): Model => ({
  spec,
  plans,
  backbone: phantom(familyOf(spec).shapes(spec)),
  heads: phantom(Object.assign({}, ...plans.map((plan) => headShapes(spec, plan))) as Shapes),
});

/** The closed formula: matrix products of a DiT, by hand. */
const formula = (spec: BackboneSpec) => {
  const { tokens: n, width: d, channels, patch, outChannels, mlpRatio } = spec;
  return {
    embed: n * channels * patch * patch * d + 256 * d + d * d,
    block: 6 * d * d + n * (3 * d * d + d * d + 2 * mlpRatio * d * d) + 2 * n * n * d,
    last: 2 * d * d + n * d * patch * patch * outChannels,
    adapter: (bottleneck: number) => 2 * n * d * bottleneck,
    // Of state and residual; scale and correction take 64 numbers of the times, once per sample.
    memory: (bottleneck: number) => 3 * n * d * bottleneck + 64 * (d + bottleneck),
    lowRank: (rank: number) => 3 * d * rank,
  };
};

const small = ditSpec({
  input_size: 28,
  patch_size: 4,
  in_channels: 1,
  hidden_size: 128,
  depth: 12,
  num_heads: 4,
  mlp_ratio: 4,
  num_classes: 10,
  learn_sigma: false,
});

describe('exitMacs', () => {
  it('equals the closed formula at every exit and for every kind of head', () => {
    const { embed, block, last, adapter, memory, lowRank } = formula(small);
    const plans: HeadPlan[] = [
      { kind: 'shared', exit: 2 },
      { kind: 'linear', exit: 5 },
      { kind: 'adapter', exit: 7, bottleneck: 64 },
      { kind: 'block', exit: 9 },
      { kind: 'low-rank', exit: 3, rank: 4 },
      { kind: 'remembered', exit: 4 },
      { kind: 'memory', exit: 6, bottleneck: 64 },
    ];
    const model = modelOf(small, plans);
    expect(exitsOf({ ...model, plans: plans.slice(0, 4) })).toEqual([2, 5, 7, 9, 12]);
    expect(exitMacs(model, 2)).toBe(embed + 2 * block + last);
    expect(exitMacs(model, 5)).toBe(embed + 5 * block + last);
    expect(exitMacs(model, 7)).toBe(embed + 7 * block + adapter(64) + last);
    expect(exitMacs(model, 9)).toBe(embed + 9 * block + block + last);
    expect(exitMacs(model, 12)).toBe(embed + 12 * block + last);
    expect(exitMacs(model, 3)).toBe(embed + 3 * block + last + lowRank(4));
    expect(exitMacs(model, 4)).toBe(embed + 4 * block + last);
    expect(exitMacs(model, 6)).toBe(embed + 6 * block + memory(64) + last);
  });
  it('gives the 118.6 GMACs published for DiT-XL/2 at 256 pixels', () => {
    const spec = publishedSize('DiT-XL/2');
    const macs = exitMacs(modelOf(spec), 28);
    const { embed, block, last } = formula(spec);
    expect(macs).toBe(embed + 28 * block + last);
    expect(macs / 1e9).toBeCloseTo(118.6, 1);
  });
});
