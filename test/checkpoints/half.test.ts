import { describe, expect, it } from '@jest/globals';
import { narrowHalf, widenBrain, widenHalf } from '../../src/checkpoints/half.js';

const allHalves = Uint16Array.from({ length: 65536 }, (_, i) => i);

describe('16-bit floats', () => {
  it('widen to the values of IEEE 754', () => {
    const known = new Map([
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x3555, 0.333251953125],
      [0xfc00, -Infinity],
    ]);
    expect(Array.from(widenHalf(Uint16Array.from(known.keys())))).toEqual([...known.values()]);
    expect(widenHalf(Uint16Array.of(0x7e01))[0]).toBeNaN();
  });
  it('survive widening and narrowing, all of them', () => {
    const back = narrowHalf(widenHalf(allHalves));
    const isNaNBits = (half: number): boolean => (half & 0x7fff) > 0x7c00;
    expect(allHalves.every((half, i) => (isNaNBits(half) ? isNaNBits(back[i]!) : back[i] === half))).toBe(
      true,
    );
  });
  it.each([
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2],
    [2 ** -14 - 2 ** -26, 0x0400],
    [-0, 0x8000],
  ])('round %p to the nearest, ties to even', (value, half) => {
    expect(narrowHalf(Float32Array.of(value))[0]).toBe(half);
  });
  it('of bfloat16 are the upper half of a float', () => {
    const values = Float32Array.of(1, -3.140625, 2 ** 127, -0);
    const uppers = Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16);
    expect(widenBrain(uppers)).toEqual(values);
  });
});
