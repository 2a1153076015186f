import { describe, expect, it } from '@jest/globals';
import { learningRate } from '../../src/training/lr.js';

const options = { lr: 1, warmup: 4, steps: 104, floor: 0.2 };

describe('learningRate', () => {
  it('rises in equal parts and is whole after the warm-up', () => {
    expect([0, 1, 2, 3, 4].map((n) => learningRate(options, n))).toBeAllClose([0.2, 0.4, 0.6, 0.8, 1], 1e-12);
  });
  it('falls along a cosine to the floor', () => {
    expect(learningRate(options, 54)).toBeCloseTo(0.6, 12);
    expect(learningRate(options, 29)).toBeCloseTo(0.6 + 0.4 * Math.SQRT1_2, 12);
    expect(learningRate(options, 104)).toBeCloseTo(0.2, 12);
    expect(learningRate(options, 1000)).toBeCloseTo(0.2, 12);
  });
  it('stays at its peak when the floor is as high', () => {
    const flat = { lr: 0.3, warmup: 4, steps: 104, floor: 0.3 };
    expect([4, 29, 54, 104, 1000].map((n) => learningRate(flat, n))).toEqual(Array(5).fill(0.3));
  });
  it('starts at its peak without a warm-up', () => {
    expect(learningRate({ ...options, warmup: 0 }, 0)).toBe(1);
  });
  it('never divides by zero when the warm-up takes the whole run', () => {
    expect(learningRate({ lr: 1, warmup: 10, steps: 10, floor: 0 }, 9)).toBeCloseTo(10 / 11, 12);
    expect(learningRate({ lr: 1, warmup: 0, steps: 0, floor: 0 }, 0)).toBe(1);
  });
});
