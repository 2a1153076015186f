import { describe, expect, it } from '@jest/globals';
import { logDomain, logShare, logTick, logTicks } from '../../../src/report/plots/logAxis.js';

describe('a logarithmic axis', () => {
  it('spans the positive values', () => {
    expect(logDomain([0, 3, -1, NaN, 0.5, Infinity])).toEqual([0.5, 3]);
    expect(logDomain([0, -1])).toBeUndefined();
  });

  it('gives a single value room', () => {
    expect(logDomain([4, 4])).toEqual([2, 8]);
  });

  it('measures by factors', () => {
    expect(logShare([0.01, 1], 0.1)).toBeCloseTo(0.5, 12);
  });

  it.each([
    [[0.9, 5] as const, 8, [0.9, 1, 2, 3, 4, 5]],
    [[0.05, 2] as const, 6, [0.05, 0.1, 0.2, 0.5, 1, 2]],
    [[0.02, 4] as const, 5, [0.03, 0.1, 0.3, 1, 3]],
    [[1e-4, 1] as const, 5, [1e-4, 1e-3, 1e-2, 0.1, 1]],
    [[1e-9, 1] as const, 5, [1e-8, 1e-6, 1e-4, 1e-2, 1]],
  ])('shows round numbers in %j, at most about %i', (domain, most, ticks) => {
    expect(logTicks(domain, most)).toEqual(ticks);
  });

  it.each([
    [0.02, '0.02'],
    [5, '5'],
    [1e-4, '10⁻⁴'],
    [3e6, '3×10⁶'],
    [1e-12, '10⁻¹²'],
  ])('writes %d as %s', (value, text) => {
    expect(logTick(value)).toBe(text);
  });
});
