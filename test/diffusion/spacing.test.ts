import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { nearestTo, sigmasOf, spacedTimes, spacings } from '../../src/diffusion/spacing.js';
import { UserError } from '../../src/errors.js';
import { callTimes, schedulerRuns, type SchedulerFile, type SchedulerRun } from '../samplers/fixture.js';

const ddpm = diffusion(ddpmBetas);
const runOf = (file: SchedulerFile, name: string): SchedulerRun => {
  const run = schedulerRuns(file).find((one) => one.name === name);
  if (!run) throw new Error(`${file}.json has no run ${name}`);
  return run;
};

describe('spacedTimes', () => {
  it.each([
    ['leading', 'euler', 'euler_20_leading'],
    ['leading', 'ddim', 'ddim_50_leading'],
    ['trailing', 'euler', 'euler_20_trailing'],
    ['trailing', 'ddim', 'ddim_50_trailing'],
    ['linspace', 'euler', 'euler_20_linspace'],
    ['above-zero', 'dpmsolver', 'dpmpp_2_20'],
    ['above-zero', 'dpmsolver', 'dpmpp_2_10'],
    ['karras', 'euler', 'euler_10_karras'],
  ] as const)('spreads them %s as diffusers do in %s.json: %s', (spacing, file, name) => {
    const run = runOf(file, name);
    expect(spacedTimes(ddpm, run.num_inference_steps, spacing)).toBeAllClose(callTimes(run), 1e-9);
  });

  it('takes them even as DiT, of a number or a text', () => {
    expect(spacedTimes(ddpm, 25, 'even')).toEqual(respace(1000, '25'));
    expect(spacedTimes(ddpm, 'ddim25', 'even')).toEqual(respace(1000, 'ddim25'));
    expect(spacedTimes(ddpm, '11,6,3', 'even')).toEqual(respace(1000, '11,6,3'));
  });

  it('falls strictly from the first to the last, from one step on', () => {
    for (const spacing of spacings)
      for (const steps of [1, 2, 7, 50, 999]) {
        const times = spacedTimes(ddpm, steps, spacing);
        expect(times.length).toBe(steps);
        expect(times.every((t, i) => t >= 0 && t < (times[i - 1] ?? 1000))).toBe(true);
      }
  });

  it.each([0, 1001])('refuses %d times of 1000', (steps) => {
    for (const spacing of spacings) expect(() => spacedTimes(ddpm, steps, spacing)).toThrow(UserError);
    expect(() => spacedTimes(ddpm, 1000, 'above-zero')).toThrow('Ask for 1 to 999.');
  });
});

describe('sigmasOf', () => {
  it.each([
    ['karras', 'edm_euler_18'],
    ['log-snr', 'edm_euler_10_exponential'],
  ] as const)('falls %s as in EDM: %s', (spacing, name) => {
    const { sigmas = [], num_inference_steps: count } = runOf('edm', name);
    expect(sigmasOf(spacing, 80, 0.002, count)).toBeAllClose(sigmas.slice(0, -1), 1e-12 * 80);
  });
});

describe('nearestTo', () => {
  it('is the place of the nearest time; half-way that of the one nearer data', () => {
    const times = [90, 50, 20];
    expect([1000, 71, 70, 69, 35, 36, 0].map((t) => nearestTo(times, t))).toEqual([0, 0, 1, 1, 2, 1, 2]);
  });
});
