import { describe, expect, it } from '@jest/globals';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { outsideProfile } from '../../src/schedules/outside.js';
import { exitAt, type Schedule } from '../../src/schedules/schedule.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { madeTable } from './tables.js';

const timesteps = [900, 700, 500, 300, 100];
const remembering: readonly MeasuredExit[] = [
  { exit: 1, kind: 'memory', macs: 30 },
  { exit: 2, kind: 'memory', macs: 55 },
  { exit: 4, kind: 'backbone', macs: 100 },
];
const at = (schedule: Schedule, calls: readonly number[]) =>
  outsideProfile(schedule, { calls, exits: calls.map((t) => exitAt(schedule, t)) });

describe('a sampler of a schedule', () => {
  const schedule = solveSchedule({ table: madeTable(), timesteps }, 1.5);

  it('is not warned of where it steps as the schedule does, or between its times', () => {
    expect(at(schedule, timesteps)).toEqual([]);
    expect(at(schedule, [850, 333.3, 100])).toEqual([]);
    const { profiled: _, ...untold } = schedule;
    expect(at(untold, [999, 0])).toEqual([]);
  });
  it('is warned of beyond its times', () => {
    expect(at(schedule, [999, 500, 0])).toEqual([
      'the schedule was made for native t 900 to 100, and 2 of 3 calls lie outside: they run the exit of the nearest end.',
    ]);
  });
  it('is warned of at other times, where exits were measured at those of the schedule alone', () => {
    const only = solveSchedule({ table: { ...madeTable(), binning: 'solver' }, timesteps }, 1.5);
    expect(at(only, timesteps)).toEqual([]);
    expect(at(only, [900, 600, 100])).toEqual([
      expect.stringMatching(/5 steps of the schedule alone, and 1 of 3/),
    ]);
  });
  it('is warned of where memories grow older than they were measured', () => {
    const table = { ...madeTable(undefined, remembering), ages: { steps: 6, every: 3 } };
    const made = solveSchedule({ table, timesteps }, 1.5);
    expect(made.profiled?.oldestMemory).toBeCloseTo(2 * 199.8 + 1, 12);
    expect(at(made, timesteps)).toEqual([]);
    const one = { ...made, exits: [4, 1, 1, 1, 1] };
    expect(at(one, [900, 700, 500])).toEqual([]);
    expect(at(one, [900, 700, 300])).toEqual([
      expect.stringMatching(/memories become up to 600 native t old, and were measured up to 401/),
    ]);
  });
});
