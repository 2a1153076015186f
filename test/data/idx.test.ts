import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readIdx } from '../../src/data/idx.js';
import { UserError } from '../../src/errors.js';
import { idxBytes } from './idx-bytes.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'idx-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function file(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'file');
  await writeFile(path, bytes);
  return path;
}

const good = idxBytes(
  [2, 2, 3],
  Uint8Array.from({ length: 12 }, (_, i) => i * 20),
);
const withType = (type: number): Uint8Array => Uint8Array.from(good, (byte, i) => (i === 2 ? type : byte));
const huge = idxBytes([0xffffffff, 0xffffffff], new Uint8Array(4));

describe('readIdx', () => {
  it('gives shape and bytes', async () => {
    const { shape, data } = await readIdx(await file(good));
    expect(shape).toEqual([2, 2, 3]);
    expect([...data]).toEqual([0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220]);
  });

  it('gives the same from a gzip file, whatever it is called', async () => {
    const { shape, data } = await readIdx(await file(gzipSync(good)));
    expect(shape).toEqual([2, 2, 3]);
    expect([...data]).toEqual([...good.subarray(16)]);
  });

  it.each([
    ['an empty file', new Uint8Array(0), 'begins with nothing'],
    ['text', Buffer.from('hello world'), 'begins with 68 65 6c 6c'],
    ['no dimensions', Uint8Array.of(0, 0, 8, 0), 'not an idx file'],
    ['floats', withType(0x0d), 'holds idx type 0x0d'],
    ['a header cut short', good.subarray(0, 10), 'ends within its header (10 of 16 bytes)'],
    ['data cut short', good.subarray(0, 20), 'has 20 bytes, its header asks for 28 (2 x 2 x 3)'],
    ['trailing bytes', Buffer.concat([good, Buffer.from('!')]), 'goes on after the 28 bytes'],
    ['more bytes than memory', huge, 'more than the 2147483647 that are read'],
    ['gzip cut short', gzipSync(good).subarray(0, -9), 'cannot be unzipped'],
    ['gzip of data cut short', gzipSync(good.subarray(0, 20)), 'has 20 bytes'],
    [
      'gzip of trailing bytes',
      gzipSync(Buffer.concat([good, Buffer.from('!')])),
      'goes on after the 28 bytes',
    ],
    ['a gzip bomb', gzipSync(Buffer.concat([good, new Uint8Array(5e7)])), 'goes on after the 28 bytes'],
    ['gzip of more bytes than memory', gzipSync(huge), 'more than the 2147483647 that are read'],
    [
      'gzip with a damaged start',
      Uint8Array.of(0x1f, 0x8b, 0xff, 0xff, 0, 0, 0, 0, 0, 0),
      'cannot be unzipped',
    ],
  ])('refuses %s with the reason and the path', async (_, bytes, reason) => {
    const path = await file(bytes);
    const error: unknown = await readIdx(path).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(reason);
    expect(String(error)).toContain(path);
  });

  it.each([
    ['missing', 'cannot be read'],
    ['.', 'is not a file'],
  ])('refuses the path %s', async (name, reason) => {
    await expect(readIdx(join(folder, name))).rejects.toThrow(reason);
    await expect(readIdx(join(folder, name))).rejects.toThrow(UserError);
  });

  it('survives any bytes: an array of the size its shape says, or a UserError', async () => {
    const start = fc.constantFrom(Uint8Array.of(0, 0, 8), Uint8Array.of(0x1f, 0x8b, 8), new Uint8Array(0));
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 40 }), async (begin, rest) => {
        const path = await file(Buffer.concat([begin, rest]));
        try {
          const { shape, data } = await readIdx(path);
          expect(data.length).toBe(shape.reduce((product, n) => product * n, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
