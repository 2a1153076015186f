import { describe, expect, it } from '@jest/globals';
import { ageBetween, agesAt, drawnAge, fullStepBefore } from '../../src/diffusion/ages.js';
import { respace } from '../../src/diffusion/respace.js';

const ages = { steps: 25, every: 3 };

describe('the full-depth step before', () => {
  it('is where a sampler of those steps was that many steps ago', () => {
    const times = respace(1000, '25');
    times.forEach((t, step) => {
      for (const age of [1, 2]) {
        const before = times[step - age] ?? 999;
        // Samplers round each time for itself.
        expect(Math.abs(fullStepBefore(t, age, ages, 1000) - before)).toBeLessThanOrEqual(1);
      }
    });
  });
  it('is at most the first step, which always is one', () => {
    expect(fullStepBefore(990, 2, ages, 1000)).toBe(999);
    expect(fullStepBefore(0, 1, { steps: 1, every: 2 }, 1000)).toBe(999);
  });
  it('is 1 to every - 1 steps ago, all as likely', () => {
    const drawn = [0, 1, 2].map((i) => drawnAge({ steps: 25, every: 4 }, (n) => (n === 3 ? i : NaN)));
    expect(drawn).toEqual([1, 2, 3]);
  });
});

describe('ages in the steps of another sampler', () => {
  it('are as old at most, and one step at least', () => {
    expect(agesAt(ages, 25)).toEqual(ages);
    // Two strides of 24 are four of 48, and less than one of 8.
    expect(agesAt(ages, 49)).toEqual({ steps: 49, every: 5 });
    expect(agesAt(ages, 40)).toEqual({ steps: 40, every: 4 });
    expect(agesAt(ages, 9)).toEqual({ steps: 9, every: 2 });
    expect(agesAt({ steps: 1, every: 2 }, 10)).toEqual({ steps: 10, every: 2 });
  });

  it('may lie between whole steps, each rounding to one that is measured', () => {
    const ages = [0, 0.25, 0.5, 0.75].map((u) => ageBetween({ steps: 25, every: 3 }, u));
    expect(ages).toEqual([0.5, 1, 1.5, 2]);
  });
});
