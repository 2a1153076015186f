import { describe, expect, it } from '@jest/globals';
import { bestNoise, deviation, lambdaPath, mean, walkThrough } from './gaussian.js';

const solver = { kind: 'euler-maruyama' } as const;

describe('Euler-Maruyama', () => {
  it('steps by the drift of the reverse equation, and adds the noise of the step', () => {
    const path = lambdaPath(-0.3, 0.1, 1);
    const [{ alpha, alphaNext } = { alpha: NaN, alphaNext: NaN }] = path.strides;
    const b = Math.log(alphaNext / alpha);
    const score = -bestNoise(0.8, alpha) / Math.sqrt(1 - alpha);
    const { x } = walkThrough(solver, path, [0.8], () => 1.5);
    expect(x).toBeAllClose([0.8 + b * (0.8 / 2 + score) + 1.5 * Math.sqrt(b)], 1e-12);
  });

  it('draws normal images with their mean and deviation, in small steps', () => {
    const path = lambdaPath(-4, 4, 2000);
    let [middle, variance] = [0, 1];
    for (const stride of path.strides) {
      const step = { ...path, strides: [stride] };
      const at = (x: number, noise: number): number =>
        walkThrough(solver, step, [x], () => noise).x[0] ?? NaN;
      const [zero, one, noisy] = [at(0, 0), at(1, 0), at(0, 1)];
      middle = zero + (one - zero) * middle;
      variance = (one - zero) ** 2 * variance + (noisy - zero) ** 2;
    }
    expect(middle).toBeCloseTo(mean, 2);
    expect(Math.sqrt(variance)).toBeCloseTo(deviation, 2);
  });

  it('ends with the image it sees', () => {
    const [last] = lambdaPath(2, 3, 1).strides;
    if (!last) throw new Error('there is a stride');
    const path = { ...lambdaPath(2, 3, 1), strides: [{ ...last, alphaNext: 1 }] };
    const image = (0.5 - Math.sqrt(1 - last.alpha) * bestNoise(0.5, last.alpha)) / Math.sqrt(last.alpha);
    expect(walkThrough(solver, path, [0.5]).x).toBeAllClose([image], 1e-12);
  });
});
