import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import type { Sensitivity } from '../../src/schedules/sensitivity.js';
import {
  closedFormWeights,
  ddimCoefficients,
  sensitivityAt,
  trajectoryWeights,
} from '../../src/schedules/stepWeights.js';

const process = diffusion({ ...ddpmBetas, steps: 100 });
const timesteps = [90, 50, 10];
const table: Sensitivity = {
  ...{ format: 'exithead-sensitivity', version: 1, backbone: 'b', heads: 'h', steps: 100, timesteps },
  ...{ solver: 'ddim', eta: 0, guidance: 1, clip: false, samples: 4, deviation: 0.1 },
  noise: { value: [1, 2, 3], standardError: [0, 0, 0] },
  exit: { exit: 2, value: [8, 4, 2], standardError: [0, 0, 0] },
};

/** DDIM without a network: epsilon is what is given at each step, [steps]. */
function final(epsilons: readonly number[], times: readonly number[]): number {
  return times.reduce((x, t, i) => {
    const a = process.alphasCumprod[t] ?? NaN;
    const next = i + 1 < times.length ? (process.alphasCumprod[times[i + 1] ?? -1] ?? NaN) : 1;
    const epsilon = epsilons[i] ?? NaN;
    const x0 = (x - Math.sqrt(1 - a) * epsilon) / Math.sqrt(a);
    return Math.sqrt(next) * x0 + Math.sqrt(1 - next) * epsilon;
  }, 0);
}

describe('the closed form', () => {
  it('is what a mistake moves the end by, where no later step answers', () => {
    const weights = closedFormWeights(process, timesteps);
    timesteps.forEach((_, i) => {
      const mistake = timesteps.map((_, j) => (i === j ? 1 : 0));
      expect(weights[i]).toBeCloseTo(final(mistake, timesteps) ** 2, 12);
    });
  });
});

describe('a measured sensitivity', () => {
  it('is itself at the steps that were measured', () => {
    expect(sensitivityAt(table, process, timesteps)).toBeAllClose([8, 4, 2], 1e-12);
    expect(sensitivityAt({ ...table, exit: null }, process, timesteps)).toBeAllClose([1, 2, 3], 1e-12);
  });
  it('follows the size of steps, and is on straight lines between the times', () => {
    const more = [90, 70, 50, 30, 10];
    const [own, measured] = [ddimCoefficients(process, more), ddimCoefficients(process, timesteps)];
    const answers = [8, 4, 2].map((value, i) => value / (measured[i] ?? NaN) ** 2);
    const [a = NaN, b = NaN, c = NaN] = answers;
    const expected = [a, (a + b) / 2, b, (b + c) / 2, c].map((g, i) => g * (own[i] ?? NaN) ** 2);
    expect(sensitivityAt(table, process, more)).toBeAllClose(expected, 1e-12);
  });
});

describe('what exits do on real trajectories', () => {
  const rows = (...mean: (number | null)[][]) => ({ mean, standardError: mean });
  const full = [0, 0, 0];
  const single = {
    drift: rows([null, 4, 6], [null, 2, 2], full),
    excess: rows([null, 1, 2], [null, 2, 2], full),
  };
  const trajectories = { timesteps, single };

  it('is their drift over their excess, and where none could run that of the next step', () => {
    const [first = NaN, second = NaN] = ddimCoefficients(process, timesteps);
    const expected = [2 * (first / second) ** 2, 2, 2];
    expect(trajectoryWeights(trajectories, process, timesteps)).toBeAllClose(expected, 1e-12);
  });
  it.each([
    ['several times in a step', [90, 90, 10]],
    ['between steps', [90, 49.5, 10]],
  ])('is refused of a solver that asks %s', (_, calls) => {
    expect(() => trajectoryWeights({ timesteps: calls, single }, process, timesteps)).toThrow(
      /schedules weigh steps\. Profile again with one call a step: --set sample\.solver=ddim\./,
    );
  });
  it('is refused where no exit was off', () => {
    const none = { timesteps, single: { drift: rows(full), excess: rows(full) } };
    expect(() => trajectoryWeights(none, process, timesteps)).toThrow(/no exit that was off/);
  });
});
