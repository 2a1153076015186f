import { describe, expect, it } from '@jest/globals';
import { alphaBar, ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { mixtureOf } from '../../src/diffusion/prediction.js';
import { respace } from '../../src/diffusion/respace.js';
import { Interrupted } from '../../src/errors.js';
import {
  measureSensitivity,
  sensitivityPasses,
  type Predictors,
  type SensitivityOptions,
} from '../../src/schedules/measureSensitivity.js';

const process = diffusion(ddpmBetas);
const timesteps = respace(1000, '6');
const slope = (t: number): number => 0.9 - 0.0004 * t;
/** A model that is linear in x, with an offset that no difference sees. */
const full = (x: Float32Array, t: number): Promise<Float32Array> =>
  Promise.resolve(x.map((value) => slope(t) * value + 0.1));
/** An exit that is off by a fifth of x. */
const exit = async (x: Float32Array, t: number): Promise<Float32Array> =>
  (await full(x, t)).map((value, j) => value + 0.2 * (x[j] ?? NaN));

const options: SensitivityOptions = {
  solver: { kind: 'ddim', eta: 0 },
  ...{ diffusion: process, timesteps, clip: false },
  ...{ seed: 3, samples: 6, batch: 4, length: 5, classes: 2, deviation: 0.05 },
  begin: () => ({ full, exit }),
  signal: new AbortController().signal,
  progress: { update: () => undefined, end: () => undefined },
};
const measured = (more: Partial<SensitivityOptions> = {}) => measureSensitivity({ ...options, ...more });

/** DDIM takes x to keep x + turn epsilon. */
const steps = timesteps.map((t, i) => {
  const next = timesteps[i + 1];
  const [a, b] = [alphaBar(process, t), next === undefined ? 1 : alphaBar(process, next)];
  const keep = Math.sqrt(b / a);
  return { keep, turn: Math.sqrt(1 - b) - keep * Math.sqrt(1 - a), slope: slope(t) };
});
/** (turn_i prod_{j > i} (keep_j + turn_j slope_j))^2 */
const closed = steps.map(({ turn }, i) =>
  steps.slice(i + 1).reduce((product, s) => product * (s.keep + s.turn * s.slope) ** 2, turn ** 2),
);
const relative = (found: readonly number[], expected: readonly number[]): number[] =>
  found.map((value, i) => value / (expected[i] ?? NaN));
const ones = timesteps.map(() => 1);

describe('the sensitivity of the final sample', () => {
  it('is the closed form of a linear model, to noise and to the mistakes of an exit', async () => {
    const found = await measured();
    expect(relative(found.noise.value, closed)).toBeAllClose(ones, 2e-3);
    expect(relative(found.exit?.value ?? [], closed)).toBeAllClose(ones, 2e-3);
    // Every sample says the same.
    for (const { value, standardError } of [found.noise, found.exit ?? found.noise])
      standardError.forEach((error, i) => expect(error).toBeLessThan(2e-3 * (value[i] ?? NaN)));
  });

  it('is that to mistakes in epsilon, whatever is predicted', async () => {
    for (const prediction of ['x0', 'v', 'flow'] as const) {
      const { noise } = await measured({
        diffusion: diffusion({ ...ddpmBetas, prediction }),
        begin: () => ({
          full: async (x, t) => {
            const [epsilon, a] = [await full(x, t), alphaBar(process, t)];
            const { x: ofX, noise: ofNoise } = mixtureOf(prediction, a);
            return x.map((value, j) => ofX * value + ofNoise * (epsilon[j] ?? NaN));
          },
        }),
      });
      expect(relative(noise.value, closed)).toBeAllClose(ones, 2e-2);
    }
  });

  it('is the same in any batch, and without an exit', async () => {
    const { noise } = await measured({ batch: 6 });
    const alone = await measured({ begin: () => ({ full }) });
    expect(alone.exit).toBeUndefined();
    expect(alone.noise).toEqual(noise);
  });

  it('leaves a learned variance alone', async () => {
    const doubled = async (x: Float32Array, t: number): Promise<Float32Array> => {
      const epsilon = await full(x, t);
      const each = Array.from({ length: x.length / 5 }, (_, i) => [
        ...epsilon.slice(5 * i, 5 * i + 5),
        9,
        9,
        9,
        9,
        9,
      ]);
      return Float32Array.from(each.flat());
    };
    const predictors: Predictors = { full: doubled };
    const { noise } = await measured({ begin: () => predictors });
    expect(noise).toEqual((await measured()).noise);
  });

  it('is that to the same mistakes where fresh noise comes in between', async () => {
    const { noise, exit } = await measured({ solver: { kind: 'ddpm' } });
    expect(relative(exit?.value ?? [], noise.value)).toBeAllClose(ones, 5e-3);
  });

  it('adds up the calls of a step where a solver asks several times', async () => {
    const { noise } = await measured({ solver: { kind: 'edm', order: 2 } });
    // Heun follows the mean of what is seen at both ends; the last step is Euler's.
    const slopes = steps.map((step) => step.slope);
    const heun = steps.map(({ keep, turn, slope }, i) => {
      const next = slopes[i + 1];
      if (next === undefined) return { whole: keep + turn * slope, first: turn, second: 0 };
      const whole = keep + (turn / 2) * (slope + next * (keep + turn * slope));
      return { whole, first: (turn / 2) * (1 + next * turn), second: turn / 2 };
    });
    const after = (i: number): number =>
      heun.slice(i).reduce((product, { whole }) => product * whole ** 2, 1);
    const expected = heun.map(
      ({ first }, i) => first ** 2 * after(i + 1) + (heun[i - 1]?.second ?? 0) ** 2 * after(i),
    );
    expect(relative(noise.value, expected)).toBeAllClose(ones, 2e-3);
  });

  it('looks back at the mistake where a solver does', async () => {
    const { noise } = await measured({ solver: { kind: 'pndm', start: 'heun', order: 2 } });
    // The last step follows 3/2 of what it sees and -1/2 of what was seen before.
    const [{ turn: before = NaN } = {}, { keep = NaN, turn = NaN, slope = NaN } = {}] = steps.slice(-2);
    const moved = (3 / 2) * before * (keep + (3 / 2) * turn * slope) - turn / 2;
    expect(relative(noise.value.slice(-2), [moved ** 2, ((3 / 2) * turn) ** 2])).toBeAllClose([1, 1], 2e-3);
  });

  it('takes half as many passes as the square of the steps', async () => {
    let passes = 0;
    const counted = (x: Float32Array, t: number): Promise<Float32Array> => {
      passes += x.length / 5;
      return full(x, t);
    };
    await measured({ begin: () => ({ full: counted, exit }) });
    expect(passes).toBe(6 * sensitivityPasses(6, 2));
    expect(sensitivityPasses(6, 2)).toBe(36);
  });

  it('stops on the signal', async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(measured({ signal: controller.signal })).rejects.toThrow(Interrupted);
  });
});
