import { describe, expect, it } from '@jest/globals';
import { epsilonFrom, epsilonPer, mixtureOf, predictionKinds } from '../../src/diffusion/prediction.js';

const alphas = [0.9999, 0.7, 0.5, 0.03, 4e-5];
const [x0, noise] = [0.7, -1.3];
const noisy = (a: number): number => Math.sqrt(a) * x0 + Math.sqrt(1 - a) * noise;
/** All predictions as their papers define them. */
const perfect = (a: number) => ({
  epsilon: noise,
  x0,
  v: Math.sqrt(a) * noise - Math.sqrt(1 - a) * x0,
  flow: noise - x0,
});

describe.each(predictionKinds)('a prediction of %s', (prediction) => {
  it('is the mixture of x and noise that its paper defines', () => {
    for (const a of alphas) {
      const { x, noise: ofNoise } = mixtureOf(prediction, a);
      expect(x * noisy(a) + ofNoise * noise).toBeCloseTo(perfect(a)[prediction], 10);
    }
  });

  it('sees the noise that is there', () => {
    for (const a of alphas) {
      const predicted = Float32Array.of(perfect(a)[prediction], perfect(a)[prediction]);
      const x = Float32Array.of(noisy(a), noisy(a));
      // Where there is little noise, an image that is right to the last bit of 32 still sees it but roughly.
      const tolerance = 2e-6 * Math.max(1, Math.sqrt(epsilonPer(prediction, a)));
      expect(epsilonFrom(prediction, x, predicted, a)).toBeAllClose([noise, noise], tolerance);
    }
  });

  it('is as wrong as its error in epsilon says', () => {
    for (const a of alphas) {
      const wrong = 0.01;
      const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
      const x0Then = (noisy(a) - spread * (noise + wrong)) / signal;
      const then = {
        epsilon: noise + wrong,
        x0: x0Then,
        v: signal * (noise + wrong) - spread * x0Then,
        flow: noise + wrong - x0Then,
      };
      const error = (then[prediction] - perfect(a)[prediction]) ** 2;
      expect((error * epsilonPer(prediction, a)) / wrong ** 2).toBeCloseTo(1, 8);
    }
  });
});

describe('a prediction of flow', () => {
  it('is the velocity of the straight path where that is as noisy as x', () => {
    for (const a of alphas) {
      const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
      const s = spread / (signal + spread);
      const path = (at: number): number => (1 - at) * x0 + at * noise;
      expect(path(s)).toBeCloseTo(noisy(a) / (signal + spread), 12);
      expect((s / (1 - s)) ** 2).toBeCloseTo((1 - a) / a, 6);
      expect(path(1) - path(0)).toBeCloseTo(perfect(a).flow, 12);
    }
  });
});

describe('a prediction of the noise', () => {
  it('is taken as it is', () => {
    const predicted = Float32Array.of(0.1, -0.2);
    expect(epsilonFrom('epsilon', Float32Array.of(1, 2), predicted, 0.3)).toBe(predicted);
  });
});
