import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { costOfSchedule } from '../../src/schedules/baselines.js';
import { frontOverSteps, placeOf, solveOverSteps } from '../../src/schedules/overSteps.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { madeTable, stepCounts } from './tables.js';

const table = madeTable();
/** 8, 6 and 4 steps; fewer drift more, and each of their steps counts more. */
const counts = stepCounts(table, [8, 0], [6, 0.05], [4, 0.4]);
const costAt = (speedup: number): number => 800 / speedup;

describe('a number of steps', () => {
  it.each([1, 1.2, 1.4, 1.8, 2.2, 3, 5])(
    'is chosen with the exits, at a speed-up of %d: nothing within the budget loses less',
    (speedup) => {
      const schedule = solveOverSteps(counts, { speedup });
      const { fewer } = schedule.predicted;
      const own = counts.find(({ options }) => options.timesteps.length === schedule.timesteps.length);
      expect(own && costOfSchedule(own.options, schedule)).toBeLessThanOrEqual(costAt(speedup) * (1 + 1e-9));
      expect(fewer?.loss).toBeCloseTo((own?.drift ?? NaN) + schedule.predicted.excess, 12);
      // Each count alone, by its own budget.
      const losses = counts.flatMap(({ options, drift = NaN }) => {
        const budget = (100 * options.timesteps.length) / costAt(speedup);
        if (budget > 100 / 30) return [];
        return drift + solveSchedule(options, Math.max(1, budget)).predicted.excess;
      });
      expect(fewer?.loss).toBeCloseTo(Math.min(...losses), 12);
      expect(schedule.asked.speedup).toBe(speedup);
    },
  );
  it('is chosen for the cheapest schedule, too', () => {
    // Six steps at full depth drift by 0.05; eight with an excess of 0.05 cost more.
    const { timesteps, exits, predicted } = solveOverSteps(counts, { maxExcess: 0.05 });
    expect(timesteps).toHaveLength(6);
    expect(new Set(exits)).toEqual(new Set([4]));
    expect(predicted.fewer).toEqual({ of: 8, speedup: 800 / 600, drift: 0.05, loss: 0.05 });
    expect(solveOverSteps(counts, { maxExcess: 0 }).timesteps).toHaveLength(8);
  });
  it('is refused where no count is as fast', () => {
    expect(() => solveOverSteps(counts, { speedup: 7 })).toThrow(UserError);
    expect(() => solveOverSteps(counts, { speedup: 7 })).toThrow(
      /no schedule of 8, 6, 4 steps is 7 times as fast/,
    );
  });
});

describe('the front', () => {
  it('has full depth at every count that nothing beats, and only what nothing beats', () => {
    const front = frontOverSteps(counts);
    const places = front.map(placeOf);
    const speedups = places.map(({ speedup }) => speedup);
    const losses = places.map(({ loss }) => loss);
    expect(speedups).toEqual(speedups.toSorted((a, b) => a - b));
    expect(losses).toEqual(losses.toSorted((a, b) => a - b));
    expect(new Set(losses).size).toBe(losses.length);
    expect(places[0]).toEqual({ speedup: 1, loss: 0 });
    const full = front.filter(({ exits }) => exits.every((exit) => exit === 4));
    expect(full.map(({ timesteps }) => timesteps.length)).toContain(6);
    // At every budget of it, it is as good as a search there.
    for (const { speedup, loss } of places.filter((_, i) => i % 8 === 0))
      expect(placeOf(solveOverSteps(counts, { speedup })).loss).toBeCloseTo(loss, 9);
  });
  it('is of one count where there is no other', () => {
    const [most] = counts;
    const front = frontOverSteps(most ? [{ options: most.options }] : []);
    expect(placeOf(front[0] ?? solveSchedule({ table, timesteps: [1] }, 1))).toEqual({ speedup: 1, loss: 0 });
    expect(front.at(-1)?.exits).toEqual(Array(8).fill(1));
    expect(front.every(({ predicted }) => predicted.fewer === undefined)).toBe(true);
  });
});
