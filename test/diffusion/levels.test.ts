import { describe, expect, it } from '@jest/globals';
import { alphaBar, ddpmBetas, diffusion, logSnr } from '../../src/diffusion/betas.js';
import { alphaOf, lambdaOf, levelAt, levelOfSigma, sigmaOf } from '../../src/diffusion/levels.js';

const ddpm = diffusion(ddpmBetas);

describe('noise over signal', () => {
  it('is exp(-lambda), and lambda half the log-SNR', () => {
    for (const t of [0, 300, 999]) {
      const alpha = alphaBar(ddpm, t);
      expect(lambdaOf(alpha)).toBeCloseTo(logSnr(ddpm, t) / 2, 12);
      expect(sigmaOf(alpha)).toBeCloseTo(Math.exp(-lambdaOf(alpha)), 12);
      expect(alphaOf(sigmaOf(alpha))).toBeCloseTo(alpha, 15);
    }
  });

  it('is 0 at data, where lambda is infinite', () => {
    expect(sigmaOf(1)).toBe(0);
    expect(lambdaOf(1)).toBe(Infinity);
    expect(alphaOf(0)).toBe(1);
  });
});

describe('levelAt', () => {
  it('is the diffusion step itself at whole times', () => {
    expect(levelAt(ddpm, 41)).toEqual({ t: 41, alpha: alphaBar(ddpm, 41) });
  });

  it('has ln(sigma) on a straight line between two of them', () => {
    const [low, high] = [41, 42].map((t) => Math.log(sigmaOf(alphaBar(ddpm, t))));
    const { t, alpha } = levelAt(ddpm, 41.25);
    expect(t).toBe(41.25);
    expect(Math.log(sigmaOf(alpha))).toBeCloseTo(0.75 * (low ?? NaN) + 0.25 * (high ?? NaN), 12);
  });

  it('refuses times that the diffusion does not have', () => {
    for (const t of [-0.5, 999.5, 1000]) expect(() => levelAt(ddpm, t)).toThrow(RangeError);
  });
});

describe('levelOfSigma', () => {
  it('finds the time of a level', () => {
    for (const t of [0, 0.3, 17, 500.75, 998.9, 999]) {
      const { alpha } = levelAt(ddpm, t);
      const found = levelOfSigma(ddpm, sigmaOf(alpha));
      expect(found.t).toBeCloseTo(t, 8);
      expect(found.alpha).toBeCloseTo(alpha, 14);
    }
  });

  it('names the first or the last step beyond the ends, and keeps the level', () => {
    expect(levelOfSigma(ddpm, 1e-4)).toEqual({ t: 0, alpha: alphaOf(1e-4) });
    expect(levelOfSigma(ddpm, 1e4)).toEqual({ t: 999, alpha: alphaOf(1e4) });
  });
});
