import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  countsOfSchedule,
  readBlockCounts,
  scheduleOfCounts,
  writeBlockCounts,
} from '../../src/schedules/blockCounts.js';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { scratch } from '../scratch.js';
import { madeTable } from './tables.js';

const { path, put } = scratch();
const table = madeTable();
const options = { table, timesteps: [950, 750, 550, 350, 150, 50] };
const list = [4, 4, 4, 2, 2, 2, 2, 1, 1, 1];

describe('a list of block counts', () => {
  it('says which exit the tenth of each step runs, as in ASE', async () => {
    await writeBlockCounts(path('exit_nums.json'), list);
    expect(readFileSync(path('exit_nums.json'), 'utf8')).toBe('[4, 4, 4, 2, 2, 2, 2, 1, 1, 1]\n');
    const schedule = scheduleOfCounts(
      options,
      await readBlockCounts(path('exit_nums.json')),
      'exit_nums.json',
    );
    expect(schedule.exits).toEqual([1, 1, 2, 2, 4, 4]);
    expect(schedule.asked).toMatchObject({ rule: 'given', speedup: schedule.predicted.speedup });
    expect(schedule.predicted.excess).toBeCloseTo(0.1 + 0.1 + 0.05 + 0.1, 12);
  });
  it('comes back from the schedule of its tenths', () => {
    const timesteps = Array.from({ length: 10 }, (_, i) => 950 - 100 * i);
    const schedule = scheduleOfCounts({ table, timesteps }, list, 'x');
    expect(countsOfSchedule(schedule, 'x')).toEqual({ counts: list, deeper: 0 });
  });
  it('is never shallower than the schedule', () => {
    const timesteps = Array.from({ length: 25 }, (_, i) => 999 - 40 * i);
    const schedule = solveSchedule({ table, timesteps }, 1.3);
    const { counts, deeper } = countsOfSchedule(schedule, 'x');
    const back = scheduleOfCounts({ table, timesteps }, counts, 'x').exits;
    expect(back.every((exit, i) => exit >= (schedule.exits[i] ?? NaN))).toBe(true);
    expect(back.filter((exit, i) => exit !== schedule.exits[i])).toHaveLength(deeper);
  });
  it.each([
    ['no list', '{"exits": []}', /is an object, expected a list/],
    ['no JSON', '[1,', /is not JSON/],
    ['nine of them', [1, 2, 3, 4, 5, 6, 7, 8, 9], /has 9 entries, expected 10/],
    [
      'several mistakes at once',
      [1, 'two', 3.5, 4, 0, 6, 7, 8, 9, 10],
      / {2}1: is "two", .*\n {2}2: is 3\.5, .*\n {2}4: is 0, expected a whole number from 1/,
    ],
  ])('is refused with %s', async (_, content, message) => {
    const file = put('bad.json', content);
    await expect(readBlockCounts(file)).rejects.toThrow(message);
    await expect(readBlockCounts(file)).rejects.toThrow('Give a list of ten whole numbers');
  });
  it('is refused where there is no head, all of them at once', () => {
    const wrong = [4, 4, 4, 3, 3, 2, 2, 1, 1, 1];
    expect(() => scheduleOfCounts(options, wrong, 'l.json')).toThrow(
      'l.json has block counts without a head; the exits are 1, 2, 4:\n  3: is 3\n  4: is 3',
    );
  });
  it('knows no memory, and no halves of guidance', () => {
    const exits: readonly MeasuredExit[] = [
      { exit: 1, kind: 'memory', macs: 30 },
      { exit: 2, kind: 'memory', macs: 55 },
      { exit: 4, kind: 'backbone', macs: 100 },
    ];
    const remembering = { ...madeTable(undefined, exits), ages: { steps: 7, every: 4 } };
    expect(() => scheduleOfCounts({ ...options, table: remembering }, list, 'x')).toThrow(
      /refresh what heads remember/,
    );
    const apart = solveSchedule({ ...options, halves: { guidance: 2 } }, 1.2);
    expect(() => countsOfSchedule(apart, 'x')).toThrow(/runs both halves of guidance alike/);
  });
});
