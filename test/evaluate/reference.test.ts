import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { imagesInMemory } from '../../src/data/memory.js';
import { Interrupted, UserError } from '../../src/errors.js';
import type { FeatureExtractor } from '../../src/evaluate/features.js';
import { referenceFeatures, type ReferenceOptions } from '../../src/evaluate/reference.js';
import { scratch } from '../scratch.js';

const { path } = scratch();
const count = 300;
const pixels = Uint8Array.from({ length: count * 4 }, (_, i) => (i * 13) % 256);
const images = imagesInMemory({
  ...{ name: 'dots', channels: 1, imageSize: 2, classes: 1, pixels, labels: new Uint8Array(count) },
});

/** Sees the first and the last pixel. */
function corners(fingerprint = 'corners'): FeatureExtractor & { looks: number } {
  const extractor = {
    ...{ name: 'corners', fingerprint, width: 2, classes: 0, looks: 0 },
    see: (x: Float32Array) => {
      extractor.looks++;
      return Promise.resolve({
        features: x.filter((_, i) => i % 4 === 0 || i % 4 === 3),
        probabilities: undefined,
      });
    },
    dispose: () => Promise.resolve(),
  };
  return extractor;
}

function options(folder: string, more: Partial<ReferenceOptions> = {}) {
  const [said, warned]: [string[], string[]] = [[], []];
  return {
    ...{ count, signal: new AbortController().signal, said, warned, folder: path(folder) },
    progress: { update: () => undefined, end: () => undefined },
    say: (line: string) => void said.push(line),
    warn: (line: string) => void warned.push(line),
    ...more,
  };
}

const corner = (i: number): number => Math.fround(pixels[4 * Math.floor(i / 2) + 3 * (i % 2)]! / 127.5 - 1);
const expected = Float32Array.from({ length: 2 * count }, (_, i) => corner(i));

describe('features of reference images', () => {
  it('are those of the first images, in their order', async () => {
    expect(await referenceFeatures(images, corners(), options('all'))).toEqual(expected);
    const some = await referenceFeatures(images, corners(), options('some', { count: 7 }));
    expect(some).toEqual(expected.subarray(0, 14));
  });
  it('are looked at once, also under another name', async () => {
    const [extractor, told] = [corners(), options('once')];
    await referenceFeatures(images, extractor, told);
    const again = await referenceFeatures({ ...images, name: 'moved' }, extractor, told);
    expect(again).toEqual(expected);
    expect(extractor.looks).toBe(5);
    expect(told.said).toEqual(['looking at 300 images of dots with corners, once']);
  });
  it('are looked at anew for other images, another number of them, and another judge', async () => {
    const told = options('other');
    const changed = imagesInMemory({
      ...images,
      pixels: pixels.map((byte, i) => (i === 1199 ? byte ^ 1 : byte)),
    });
    for (const [dataset, fingerprint, some] of [
      [images, 'corners', 300],
      [changed, 'corners', 300],
      [images, 'corners', 299],
      [images, 'others', 300],
    ] as const) {
      const extractor = corners(fingerprint);
      await referenceFeatures(dataset, extractor, { ...told, count: some });
      expect(extractor.looks).toBe(5);
    }
    expect(readdirSync(told.folder)).toHaveLength(4);
  });
  it('are looked at anew, aloud, when their file broke', async () => {
    const told = options('broken');
    await referenceFeatures(images, corners(), told);
    const [name] = readdirSync(told.folder);
    truncateSync(join(told.folder, name!), 500);
    expect(await referenceFeatures(images, corners(), told)).toEqual(expected);
    expect(told.warned[0]).toContain('is cut short');
  });
  it('are not kept when looking is stopped', async () => {
    const told = options('stopped', { signal: AbortSignal.abort() });
    await expect(referenceFeatures(images, corners(), told)).rejects.toThrow(Interrupted);
    expect(readdirSync(told.folder)).toEqual([]);
  });
  it('are refused where the judge takes them for fewer, larger images', async () => {
    const halved = { ...corners(), width: 4 };
    const seen = referenceFeatures(images, halved, options('halved'));
    await expect(seen).rejects.toThrow('dots: corners takes images of another size');
  });
  it('are refused where there are fewer images, or too many features', async () => {
    const fewer = referenceFeatures(images, corners(), options('fewer', { count: 301 }));
    await expect(fewer).rejects.toThrow(UserError);
    const wide = { ...corners(), width: 2 ** 20 };
    const large = referenceFeatures(images, wide, options('large'));
    await expect(large).rejects.toThrow('Ask for at most 128 images.');
  });
});
