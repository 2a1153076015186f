import { describe, expect, it } from '@jest/globals';
import { alphaOf, sigmaOf } from '../../src/diffusion/levels.js';
import type { Churn } from '../../src/samplers/edm.js';
import { bestNoise, exact, lambdaPath, walkThrough } from './gaussian.js';

/** Three steps of noise over signal from e to exp(-1/2). */
const path = lambdaPath(-1, 0.5, 3);
const churn: Churn = { amount: 0.6, from: 0, to: Infinity, deviation: 1 };

describe('churn', () => {
  it('goes back by its share and steps from there (algorithm 2)', () => {
    const [drawn, single] = [0.7, { ...path, strides: path.strides.slice(0, 1) }];
    const solver = { kind: 'edm', order: 1, churn: { ...churn, amount: 0.2, deviation: 1.1 } } as const;
    const { x, times } = walkThrough(solver, single, [0.9], () => drawn);
    // In the coordinates of EDM.
    const [sigma, next] = [Math.exp(1), Math.exp(0.5)];
    const higher = 1.2 * sigma;
    const noisy = 0.9 / Math.sqrt(alphaOf(sigma)) + 1.1 * drawn * Math.sqrt(higher ** 2 - sigma ** 2);
    const epsilon = bestNoise(noisy * Math.sqrt(alphaOf(higher)), alphaOf(higher));
    expect(times).toBeAllClose([Math.log(higher)], 1e-12);
    expect(x).toBeAllClose([(noisy + (next - higher) * epsilon) * Math.sqrt(alphaOf(next))], 1e-12);
  });

  it('grows sigma at most by sqrt(2), and is shared among the steps', () => {
    const asked = (amount: number): readonly number[] =>
      walkThrough({ kind: 'edm', order: 1, churn: { ...churn, amount } }, path, [1], () => 0).times;
    const own = path.strides.map(({ t }) => t);
    expect(asked(0)).toEqual(own);
    expect(asked(0.6)).toBeAllClose(
      own.map((t) => t + Math.log(1.2)),
      1e-12,
    );
    expect(asked(50)).toBeAllClose(
      own.map((t) => t + Math.log(Math.SQRT2)),
      1e-12,
    );
  });

  it('is added between its two sigmas alone', () => {
    const between = { ...churn, from: Math.exp(0.2), to: Math.exp(0.8) };
    const asked: number[] = [];
    walkThrough({ kind: 'edm', order: 2, churn: between }, path, [1], (stride) => (asked.push(stride), 0));
    // Of sigma exp(1), exp(0.5) and 1.
    expect(asked).toEqual([1]);
  });

  it('asks twice for a step of order 2, but not in data', () => {
    const toData = { ...path, strides: path.strides.map((s, i) => (i === 2 ? { ...s, alphaNext: 1 } : s)) };
    const { times } = walkThrough({ kind: 'edm', order: 2 }, toData, [1]);
    expect(times).toBeAllClose([1, 0.5, 0.5, 0, 0], 1e-12);
  });

  it('keeps the images whose flow it follows: mean and deviation', () => {
    // x is linear in the noise drawn, so two walks tell its mean and each stride's part in its variance.
    const fine = lambdaPath(-4, 3, 150);
    const solver = { kind: 'edm', order: 2, churn: { ...churn, amount: 15 } } as const;
    const at = (start: number, noise: (stride: number) => number): number =>
      walkThrough(solver, fine, [start], noise).x[0] ?? NaN;
    const middle = at(0, () => 0);
    const parts = fine.strides.map((_, i) => at(0, (j) => (i === j ? 1 : 0)) - middle);
    const variance = (at(1, () => 0) - middle) ** 2 + parts.reduce((sum, part) => sum + part ** 2, 0);
    const end = fine.strides.at(-1)?.alphaNext ?? NaN;
    expect(middle).toBeCloseTo(Math.sqrt(end) * 0.4, 2);
    expect(Math.sqrt(variance)).toBeCloseTo(Math.sqrt(end * 0.09 + 1 - end), 2);
  });
});

describe('clipping', () => {
  it('follows the noise beside the clipped image', () => {
    const single = lambdaPath(1, 1.5, 1);
    const [alpha, alphaNext] = [single.strides[0]?.alpha ?? NaN, single.strides[0]?.alphaNext ?? NaN];
    const x = 12;
    const image = (x - Math.sqrt(1 - alpha) * bestNoise(x, alpha)) / Math.sqrt(alpha);
    expect(image).toBeGreaterThan(1);
    const epsilon = (x - Math.sqrt(alpha)) / Math.sqrt(1 - alpha);
    const expected = Math.sqrt(alphaNext) * (1 + sigmaOf(alphaNext) * epsilon);
    for (const solver of [
      { kind: 'edm', order: 1 },
      { kind: 'multistep', sees: 'noise', order: 2, correction: 'midpoint', ending: 'never' },
      { kind: 'singlestep', sees: 'image', order: 1 },
    ] as const)
      expect(walkThrough(solver, single, [x], undefined, true).x).toBeAllClose([expected], 1e-12);
    expect(walkThrough({ kind: 'edm', order: 1 }, single, [x]).x[0]).not.toBeCloseTo(expected, 2);
    expect(exact(x, alpha, alphaNext)).toBeGreaterThan(expected);
  });
});
