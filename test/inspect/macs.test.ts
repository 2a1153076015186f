import { describe, expect, it } from '@jest/globals';
import { exitsForHeads, familyOf } from '../../src/backbones/families.js';
import { publishedSize, withExitRule } from '../../src/backbones/spec.js';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import type { Weights } from '../../src/engine/tensors.js';
import { headPlan } from '../../src/exits/heads.js';
import { costsOf } from '../../src/inspect/macs.js';
import { measuredExits } from '../../src/schedules/profile.js';
import { tinySpec } from '../tiny-dit.js';
import { tinyUvit } from '../tiny-uvit.js';

const shapesOf = (spec: BackboneSpec): Weights =>
  Object.fromEntries(
    Object.entries(familyOf(spec).shapes(spec)).map(([name, shape]) => [
      name,
      { shape, dtype: 'F32', path: '', offset: 0, bytes: 0 },
    ]),
  );

describe('the costs of a backbone', () => {
  const uvit = tinyUvit('cond').spec;
  it.each([
    ['DiT', tinySpec],
    ['U-ViT', uvit],
    ['U-ViT that drops its skips', withExitRule(uvit, 'plain')],
    ['PixArt', publishedSize('PixArt-XL/2')],
  ])('of a %s are those that its exits have when they run', (_, spec) => {
    const backbone = shapesOf(spec);
    const plans = exitsForHeads(spec).map((exit) => headPlan('shared', exit));
    const { exits, parts } = costsOf(spec, backbone);
    expect(exits).toEqual(measuredExits({ spec, backbone, plans, heads: {} }));
    const sum = parts.reduce(
      (all, one) => all + one.macs * (one.part === 'blocks' ? one.to - one.from + 1 : 1),
      0,
    );
    expect(sum).toBeCloseTo(exits.at(-1)?.macs ?? NaN, 3);
  });

  // Peebles and Xie, 2023, table 4: what they call Gflops are multiply-adds.
  it.each([
    ['DiT-S/2', 6.06], ['DiT-S/4', 1.41], ['DiT-S/8', 0.36],
    ['DiT-B/2', 23.01], ['DiT-B/4', 5.56], ['DiT-B/8', 1.42],
    ['DiT-L/2', 80.71], ['DiT-L/4', 19.7], ['DiT-L/8', 5.01],
    ['DiT-XL/2', 118.64], ['DiT-XL/4', 29.05], ['DiT-XL/8', 7.39],
  ])('of %s are the published ones', (name, published) => {
    const spec = publishedSize(name);
    const { parts, exits } = costsOf(spec, shapesOf(spec));
    expect((exits.at(-1)?.macs ?? NaN) / 1e9).toBeCloseTo(published, 1);
    expect(parts.filter(({ part }) => part === 'blocks')).toHaveLength(1);
  }); // prettier-ignore

  it('of a thousand blocks are counted in seconds', () => {
    const spec = { ...publishedSize('DiT-S/8'), depth: 1000 };
    const start = process.cpuUsage().user;
    expect(costsOf(spec, shapesOf(spec)).exits).toHaveLength(1000);
    expect((process.cpuUsage().user - start) / 1e6).toBeLessThan(20);
  });
});
