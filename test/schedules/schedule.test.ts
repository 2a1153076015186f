import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { UserError } from '../../src/errors.js';
import {
  agesOf,
  depthOf,
  exitAt,
  macsOf,
  readSchedule,
  refreshesOf,
  secondsUsedOf,
  stretchesOf,
  writeSchedule,
} from '../../src/schedules/schedule.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { scratch } from '../scratch.js';
import { exits, madeTable } from './tables.js';

const { path, put } = scratch();
const schedule = solveSchedule({ table: madeTable(), timesteps: [900, 600, 300, 0] }, 1.5);

describe('a schedule', () => {
  it('runs at its own timesteps the exits it lists', () => {
    expect(schedule.timesteps.map((t) => exitAt(schedule, t))).toEqual(schedule.exits);
  });
  it('runs elsewhere the exit of the nearest timestep, half-way that of the one nearer data', () => {
    const made = { ...schedule, timesteps: [900, 600, 300, 0], exits: [1, 2, 4, 1] };
    expect([999, 751, 750, 749, 450, 151, 150, 149].map((t) => exitAt(made, t))).toEqual([
      1, 1, 2, 2, 4, 4, 1, 1,
    ]);
    expect(() => exitAt(made, NaN)).toThrow(RangeError);
  });
  it('counts its depth in multiply-adds, heads included', () => {
    expect(depthOf([...exits], [1, 2, 4, 4])).toBeCloseTo((30 + 55 + 200) / 400, 12);
  });
  it('tells steps in a row that run the same exit as one stretch, however often an exit comes back', () => {
    const timesteps = [900, 700, 500, 300, 100];
    expect(stretchesOf({ timesteps, exits: [1, 1, 4, 1, 1] })).toEqual([
      { exit: 1, from: 900, to: 700, steps: 2 },
      { exit: 4, from: 500, to: 500, steps: 1 },
      { exit: 1, from: 300, to: 100, steps: 2 },
    ]);
    expect(stretchesOf({ timesteps: [7], exits: [2] })).toEqual([{ exit: 2, from: 7, to: 7, steps: 1 }]);
  });
  it('gives back what was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 1, max: 3.3, noNaN: true }),
        fc.boolean(),
        async (speedup, monotone) => {
          const options = { table: madeTable(), timesteps: [999.5, 333.25, 1], monotone };
          const made = solveSchedule(options, speedup);
          await writeSchedule(path('schedule.json'), made);
          expect(await readSchedule(path('schedule.json'))).toEqual(made);
        },
      ),
      { numRuns: 20, seed: 6 },
    );
  });
  it('edited by hand says every mistake, where it stands, and which key was meant', async () => {
    await writeSchedule(path('edited.json'), schedule);
    const text = readFileSync(path('edited.json'), 'utf8')
      .replace('"weights"', '"wieghts"')
      .replace('"monotone": false', '"monotone": "no"')
      .replace('"steps": 1000', '"steps": 0');
    const file = put('mistaken.json', text);
    const placeOf = (word: string): string => {
      const before = text.slice(0, text.indexOf(word)).split('\n');
      return `${file}:${before.length}:${(before.at(-1)?.length ?? NaN) + 1}`;
    };
    const refused: unknown = await readSchedule(file).catch((error: unknown) => error);
    const lines = refused instanceof UserError ? refused.message.split('\n').map((line) => line.trim()) : [];
    expect(lines).toContain(`${placeOf('"wieghts"')}  wieghts: is unknown; did you mean weights?`);
    expect(lines).toContain(
      `${placeOf('"no"')}  asked.monotone: Invalid input: expected boolean, received string (found "no")`,
    );
    expect(lines).toContain(`${placeOf('0,')}  steps: Too small: expected number to be >=1 (found 0)`);
  });
  it('is read in version 1, too', async () => {
    const { version: _, ...rest } = schedule;
    const old = put('old.json', { ...rest, version: 1 });
    expect(await readSchedule(old)).toEqual(schedule);
  });
  it('counts both passes where the halves of guidance have exits of their own', () => {
    expect(macsOf([...exits], [1, 2], [4, 4])).toBe(30 + 55 + 200);
    expect(depthOf([...exits], [1, 2], [4, 4])).toBeCloseTo(285 / 400, 12);
    const measured = { engine: 'made', batch: 1, guided: false, seconds: [1, 2, 4] };
    expect(secondsUsedOf([...exits], measured, [1, 4])).toBeCloseTo(5 / 8, 12);
    expect(secondsUsedOf([...exits], measured, [1, 4], [2, 4])).toBeCloseTo(11 / 16, 12);
    const steps = { timesteps: [900, 600, 300], exits: [4, 2, 4], unconditional: [4, 4, 4] };
    expect(refreshesOf(steps, 4)).toEqual([0, 2]);
    expect(agesOf(steps, 4)).toEqual([0, 300, 0]);
    expect(agesOf({ timesteps: [900, 600], exits: [2, 4] }, 4)).toEqual([undefined, 0]);
  });
  it.each([
    [
      'other halves',
      { ...schedule, unconditional: [3, 4, 4, 4] },
      /unconditional\.0: is 3, which has no head/,
    ],
    ['half of the log-SNR', { ...schedule, logSnr: [1] }, /logSnr: has 1 entries for 4 timesteps/],
    [
      'other refreshes',
      { ...schedule, exits: [4, 4, 1, 1], refreshes: [0] },
      /refreshes: are 0, but the full-depth steps are 0, 1/,
    ],
    [
      'too few seconds',
      { ...schedule, measured: { engine: 'made', batch: 1, guided: false, seconds: [1] } },
      /measured\.seconds: has 1 entries for 3 exits/,
    ],
    ['version 3', { ...schedule, version: 3 }, /a schedule of version 3, and this exithead reads version 2/],
    [
      'an exit without a head',
      { ...schedule, exits: [3, 4, 4, 4] },
      /exits\.0: is 3, which has no head; the exits are 1, 2, 4/,
    ],
    ['an exit out of range', { ...schedule, exits: [1e9, 4, 4, 4] }, /exits\.0/],
    ['too few exits', { ...schedule, exits: [4] }, /exits: has 1 entries for 4 timesteps/],
    ['too many weights', { ...schedule, weights: [1, 1, 1, 1, 1] }, /weights: has 5 entries/],
    ['timesteps that ascend', { ...schedule, timesteps: [0, 300, 600, 900] }, /is 300 after 0/],
    ['a timestep twice', { ...schedule, timesteps: [900, 900, 300, 0] }, /is 900 after 900/],
    [
      'a timestep beyond the steps',
      { ...schedule, timesteps: [1000, 600, 300, 0] },
      /expected less than the 1000 steps/,
    ],
    ['no timesteps', { ...schedule, timesteps: [], exits: [], weights: [] }, /timesteps/],
    [
      'numbers that are none',
      JSON.stringify(schedule).replace('"weights":[1', '"weights":[null'),
      /weights\.0/,
    ],
    [
      'numbers too large for a double',
      JSON.stringify(schedule).replace('"weights":[1', '"weights":[1e999'),
      /weights\.0/,
    ],
    [
      'a prediction for other exits',
      { ...schedule, exits: [4, 4, 4, 4] },
      /depthUsed: is .* but these exits use 1/,
    ],
    ['an error table', madeTable(), /is not a schedule/],
  ])('refuses %s', async (_, content, message) => {
    const file = put('bad.json', content);
    await expect(readSchedule(file)).rejects.toThrow(UserError);
    await expect(readSchedule(file)).rejects.toThrow(message);
    await expect(readSchedule(file)).rejects.toThrow(
      'Give the schedule.json that `exithead schedule` writes.',
    );
  });
});
