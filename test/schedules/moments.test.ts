import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { moments, type Moments } from '../../src/schedules/moments.js';

const filled = (values: readonly number[]): Moments => {
  const of = moments(2);
  values.forEach((value) => of.add(1, value));
  return of;
};
const shown = (of: Moments) => [of.count(1), of.mean(1), of.standardError(1)];

describe('moments of a cell', () => {
  it('are the mean and its standard error', () => {
    expect(shown(filled([1, 5, 9])).slice(0, 2)).toEqual([3, 5]);
    // Deviation 4 of three.
    expect(filled([1, 5, 9]).standardError(1)).toBeCloseTo(4 / Math.sqrt(3), 12);
    expect(shown(filled([-2]))).toEqual([1, -2, null]);
    expect(shown(filled([]))).toEqual([0, null, null]);
    expect(filled([1, 5, 9]).count(0)).toBe(0);
  });

  it('keep their digits beside numbers that are far larger', () => {
    const of = filled([1e12, 2 ** -40, -1e12, 3 * 2 ** -40]);
    expect(of.mean(1)).toBe(2 ** -40);
    expect(filled([1e9, 1e9 + 1, 1e9 + 2]).standardError(1)).toBeCloseTo(1 / Math.sqrt(3), 12);
  });

  it('are the same to the last bit in any order and in any parts', () => {
    const values = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const expected = shown(filled([...a, ...b, ...c]));
        const parts = [c, a, b].map((part) => filled(part).sums());
        expect(shown(moments(2, parts))).toEqual(expected);
        const going = moments(2, [filled([...a, ...b].toReversed()).sums()]);
        c.forEach((value) => going.add(1, value));
        expect(shown(going)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('come back from text', () => {
    const sums = filled([0.25, -3, 1e-7]).sums();
    expect(shown(moments(2, [JSON.parse(JSON.stringify(sums)) as typeof sums]))).toEqual(
      shown(filled([0.25, -3, 1e-7])),
    );
    expect(() => moments(3, [sums])).toThrow('the sums are not those of 3 cells');
  });
});
