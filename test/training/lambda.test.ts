import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { epsilonPer, type PredictionKind } from '../../src/diffusion/prediction.js';
import { lambdas, type LambdaRule } from '../../src/training/lambda.js';

const { alphasCumprod } = diffusion(ddpmBetas);
const snr = Array.from(alphasCumprod, (a) => a / (1 - a));
const predictions = ['epsilon', 'x0', 'v', 'flow'] as const satisfies readonly PredictionKind[];

/** Largest difference, relative to what is expected. */
function expectRelative(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  const worst = Math.max(...expected.map((value, i) => Math.abs((actual[i] ?? NaN) / value - 1)));
  expect(worst).toBeLessThan(tolerance);
}

describe('lambda(t) on the error of epsilon', () => {
  it.each<[LambdaRule, (snr: number) => number]>([
    [{ kind: 'uniform' }, () => 1],
    [{ kind: 'snr' }, () => 1],
    [{ kind: 'min-snr', gamma: 5 }, (r) => (r < 5 ? 1 : 5 / r)],
    [{ kind: 'soft-min-snr', gamma: 4 }, (r) => 4 / (4 + r)],
    [{ kind: 'p2', k: 1, gamma: 1 }, (r) => 1 / (1 + r)],
    [{ kind: 'p2', k: 0.5, gamma: 0.5 }, (r) => 1 / Math.sqrt(0.5 + r)],
    [{ kind: 'edm', sigmaData: 0.5 }, (r) => 1 + 4 / r],
  ])('is the closed form of %j', (rule, closed) => {
    expectRelative(lambdas(rule, alphasCumprod), snr.map(closed), 1e-6);
  });

  it('is, of edm, its weight of the error of x0 at sigma, for sigma^2 = 1 / snr', () => {
    const ofImage = snr.map((r) => {
      const [variance, data] = [1 / r, 0.3 ** 2];
      return (variance + data) / (variance * data);
    });
    expectRelative(lambdas({ kind: 'edm', sigmaData: 0.3 }, alphasCumprod, 'x0'), ofImage, 1e-6);
  });

  it('lies on straight lines between the points of a table, and is level beyond them', () => {
    const points = [
      { at: 10, weight: 2 },
      { at: 20, weight: 4 },
      { at: 40, weight: 1 },
    ];
    const byTime = lambdas({ kind: 'table', table: { axis: 't', points } }, alphasCumprod);
    expect([0, 10, 15, 20, 30, 40, 41, 999].map((t) => byTime[t])).toEqual([2, 2, 3, 4, 2.5, 1, 1, 1]);
    const table = {
      axis: 'logSnr',
      points: [
        { at: -2, weight: 1 },
        { at: 2, weight: 5 },
      ],
    } as const;
    expectRelative(
      lambdas({ kind: 'table', table }, alphasCumprod),
      snr.map((r) => Math.min(5, Math.max(1, 3 + Math.log(r)))),
      1e-6,
    );
    const one = { axis: 't', points: [{ at: 500, weight: 7 }] } as const;
    expect(new Set(lambdas({ kind: 'table', table: one }, alphasCumprod))).toEqual(new Set([7]));
  });

  it('makes, by errors, the error at all times count alike, with a mean of 1', () => {
    const errors = alphasCumprod.map((_, t) => 0.9 / (1 + t));
    const weights = lambdas({ kind: 'error', errors }, alphasCumprod);
    const counted = Array.from(weights, (weight, t) => weight * (errors[t] ?? NaN));
    expectRelative(
      counted,
      counted.map(() => counted[0] ?? NaN),
      1e-6,
    );
    expect(weights.reduce((sum, weight) => sum + weight, 0) / 1000).toBeCloseTo(1, 5);
  });
});

describe('lambda(t) on the error of another prediction', () => {
  it('is what the papers say of min-snr and soft-min-snr', () => {
    const of = (prediction: PredictionKind): Float32Array =>
      lambdas({ kind: 'min-snr', gamma: 5 }, alphasCumprod, prediction);
    expectRelative(
      of('x0'),
      snr.map((r) => Math.min(r, 5)),
      1e-6,
    );
    expectRelative(
      of('v'),
      snr.map((r) => Math.min(r, 5) / (r + 1)),
      1e-6,
    );
    const soft = lambdas({ kind: 'soft-min-snr', gamma: 4 }, alphasCumprod, 'x0');
    expectRelative(
      soft,
      snr.map((r) => 1 / (1 / r + 1 / 4)),
      1e-6,
    );
    expectRelative(lambdas({ kind: 'snr' }, alphasCumprod, 'x0'), snr, 1e-6);
  });

  it('is 1 where all count the same, whatever is predicted', () => {
    for (const prediction of predictions)
      expect(new Set(lambdas({ kind: 'uniform' }, alphasCumprod, prediction))).toEqual(new Set([1]));
  });

  it('weighs the same mistake the same, by numbers', () => {
    const [image, noise, wrong] = [0.7, -1.3, 0.02];
    for (const a of [0.9999, 0.5, 0.1, 4e-5]) {
      const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
      const x = signal * image + spread * noise;
      /** All predictions that go with a guess of epsilon. */
      const from = (epsilon: number): Record<PredictionKind, number> => {
        const x0 = (x - spread * epsilon) / signal;
        return { epsilon, x0, v: signal * epsilon - spread * x0, flow: epsilon - x0 };
      };
      const [right, guess] = [from(noise), from(noise + wrong)];
      for (const prediction of predictions) {
        const error = (guess[prediction] - right[prediction]) ** 2;
        expect((epsilonPer(prediction, a) * error) / wrong ** 2).toBeCloseTo(1, 8);
      }
    }
  });
});
