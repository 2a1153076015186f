import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { respace } from '../../src/diffusion/respace.js';
import { costOfSchedule } from '../../src/schedules/baselines.js';
import { everyNthStep } from '../../src/schedules/everyNth.js';
import { madeTable, memoryTable, stepCounts } from './tables.js';

/** Memories may be three of 12 steps old. */
const counts = stepCounts(memoryTable({ steps: 12, every: 4 }), [12, 0], [10, 0.1], [8, 0.3]);

describe('full depth at every n-th step', () => {
  it.each([
    // 6 x 100 + 6 x 55 of 1200 with the deeper exit, which loses less.
    [1.25, 12, [4, 2, 4, 2, 4, 2, 4, 2, 4, 2, 4, 2]],
    // It would cost 930; 6 x 100 + 6 x 30 is 780.
    [1.5, 12, [4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1]],
    // 5 x 100 + 5 x 55 is 775 with ten steps, and 650 with the shallower exit.
    [1.8, 10, [4, 1, 4, 1, 4, 1, 4, 1, 4, 1]],
    [2.2, 8, [4, 1, 4, 1, 4, 1, 4, 1]],
  ])('is as young as a speed-up of %d lets it be, of the most steps', (speedup, steps, exits) => {
    const schedule = everyNthStep(counts, speedup);
    expect(schedule.timesteps).toEqual(respace(1000, String(steps)));
    expect(schedule.exits).toEqual(exits);
    expect(schedule.asked.rule).toBe('refreshed');
    const own = counts.find(({ options }) => options.timesteps.length === steps);
    const cost = own ? costOfSchedule(own.options, schedule) : NaN;
    expect(cost).toBeLessThanOrEqual(1200 / speedup);
    expect(schedule.predicted.fewer?.speedup).toBeCloseTo(1200 / cost, 12);
    expect(schedule.predicted.fewer?.drift).toBe(own?.drift);
  });
  it('has older memories where younger ones are never as fast', () => {
    // Every second of ten steps costs 650, every third of twelve 4 x 100 + 8 x 30, of ten 4 x 100 + 6 x 30 of 600.
    expect(everyNthStep(counts.slice(0, 2), 2).exits).toEqual([4, 1, 1, 4, 1, 1, 4, 1, 1, 4]);
  });
  it('takes the exit that loses less, of those that may be chosen', () => {
    const only = counts.map(({ options, drift }) => ({ drift, options: { ...options, exits: [1] } }));
    expect(everyNthStep(only, 1.25).exits).toEqual([4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1]);
  });
  it('is refused where it is never as fast, or nothing remembers', () => {
    expect(() => everyNthStep(counts, 2.4)).toThrow(UserError);
    expect(() => everyNthStep(counts, 2.4)).toThrow(/of 12, 10, 8 is never 2.4 times as fast/);
    const forgetful = counts.map(({ options }) => ({ options: { ...options, table: madeTable() } }));
    expect(() => everyNthStep(forgetful, 1.2)).toThrow(/no head remembers/);
  });
});
