import { describe, expect, it } from '@jest/globals';
import type { ErrorTable, MeasuredExit } from '../../src/schedules/errorTable.js';
import { errorTableFormat } from '../../src/schedules/errorTable.js';
import { checked } from '../../src/schedules/jsonFile.js';
import { mostEvery, mostRefreshed } from '../../src/schedules/refreshed.js';
import { macsOf, scheduleFormat } from '../../src/schedules/schedule.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { madeTable } from './tables.js';

const exits: readonly MeasuredExit[] = [
  { exit: 1, kind: 'memory', macs: 30 },
  { exit: 2, kind: 'memory', macs: 55 },
  { exit: 4, kind: 'backbone', macs: 100 },
];
const table: ErrorTable = {
  ...madeTable(
    [
      [0.8, 0.4, 0.2, 0.1],
      [0.3, 0.1, 0.05, 0.04],
      [0, 0, 0, 0],
    ],
    exits,
  ),
  ages: { steps: 7, every: 4 },
};
/** Two steps in the noisiest bin, one, two, two. */
const timesteps = [900, 800, 600, 400, 300, 100, 50];

describe('a schedule of heads that remember', () => {
  // Every pattern by hand: multiply-adds, and what its steps lose.
  it.each([
    [1, [4, 4, 4, 4, 4, 4, 4], 0],
    // Of 700, within 7 * 100 / 1.2 = 583: every second at exit 2 costs 565.
    [1.2, [4, 2, 4, 2, 4, 2, 4], 0.04 + 0.1 + 0.3],
    // Within 500: every fourth at exit 2 costs 475; every second at exit 1 costs 490 and loses 0.1 + 0.4 + 0.8.
    [1.4, [4, 2, 2, 2, 4, 2, 2], 0.04 + 0.05 + 0.1 + 0.3 + 0.3],
    // Within 466: every third at exit 1 costs 420, every fourth 350.
    [1.5, [4, 1, 1, 4, 1, 1, 4], 0.1 + 0.2 + 0.4 + 0.8],
  ] as const)('at a speed-up of %d is full depth at every n-th step', (speedup, expected, loss) => {
    const schedule = solveSchedule({ table, timesteps }, speedup);
    expect(schedule.exits).toEqual(expected);
    expect(schedule.predicted.excess).toBeCloseTo(loss, 12);
    expect(schedule.asked.rule).toBe('refreshed');
    expect(checked(schedule, 'made', scheduleFormat)).toEqual(schedule);
  });

  it('says how far it reaches, which works', () => {
    // Every fourth at exit 1: 2 * 100 + 5 * 30 = 350.
    expect(mostRefreshed(table, 7)).toBe(2);
    expect(() => solveSchedule({ table, timesteps }, 2.01)).toThrow(
      'a speed-up of 2.01 is out of reach: heads that remember, at full depth every 4 steps at least, give 2. ' +
        'Ask for 2 or less, or raise heads.memory.every',
    );
    expect(solveSchedule({ table, timesteps }, 2).exits).toEqual([4, 1, 1, 1, 4, 1, 1]);
  });

  it.each([
    [{ steps: 25, every: 3 }, 25, 3],
    // Two of 24 strides are four of 49, and one of 12.
    [{ steps: 25, every: 3 }, 50, 5],
    [{ steps: 25, every: 3 }, 13, 2],
    [{ steps: 25, every: 3 }, 10, 1],
    [undefined, 25, 1],
  ])('remembers no longer than was measured: %j, %d steps', (ages, steps, most) => {
    expect(mostEvery({ ages }, steps)).toBe(most);
  });

  it('counts what full-depth steps leave, for the exits in use', () => {
    const dear = exits.map((exit) => (exit.kind === 'memory' ? { ...exit, refreshMacs: exit.exit } : exit));
    expect(macsOf(dear, [4, 1, 4, 1])).toBe(260 + 2 * 1);
    expect(macsOf(dear, [4, 1, 2])).toBe(185 + 3);
    expect(macsOf(dear, [4, 4])).toBe(200);
  });

  it('is refused where an exit remembers before there was a full-depth step', () => {
    const schedule = solveSchedule({ table, timesteps }, 1.2);
    const early = [2, 4, 4, 2, 4, 2, 4];
    expect(() => checked({ ...schedule, exits: early }, 'made.json', scheduleFormat)).toThrow(
      'exits.0: is 2, which remembers the last full-depth step, and there was none before it; ' +
        'a schedule of heads that remember begins with exit 4',
    );
  });

  it('needs a table that says how old memories were', () => {
    const { ages: _, ...rest } = table;
    expect(() => checked(rest, 'made.json', errorTableFormat)).toThrow('ages: is missing');
    expect(checked(table, 'made.json', errorTableFormat)).toEqual(table);
  });
});
