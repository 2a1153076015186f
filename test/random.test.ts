import { describe, expect, it } from '@jest/globals';
import { stream } from '../src/random.js';

const mean = (xs: Float32Array): number => xs.reduce((sum, x) => sum + x, 0) / xs.length;

describe('stream', () => {
  it('gives the same numbers for the same key and others for any other', () => {
    const draw = (seed: number, purpose: string, index: number): number[] => [
      ...stream(seed, purpose, index).normals(4),
    ];
    expect(draw(1, 'noise', 7)).toEqual(draw(1, 'noise', 7));
    expect(draw(2, 'noise', 7)).not.toEqual(draw(1, 'noise', 7));
    expect(draw(1, 'time', 7)).not.toEqual(draw(1, 'noise', 7));
    expect(draw(1, 'noise', 8)).not.toEqual(draw(1, 'noise', 7));
  });
  it('draws normals of mean 0, variance 1 and kurtosis 3', () => {
    const xs = stream(0, 'noise').normals(200_001);
    expect(Math.abs(mean(xs))).toBeLessThan(0.01);
    expect(Math.abs(mean(xs.map((x) => x * x)) - 1)).toBeLessThan(0.015);
    expect(Math.abs(mean(xs.map((x) => x ** 4)) - 3)).toBeLessThan(0.1);
  });
  it('permutes without losing an element', () => {
    const order = stream(3, 'shuffle').permutation(1000);
    expect([...order].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    expect([...order]).not.toEqual([...Array(1000).keys()]);
  });
});
