import { mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { readErrorTable, writeErrorTable } from '../../src/schedules/errorTable.js';
import { scratch } from '../scratch.js';
import { madeTable } from './tables.js';

const { path, put } = scratch();
const table = madeTable();
const { count, error, excess, rise } = table;
/** Half of the samples with memories of age 1, half of age 2. */
const byAge = [1, 2].map((age) => ({ age, count: count.map((n) => n / 2), error, excess, rise }));
const aged = { ...table, ages: { steps: 50, every: 3 }, byAge };

describe('an error table file', () => {
  it('gives back what was written, digit for digit', async () => {
    const third = {
      ...table,
      rise: { ...table.rise, mean: table.rise.mean.map((row) => row.map((v) => (v ?? 0) / 3 - 1e-17)) },
    };
    await writeErrorTable(path('error-table.json'), third);
    expect(await readErrorTable(path('error-table.json'))).toEqual(third);
  });
  it('keeps what was measured apart by the age of the memory', async () => {
    await writeErrorTable(path('aged.json'), aged);
    expect(await readErrorTable(path('aged.json'))).toEqual(aged);
  });
  it('keeps what was not measured', async () => {
    const hole = (rows: (number | null)[][]) => rows.map((row) => row.map((v, i) => (i === 1 ? null : v)));
    const part = ({ mean, standardError }: typeof table.error) => ({
      mean: hole(mean),
      standardError: hole(standardError),
    });
    const holed = {
      ...table,
      count: [16, 0, 16, 16],
      error: part(table.error),
      excess: part(table.excess),
      rise: part(table.rise),
    };
    await writeErrorTable(path('holed.json'), holed);
    expect(await readErrorTable(path('holed.json'))).toEqual(holed);
  });
  it('is text that a person can read: one exit per line', async () => {
    await writeErrorTable(path('text.json'), table);
    expect(readFileSync(path('text.json'), 'utf8')).toContain('      [0.8, 0.4, 0.2, 0.1],\n');
  });
  it.each([
    ['a table that ends early', { ...table, bins: table.bins.slice(1) }, /bins\.0\.from: is 250, expected 0/],
    [
      'a gap between bins',
      { ...table, bins: table.bins.toSpliced(1, 1) },
      /bins\.1\.from: is 500, expected 250/,
    ],
    ['other steps', { ...table, steps: 999 }, /bins: end at 1000, expected the 999/],
    ['exits out of order', { ...table, exits: table.exits.toReversed() }, /exits must ascend/],
    [
      'no backbone',
      { ...table, exits: table.exits.map((e) => ({ ...e, kind: 'linear' })) },
      /last exit must be the backbone/,
    ],
    [
      'costs that are no whole numbers',
      { ...table, exits: table.exits.map((e) => ({ ...e, macs: 0.5 })) },
      /exits\.0\.macs/,
    ],
    [
      'missing rows',
      { ...table, excess: { ...table.excess, mean: [] } },
      /excess\.mean: has 0 rows for 3 exits/,
    ],
    [
      'short rows',
      { ...table, rise: { ...table.rise, mean: [[1], [1], [0]] } },
      /rise\.mean\.0: has 1 entries for 4 bins/,
    ],
    [
      'an excess below 0',
      madeTable([
        [-1, 1, 1, 1],
        [1, 1, 1, 1],
        [0, 0, 0, 0],
      ]),
      /excess\.mean\.0\.0: is -1/,
    ],
    [
      'a backbone that differs from itself',
      madeTable([
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [0, 0, 0, 1],
      ]),
      /must be 0/,
    ],
    ['numbers where nothing was measured', { ...table, count: [0, 16, 16, 16] }, /does not fit 0 samples/],
    [
      'ages out of order',
      { ...aged, byAge: byAge.toReversed() },
      /byAge\.1\.age: is 1 after 2; list them ascending/,
    ],
    [
      'an age that was not asked for',
      { ...aged, ages: { steps: 50, every: 2 } },
      /byAge\.1\.age: is 2, expected less than the 2 of ages\.every/,
    ],
    [
      'ages that leave samples out',
      { ...aged, byAge: byAge.slice(1) },
      /byAge: counts 8 samples in bin 0, and the table 16/,
    ],
    [
      'missing rows of an age',
      { ...aged, byAge: byAge.map((of) => ({ ...of, excess: { ...excess, mean: [] } })) },
      /byAge\.0\.excess\.mean: has 0 rows for 3 exits/,
    ],
    ['a text for a number', { ...table, steps: '1000' }, /steps/],
    ['null', null, /format is missing/],
    ['a list', [], /format is missing/],
    [
      'another format',
      { ...table, format: 'exithead-schedule' },
      /is not an error table: its format is "exithead-schedule"/,
    ],
    ['a later version', { ...table, version: 2 }, /version 2, and this exithead reads version 1/],
    ['no JSON', '{"format": ', /is not JSON/],
    ['an empty file', '', /is not JSON/],
    ['deep nesting', '['.repeat(100_000), /is not JSON/],
  ])('refuses %s', async (_, content, message) => {
    const file = put('bad.json', content);
    await expect(readErrorTable(file)).rejects.toThrow(UserError);
    await expect(readErrorTable(file)).rejects.toThrow(message);
    await expect(readErrorTable(file)).rejects.toThrow(file);
    await expect(readErrorTable(file)).rejects.toThrow(
      'Give the error-table.json that `exithead profile` writes.',
    );
  });
  it('leaves the prototype of objects alone', async () => {
    put('proto.json', JSON.stringify(table).replace('{', '{"__proto__": {"polluted": true},'));
    expect(await readErrorTable(path('proto.json'))).toEqual(table);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
  it('says so if there is no file, or a folder', async () => {
    await expect(readErrorTable(path('none.json'))).rejects.toThrow(/cannot read .*none\.json/);
    mkdirSync(path('folder'));
    await expect(readErrorTable(path('folder'))).rejects.toThrow(/folder is not a file/);
  });
  it('lists a dozen mistakes and counts the rest', async () => {
    const file = put('many.json', {
      ...table,
      count: table.count.map(() => -1),
      bins: table.bins.map(() => 1),
      exits: table.exits.map(() => ({})),
    });
    await expect(readErrorTable(file)).rejects.toThrow(/and \d+ more/);
  });
});
