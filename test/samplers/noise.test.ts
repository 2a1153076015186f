import { describe, expect, it } from '@jest/globals';
import { initialNoise, stepNoise } from '../../src/samplers/noise.js';

describe('noise', () => {
  it('is that of the sample, whatever the batch', () => {
    const all = initialNoise(3, { from: 0, count: 5, length: 6 });
    expect(initialNoise(3, { from: 2, count: 2, length: 6 })).toEqual(all.slice(12, 24));
    const steps = stepNoise(3, { from: 0, count: 5, length: 6 });
    expect(stepNoise(3, { from: 4, count: 1, length: 6 })(7)).toEqual(steps(7).slice(24));
  });

  it('differs between samples, steps, seeds and the start', () => {
    const one = { from: 0, count: 1, length: 4 };
    const several = [
      initialNoise(1, one),
      initialNoise(2, one),
      initialNoise(1, { ...one, from: 1 }),
      stepNoise(1, one)(0),
      stepNoise(1, one)(1),
      stepNoise(2, one)(0),
    ];
    expect(new Set(several.map((noise) => noise.join())).size).toBe(several.length);
  });
});
