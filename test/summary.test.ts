import { describe, expect, it } from '@jest/globals';
import { meanOver, ratioOver } from '../src/summary.js';

describe('a mean', () => {
  it('has the standard error of its spread', () => {
    // 1, 2, 6: mean 3, variance (4 + 1 + 9) / 2 = 7.
    expect(meanOver([1, 2, 6])).toEqual({ mean: 3, standardError: Math.sqrt(7 / 3) });
  });
  it('of one number has none', () => {
    expect(meanOver([4])).toEqual({ mean: 4, standardError: null });
  });
});

describe('a ratio of seconds', () => {
  it('is that of the sums, with the error of what a common slowness does not explain', () => {
    // 2 and 6 over 1 and 3 are 2 each, however slow the second batch was.
    expect(ratioOver([2, 6], [1, 3])).toEqual({ mean: 2, standardError: 0 });
    // 5 / 2 = 2.5 on average 1; rests -0.5, 0.5: variance 0.5, over 2 batches and the mean of 1.
    expect(ratioOver([2, 3], [1, 1])).toEqual({ mean: 2.5, standardError: 0.5 });
  });
  it('refuses batches that are not paired', () => {
    expect(() => ratioOver([1], [1, 2])).toThrow(RangeError);
  });
});
