import { describe, expect, it } from '@jest/globals';
import { shifted } from '../../src/evaluate/shifts.js';
import { stream, type Stream } from '../../src/random.js';

/** Draws that move by `down` and `right`. */
function fixed(limit: number, ...moves: readonly number[]): Stream {
  const left = moves.map((move) => move + limit);
  return { ...stream(0, 'unused'), integer: () => left.shift()! };
}

const image = Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9);

describe('shifted', () => {
  it.each([
    ['nowhere', 0, 0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]],
    ['down', 1, 0, [-1, -1, -1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]],
    ['up', -1, 0, [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, -1, -1, -1]],
    ['right', 0, 1, [-1, 0.1, 0.2, -1, 0.4, 0.5, -1, 0.7, 0.8]],
    ['left', 0, -1, [0.2, 0.3, -1, 0.5, 0.6, -1, 0.8, 0.9, -1]],
    ['down and left', 1, -2, [-1, -1, -1, 0.3, -1, -1, 0.6, -1, -1]],
    ['up and right', -2, 1, [-1, 0.7, 0.8, -1, -1, -1, -1, -1, -1]],
  ])('moves %s and fills in with black', (_, down, right, expected) => {
    expect(shifted(image, [1, 3, 3], 2, fixed(2, down, right))).toEqual(Float32Array.from(expected));
  });
  it('moves each image by itself and its channels together, and leaves the given images alone', () => {
    const before = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80);
    const images = before.slice();
    const expected = [-1, -1, 1, 2, -1, -1, 5, 6, 20, -1, 40, -1, 60, -1, 80, -1];
    expect([...shifted(images, [2, 2, 2], 1, fixed(1, 1, 0, 0, -1))]).toEqual(expected);
    expect(images).toEqual(before);
  });
  it('takes every move within the limit about equally often', () => {
    const dots = new Float32Array(2500 * 25).fill(-1);
    for (let i = 0; i < 2500; i++) dots[i * 25 + 12] = 1;
    const moved = shifted(dots, [1, 5, 5], 2, stream(3, 'shift'));
    const counts = Array.from({ length: 25 }, (_, place) =>
      moved.reduce((sum, value, i) => sum + (i % 25 === place && value === 1 ? 1 : 0), 0),
    );
    // 100 expected of each of the 25; five deviations of a binomial count are 49.
    expect(Math.min(...counts)).toBeGreaterThan(51);
    expect(Math.max(...counts)).toBeLessThan(149);
  });
  it('needs no room to move', () => {
    expect(shifted(image, [1, 3, 3], 0, stream(0, 'shift'))).toEqual(image);
  });
});
