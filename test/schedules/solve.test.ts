import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UserError } from '../../src/errors.js';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { uniformSchedule } from '../../src/schedules/baselines.js';
import { frontier, solveSchedule } from '../../src/schedules/solve.js';
import { madeTable } from './tables.js';

/** Two steps in each of the four bins, from noise to data. */
const timesteps = [990, 800, 700, 600, 450, 300, 200, 10];

describe('solving for a schedule', () => {
  it('runs everything at full depth where nothing has to be saved', () => {
    const { exits, predicted } = solveSchedule({ table: madeTable(), timesteps }, 1);
    expect(exits).toEqual(Array(8).fill(4));
    expect(predicted).toEqual({ depthUsed: 1, speedup: 1, excess: 0, excessStandardError: 0 });
  });
  it('finds the optimum of a problem small enough for pencil and paper', () => {
    // Budget 800 / 1.25 = 640: 160 to save. Exit 2 saves 45 for 0.04, 0.05, 0.1, 0.3 from noise to data; exit 1 saves
    // 70 for 0.1, 0.2, 0.4, 0.8. Four steps at exit 2 save 180 and lose 0.04 * 2 + 0.05 * 2 = 0.18; with one exit 1 at
    // noise (70) and two exits 2 (90) 160 are saved for 0.1 + 0.04 + 0.05 = 0.19; anything else loses more.
    const { exits, predicted } = solveSchedule({ table: madeTable(), timesteps }, 1.25);
    expect(exits).toEqual([2, 2, 2, 2, 4, 4, 4, 4]);
    expect(predicted.excess).toBeCloseTo(0.18, 12);
    expect(predicted.depthUsed).toBeCloseTo(620 / 800, 12);
    expect(predicted.speedup).toBeCloseTo(800 / 620, 12);
    // Standard errors are a tenth of the excess: they add in a bin, their squares add across bins.
    expect(predicted.excessStandardError).toBeCloseTo(Math.hypot(0.008, 0.01), 12);
  });
  it('orders the steps of one bin so that depth grows towards data', () => {
    const { exits } = solveSchedule({ table: madeTable(), timesteps }, 800 / 755);
    expect(exits).toEqual([2, 4, 4, 4, 4, 4, 4, 4]);
  });
  it('lets weights say where an error matters', () => {
    const weights = [100, 100, 100, 100, 1, 1, 1, 1];
    const { exits, predicted } = solveSchedule({ table: madeTable(), timesteps, weights }, 800 / 710);
    expect(exits).toEqual([4, 4, 4, 4, 2, 2, 4, 4]);
    expect(predicted.excess).toBeCloseTo(0.2, 12);
  });
  it('may become shallower towards data unless told otherwise', () => {
    const table = madeTable([
      [0.1, 0.2, 0.4, 0.8],
      [0.05, 0.1, 0.2, 0.4],
      [0, 0, 0, 0],
    ]);
    // 160 to save: an exit 1 (70 for 0.1) and an exit 2 (45 for 0.05) nearest data, an exit 2 (45 for 0.1) before.
    expect(solveSchedule({ table, timesteps }, 1.25).exits).toEqual([4, 4, 4, 4, 2, 4, 1, 2]);
    const monotone = solveSchedule({ table, timesteps, monotone: true }, 1.25);
    expect(monotone.exits).toEqual(monotone.exits.toSorted((a, b) => a - b));
    expect(monotone.predicted.depthUsed).toBeLessThanOrEqual(1 / 1.25);
  });
  it('reaches every speed-up up to the cheapest exit, and names it when asked for more', () => {
    const options = { table: madeTable(), timesteps };
    expect(solveSchedule(options, 100 / 30).exits).toEqual(Array(8).fill(1));
    expect(solveSchedule(options, 3.3333).exits).toEqual(Array(8).fill(1));
    expect(() => solveSchedule(options, 3.4)).toThrow(UserError);
    expect(() => solveSchedule(options, 3.4)).toThrow(/the cheapest schedule of 8 steps gives 3\.3333/);
    expect(uniformSchedule(options, 3.4)).toBeUndefined();
  });
  it('is never worse than one exit everywhere, and never over budget', () => {
    const cells = fc.array(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }),
      { minLength: 2, maxLength: 2 },
    );
    const speedup = fc.double({ min: 1, max: 3.3, noNaN: true });
    fc.assert(
      fc.property(cells, speedup, fc.boolean(), (excess, asked, monotone) => {
        const options = { table: madeTable([...excess, [0, 0, 0, 0]]), timesteps, monotone };
        const [best, uniform] = [solveSchedule(options, asked), uniformSchedule(options, asked)];
        expect(new Set(uniform?.exits).size).toBe(1);
        expect(best.predicted.excess).toBeLessThanOrEqual((uniform?.predicted.excess ?? NaN) + 1e-12);
        for (const schedule of [best, uniform])
          expect(schedule?.predicted.speedup).toBeGreaterThanOrEqual(asked * (1 - 1e-9));
      }),
      { numRuns: 200, seed: 5 },
    );
  });
  it('loses more the faster it gets', () => {
    const speedups = [1, 1.2, 1.5, 2, 2.5, 3, 3.3];
    const curve = frontier({ table: madeTable(), timesteps }, speedups);
    const losses = curve.map(({ predicted }) => predicted.excess);
    expect(losses).toEqual(losses.toSorted((a, b) => a - b));
    expect(curve.map(({ asked }) => asked.speedup)).toEqual(speedups);
  });
  it('ignores an exit that another one beats in cost and error', () => {
    const beaten: MeasuredExit[] = [
      { exit: 1, kind: 'linear', macs: 30 },
      { exit: 2, kind: 'adapter', macs: 55 },
      { exit: 3, kind: 'block', macs: 56 },
      { exit: 4, kind: 'backbone', macs: 100 },
    ];
    const [shallow = [], middle = [], full = []] = madeTable().excess.mean.map((row) => row.map(Number));
    const worse = middle.map((value) => value + 0.01);
    const more = madeTable([shallow, middle, worse, full], beaten);
    for (const speedup of [1.1, 1.5, 2, 3])
      expect(solveSchedule({ table: more, timesteps }, speedup).exits).toEqual(
        solveSchedule({ table: madeTable(), timesteps }, speedup).exits,
      );
  });
  it('refuses bins that were hardly measured, naming them', () => {
    const table = { ...madeTable(), count: [16, 1, 0, 16] };
    const solve = () => solveSchedule({ table, timesteps }, 1.5);
    expect(solve).toThrow(UserError);
    expect(solve).toThrow(/t 500 to 749 \(0 samples\), t 250 to 499 \(1 samples\)/);
    expect(solve).toThrow(/profile with more samples or fewer bins/);
    expect(solveSchedule({ table, timesteps: [990, 10] }, 1.5).exits).toHaveLength(2);
  });
  it.each([
    ['a speed-up below 1', { timesteps }, 0.9, /choose a number from 1/],
    ['a speed-up that is no number', { timesteps }, NaN, /choose a number from 1/],
    ['no timesteps', { timesteps: [] }, 1.5, /at least one/],
    ['timesteps from data to noise', { timesteps: [10, 20] }, 1.5, /from noise to data/],
    ['a timestep outside the table', { timesteps: [1000, 20] }, 1.5, /outside the time bins/],
    ['too few weights', { timesteps, weights: [1] }, 1.5, /1 weights for 8 timesteps/],
    ['a negative weight', { timesteps: [20], weights: [-1] }, 1.5, /weight of timestep 20 is -1/],
  ])('refuses %s', (_, options, speedup, message) => {
    const solve = () => solveSchedule({ table: madeTable(), ...options }, speedup);
    expect(solve).toThrow(UserError);
    expect(solve).toThrow(message);
  });
});
