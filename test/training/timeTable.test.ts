import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { readTimeTable } from '../../src/training/timeTable.js';
import { folderWith } from '../config/files.js';

const read = (name: string, text: string) => readTimeTable(join(folderWith({ [name]: text }), name));
const json = (more: object): string =>
  JSON.stringify({
    format: 'exithead-time-weights',
    version: 1,
    axis: 't',
    points: [{ at: 0, weight: 1 }],
    ...more,
  });

describe('a table of time weights', () => {
  it('is read from JSON and from CSV alike', async () => {
    const points = [
      { at: -3.5, weight: 0 },
      { at: 2, weight: 0.25 },
    ];
    const expected = { axis: 'logSnr', points };
    expect(await read('w.json', json(expected))).toMatchObject(expected);
    expect(await read('w.csv', '\uFEFFlogSnr, weight\r\n-3.5,0\r\n\r\n2, 0.25\r\n')).toMatchObject(expected);
  });

  it.each([
    ['w.json', '{', /w\.json is not JSON/],
    ['w.json', json({ format: 'exithead-schedule' }), /its format is "exithead-schedule"/],
    ['w.json', json({ axis: 'sigma' }), /axis: /],
    ['w.json', json({ points: [] }), /points: /],
    ['w.json', json({ points: [{ at: 1, weight: -1 }] }), /points\.0\.weight: /],
    ['w.json', json({ points: [{ at: 1, weight: 0 }] }), /points: have only zeros/],
    ['w.csv', 'time,weight\n1,2\n', /its first line is "time,weight", expected t,weight or logSnr,weight/],
    ['w.csv', 't,weight\n1,2\n3\n', /w\.csv:3 is "3", expected two numbers/],
    ['w.csv', 't,weight\n1,2,3\n', /w\.csv:2 is "1,2,3"/],
    ['w.csv', 't,weight\n1,1e999\n', /w\.csv:2 is "1,1e999"/],
    ['w.csv', 't,weight\n1,\n', /w\.csv:2 is "1,"/],
    ['w.csv', 't,weight\n5,1\n5,2\n', /points\.1\.at: is 5 after 5, expected more/],
    ['w.csv', '', /its first line is ""/],
  ])('is refused with its mistake: %s %s', async (name, text, message) => {
    const refused = read(name, text);
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(message);
  });

  it('is refused where there is none', async () => {
    await expect(readTimeTable('nowhere.csv')).rejects.toThrow(/cannot read nowhere\.csv/);
    await expect(readTimeTable('src')).rejects.toThrow(/src is not a file/);
  });
});
