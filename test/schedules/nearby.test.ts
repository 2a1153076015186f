import { expect, test } from '@jest/globals';
import { costOfSchedule } from '../../src/schedules/baselines.js';
import { atEveryCount, oneMoveFrom } from '../../src/schedules/nearby.js';
import { placeOf, solveOverSteps } from '../../src/schedules/overSteps.js';
import { memoryTable, stepCounts } from './tables.js';

/** Memories may be two of 8 steps old. */
const counts = stepCounts(memoryTable({ steps: 8, every: 3 }), [8, 0], [6, 0.05]);
const budget = 800 / 1.5;
const start = solveOverSteps(counts, { speedup: 1.5 });

test('of every step count, the solved schedule and the one refreshed at every n-th step are tried', () => {
  const found = atEveryCount(start, counts, budget);
  expect(found.map(({ timesteps }) => timesteps.length)).toEqual([8, 8, 6, 6]);
  // 4 or 3 steps at full depth, and as many between them: 520 and 465 of 533, with the deeper exit.
  expect(found[1]?.exits).toEqual([4, 1, 4, 1, 4, 1, 4, 1]);
  expect(found[3]?.exits).toEqual([4, 2, 4, 2, 4, 2]);
  expect(found.map(({ asked }) => asked.rule)).toEqual(Array(4).fill('refined'));
  expect(found.map(({ asked }) => asked.speedup)).toEqual(Array(4).fill(1.5));
  for (const [i, schedule] of found.entries()) {
    const options = counts[i < 2 ? 0 : 1]?.options;
    expect(options && costOfSchedule(options, schedule)).toBeLessThanOrEqual(budget);
  }
  // What is solved is predicted to be the best of its step count.
  const losses = found.map((one) => placeOf(one).loss);
  expect(losses[0]).toBeLessThanOrEqual(losses[1] ?? NaN);
  expect(losses[2]).toBeLessThanOrEqual(losses[3] ?? NaN);
});

test('where halves of guidance leave apart, one move changes steps of either, after both were at full depth', () => {
  const apart = counts.map(({ options, drift }) => ({
    drift,
    options: { ...options, halves: { guidance: 2 } },
  }));
  const both = solveOverSteps(apart, { speedup: 1.5 });
  const found = oneMoveFrom(both, apart, 2 * budget);
  const changes = found.map(({ exits, unconditional }) => [
    exits.filter((exit, i) => exit !== both.exits[i]).length,
    unconditional?.filter((exit, i) => exit !== both.unconditional?.[i]).length,
  ]);
  for (const [own = NaN, other = NaN] of changes) {
    expect(own + other).toBeGreaterThan(0);
    expect(own + other).toBeLessThanOrEqual(2);
  }
  // Some change one half alone, and some both.
  expect(changes).toContainEqual([0, 2]);
  expect(changes).toContainEqual([2, 0]);
  expect(changes).toContainEqual([1, 1]);
  for (const { exits, unconditional } of found) expect([exits[0], unconditional?.[0]]).toEqual([4, 4]);
});

test('schedules one move away keep the budget, begin at full depth, and come with the best first', () => {
  const found = oneMoveFrom(start, counts, budget);
  expect(found.length).toBeGreaterThan(0);
  for (const { exits, timesteps } of found) {
    expect(timesteps).toEqual(start.timesteps);
    expect(exits[0]).toBe(4);
    expect(exits.filter((exit, i) => exit !== start.exits[i]).length).toBeLessThanOrEqual(2);
  }
  const losses = found.map((one) => placeOf(one).loss);
  expect(losses).toEqual(losses.toSorted((a, b) => a - b));
});
