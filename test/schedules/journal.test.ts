import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Interrupted } from '../../src/errors.js';
import { journaled, type Entry, type Journal, type JournalOptions } from '../../src/schedules/journal.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const plan = { seed: 3, exits: [1, 2], scale: undefined };
const options = (resume: boolean, more: Partial<JournalOptions> = {}): JournalOptions => ({
  ...{ path: path('journal.json'), plan, resume, ...more },
});
const asked: number[] = [];
/** Five entries; stopped before the one of a number. */
const measure =
  (stopAt = Infinity) =>
  async (journal: Journal): Promise<Entry[]> => {
    const found: Entry[] = [];
    for (let i = 0; i < 5; i++)
      found.push(
        await journal.next(() => {
          if (i === stopAt) return Promise.reject(new Interrupted(`stopped before ${i}.`));
          asked.push(i);
          return Promise.resolve([[Math.SQRT2 * i, 1 / 3], []]);
        }),
      );
    return found;
  };
const all = [0, 1, 2, 3, 4].map((i) => [[Math.SQRT2 * i, 1 / 3], []]);
const itself = (entries: Entry[]): Promise<Entry[]> => Promise.resolve(entries);

test('a measurement that was stopped goes on, to the last bit, and leaves no journal', async () => {
  const stopped = journaled(options(false), measure(3), itself);
  await expect(stopped).rejects.toThrow(Interrupted);
  await expect(stopped).rejects.toThrow('stopped before 3. What was measured is kept, and --resume goes on');
  expect(asked.splice(0)).toEqual([0, 1, 2]);
  await expect(journaled(options(true), measure(4), itself)).rejects.toThrow(Interrupted);
  expect(asked.splice(0)).toEqual([3]);
  expect(await journaled(options(true), measure(), itself)).toEqual(all);
  expect(asked.splice(0)).toEqual([4]);
  expect(existsSync(path('journal.json'))).toBe(false);
});

test('a measurement that failed, or whose result was not written, keeps the journal of before', async () => {
  await expect(journaled(options(false), measure(2), itself)).rejects.toThrow(Interrupted);
  const before = readFileSync(path('journal.json'));
  const full = (): Promise<never> => Promise.reject(new Error('no space left'));
  await expect(journaled(options(true), measure(), full)).rejects.toThrow('no space left');
  expect(readFileSync(path('journal.json'))).toEqual(before);
});

test('another measurement, and what is no journal, are refused', async () => {
  await expect(journaled(options(false), measure(1), itself)).rejects.toThrow(Interrupted);
  const other = options(true, { plan: { ...plan, seed: 4 } });
  await expect(journaled(other, measure(), itself)).rejects.toThrow('its seed is not what is asked for');
  const more = options(true, { plan: { ...plan, batch: 4 } });
  await expect(journaled(more, measure(), itself)).rejects.toThrow('its batch is not what is asked for');
  writeFileSync(path('journal.json'), '{"format": "exithead-journal", "version": 1, "plan": {}}');
  await expect(journaled(options(true), measure(), itself)).rejects.toThrow('entries');
  const none = options(true, { path: path('none.json') });
  await expect(journaled(none, measure(), itself)).rejects.toThrow('Leave out --resume to start anew');
});
