import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { examples } from '../../src/data/batches.js';
import { imagesInMemory } from '../../src/data/memory.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { trainClassifier } from '../../src/evaluate/classifier.js';
import { openDigits, type DigitsOptions } from '../../src/evaluate/digits.js';
import type { FeatureExtractor, Seen } from '../../src/evaluate/features.js';
import { judgeEngine } from '../../src/evaluate/judgeEngine.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const silent = { update: () => undefined, end: () => undefined };

/** Images of 4 x 4, darker with every class. */
const shades = imagesInMemory({
  ...{ name: 'shades', channels: 1, imageSize: 4, classes: 3 },
  pixels: Uint8Array.from({ length: 60 * 16 }, (_, i) => 60 * (Math.floor(i / 16) % 3) + (i % 16)),
  labels: Uint8Array.from({ length: 60 }, (_, i) => i % 3),
});

interface Told extends DigitsOptions {
  readonly said: string[];
  readonly warned: string[];
  readonly folder: string;
}

function options(folder: string, more: Partial<DigitsOptions> = {}): Told {
  const [said, warned]: [string[], string[]] = [[], []];
  return {
    ...{ seed: 3, steps: 4, signal: new AbortController().signal, progress: silent, said, warned },
    say: (line) => said.push(line),
    warn: (line) => warned.push(line),
    ...more,
    folder: path(folder),
  };
}

async function seen(options: Told): Promise<{ extractor: FeatureExtractor; all: Seen }> {
  const extractor = await openDigits(shades, options);
  const all = await extractor.see((await examples(shades, 0, 60)).x);
  await extractor.dispose();
  return { extractor, all };
}

const once = ['training a classifier of shades to judge by, once'];

describe('the judge of digits', () => {
  it('sees what the classifier of its data and seed sees', async () => {
    const { extractor, all } = await seen(options('same'));
    const classifier = await trainClassifier(judgeEngine, shades, options('same'));
    expect(all).toEqual(await classifier.see((await examples(shades, 0, 60)).x));
    expect(extractor).toMatchObject({ name: 'digits', width: 128, classes: 3 });
    await classifier.dispose();
  });
  it('is trained once for the same data, steps and seed', async () => {
    const [first, second] = [options('once'), options('once')];
    const before = await seen(first);
    const after = await seen(second);
    expect([first.said, second.said]).toEqual([once, []]);
    expect(after.all).toEqual(before.all);
    expect(after.extractor.fingerprint).toBe(before.extractor.fingerprint);
    const other = await seen(options('once', { seed: 4 }));
    expect(other.extractor.fingerprint).not.toBe(before.extractor.fingerprint);
    expect(readdirSync(path('once'))).toHaveLength(2);
  });
  it.each([
    ['was cut short', (file: string) => truncateSync(file, 1000), 'it is cut short'],
    [
      'changed in one bit',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 5]! ^= 1;
        writeFileSync(file, bytes);
      },
      'does not hold the numbers that were written to it',
    ],
  ])('is trained anew, aloud, when its file %s', async (what, spoil, reason) => {
    const before = await seen(options(what));
    const [name] = readdirSync(path(what));
    spoil(join(path(what), name!));
    const told = options(what);
    const after = await seen(told);
    expect(told.warned).toHaveLength(1);
    expect(told.warned[0]).toContain(reason);
    expect(told.warned[0]).toContain('It is made anew.');
    expect(told.said).toEqual(once);
    expect(after.all).toEqual(before.all);
  });
  it('keeps nothing of a training that was stopped', async () => {
    await expect(openDigits(shades, options('stopped', { signal: AbortSignal.abort() }))).rejects.toThrow(
      Interrupted,
    );
    expect(readdirSync(path('stopped'))).toEqual([]);
  });
  it('needs classes', async () => {
    const one = { ...shades, classes: 1 };
    await expect(openDigits(one, options('one'))).rejects.toThrow(UserError);
    await expect(openDigits(one, options('one'))).rejects.toThrow('shades: has 1 classes');
  });
});
