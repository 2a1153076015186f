import { describe, expect, it } from '@jest/globals';
import type { ErrorTable, MeasuredExit } from '../../src/schedules/errorTable.js';
import { errorTableFormat } from '../../src/schedules/errorTable.js';
import { checked } from '../../src/files/jsonFile.js';
import { refreshedSchedule, uniformSchedule } from '../../src/schedules/baselines.js';
import { excessAt } from '../../src/schedules/excess.js';
import { mostEvery } from '../../src/schedules/refreshed.js';
import { macsOf, scheduleFormat } from '../../src/schedules/schedule.js';
import { mostSpeedup, solveSchedule } from '../../src/schedules/solve.js';
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

describe('full depth at every n-th step', () => {
  // Every pattern by hand: multiply-adds, and what its steps lose.
  it.each([
    [1, [4, 4, 4, 4, 4, 4, 4], 0],
    // Of 700, within 7 * 100 / 1.2 = 583: every second at exit 2 costs 565.
    [1.2, [4, 2, 4, 2, 4, 2, 4], 0.04 + 0.1 + 0.3],
    // Within 500: every fourth at exit 2 costs 475; every second at exit 1 costs 490 and loses 0.1 + 0.4 + 0.8.
    [1.4, [4, 2, 2, 2, 4, 2, 2], 0.04 + 0.05 + 0.1 + 0.3 + 0.3],
    // Within 466: every third at exit 1 costs 420, every fourth 350.
    [1.5, [4, 1, 1, 4, 1, 1, 4], 0.1 + 0.2 + 0.4 + 0.8],
  ] as const)('is chosen by hand at a speed-up of %d', (speedup, expected, loss) => {
    const schedule = refreshedSchedule({ table, timesteps }, speedup);
    expect(schedule?.exits).toEqual(expected);
    expect(schedule?.predicted.excess).toBeCloseTo(loss, 12);
    expect(schedule?.asked.rule).toBe('refreshed');
    expect(schedule?.refreshes?.[0]).toBe(0);
    expect(checked(schedule, 'made', scheduleFormat)).toEqual(schedule);
  });

  it('is nothing where nothing remembers, and out of the budget', () => {
    expect(refreshedSchedule({ table: madeTable(), timesteps }, 1)).toBeUndefined();
    expect(refreshedSchedule({ table, timesteps }, 2.01)).toBeUndefined();
  });
});

describe('a schedule of heads that remember', () => {
  it('refreshes where that loses least, and no better is full depth at every n-th step', () => {
    // At most 583: three steps at exit 2 save 135, and cost least nearest noise, after a full one: 0.04 + 0.05 + 0.1.
    const schedule = solveSchedule({ table, timesteps }, 1.2);
    expect(schedule.exits).toEqual([4, 2, 2, 2, 4, 4, 4]);
    expect(schedule.refreshes).toEqual([0, 4, 5, 6]);
    expect(schedule.predicted.excess).toBeCloseTo(0.19, 12);
    expect(schedule.asked).toEqual({ speedup: 1.2, monotone: false, rule: 'optimal' });
  });

  it('takes the error of a memory of its age', () => {
    // Fresh memories are ten times better, so a refresh before each early step is best.
    const aged = (age: number, scale: number) => ({
      ...{ age, count: table.count, error: table.error, rise: table.rise },
      excess: {
        mean: table.excess.mean.map((row) => row.map((value) => (value ?? NaN) * scale)),
        standardError: table.excess.standardError,
      },
    });
    const byAge = [aged(1, 0.1), aged(2, 1), aged(3, 1)];
    const { exits, predicted } = solveSchedule({ table: { ...table, byAge }, timesteps }, 1.2);
    // Steps are 166.5 apart where ages were measured; 100 native t and less are as good as one of them.
    expect(exits).toEqual([4, 2, 4, 4, 2, 4, 2]);
    expect(predicted.excess).toBeCloseTo(0.1 * (0.04 + 0.1 + 0.3), 12);
    // An age of 1.5 lies half-way between the two ages.
    const between = excessAt({ ...table, byAge }, 1, 2, 1.5 * 166.5);
    expect(between.mean).toBeCloseTo(0.05 * 0.55, 12);
    expect(excessAt({ ...table, byAge }, 1, 2, 900).mean).toBeCloseTo(0.05, 12);
    // Full depth remembers nothing.
    expect(excessAt({ ...table, byAge }, 2, 2, 0).mean).toBe(0);
  });

  it('says how far it reaches, which works', () => {
    const most = mostSpeedup({ table, timesteps });
    expect(() => solveSchedule({ table, timesteps }, 2.1)).toThrow(
      `a speed-up of 2.1 is out of reach: the cheapest schedule of 7 steps gives ${most}. ` +
        `Ask for ${most} or less, or raise heads.memory.every`,
    );
    // Nothing is older than three strides of 166.5: 900 serves until 400, and 300 to the end.
    expect(most).toBe(2);
    expect(solveSchedule({ table, timesteps }, most).exits).toEqual([4, 1, 1, 1, 4, 1, 1]);
    expect(uniformSchedule({ table, timesteps }, 1.1)).toBeUndefined();
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
    const { refreshes: _, ...schedule } = solveSchedule({ table, timesteps }, 1.2);
    const early = [2, 4, 2, 2, 4, 4, 4];
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
