import { cpSync, readFileSync } from 'node:fs';
import * as real from 'node:fs/promises';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';

/** How many more files and lines the disk takes before it is full. */
let room = Infinity;
const full = (): Promise<never> =>
  Promise.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
const limited =
  <Rest extends unknown[], T>(write: (...rest: Rest) => Promise<T>) =>
  (...rest: Rest): Promise<T> =>
    room-- > 0 ? write(...rest) : full();

jest.unstable_mockModule('node:fs/promises', () => ({
  ...real,
  appendFile: limited(real.appendFile),
  writeFile: limited(real.writeFile),
  /** A file that is written piece by piece is full after its first piece. */
  open: async (...rest: Parameters<typeof real.open>) => {
    const file = await real.open(...rest);
    const isWritten = typeof rest[1] === 'string' && rest[1] !== 'r';
    if (!isWritten || room-- > 0) return file;
    const append = file.appendFile.bind(file);
    return Object.assign(file, {
      appendFile: async (piece: Uint8Array) => {
        await append(piece);
        return full();
      },
    });
  },
}));
const { exithead, listing, told, workshop } = await import('../workshop.js');

const { root, at, pretrain, heads } = workshop();
const config = ['train.steps=2', 'train.checkpointEvery=1', 'heads={kind: linear, exits: [1]}'].flatMap(
  (text) => ['--set', text],
);
const run = at('runs/001-tiny-heads');

/** Runs with room for so many writes. */
async function withRoom(writes: number, ...words: string[]): ReturnType<typeof exithead> {
  room = writes;
  try {
    return await exithead([...words, '--quiet']);
  } finally {
    room = Infinity;
  }
}

beforeAll(async () => {
  const { backbone } = await told('pretrain', pretrain, '--out', at('made'), '--set', 'train.steps=1');
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'), ...config);
  await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
});

const refusal = /^error: cannot write \S+: no space is left; free some \(ENOSPC: .*\)\n$/;

describe('a full disk', () => {
  it('ends a training at any write with 2 and what to do, and leaves a run that goes on to the same heads', async () => {
    const expected = readFileSync(`${run}/heads.safetensors`);
    let writes = 0;
    for (; writes < 200; writes++) {
      const out = at(`room-${writes}`);
      const { code, err } = await withRoom(writes, 'train', heads, '--out', out, ...config);
      if (code === 0) break;
      expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(refusal) });
      const rest = listing(out);
      expect(rest.filter((name) => name.endsWith('.tmp'))).toEqual([]);
      // Before its folder was made whole there is no run, and nothing to go on with.
      if (rest.length > 0) {
        await told('train', `${out}/001-tiny-heads`, '--resume');
        expect(readFileSync(`${out}/001-tiny-heads/heads.safetensors`)).toEqual(expected);
      }
    }
    // Among them a config, a log, metrics, events, two checkpoints and the heads.
    expect(writes).toBeGreaterThan(10);
    expect(writes).toBeLessThan(200);
  }, 120_000);

  it.each([
    ['profile', () => [run]],
    ['schedule', () => [run]],
    ['export', () => [run, '--out', at('bundle')]],
    ['sample', () => [at('bundle'), '-n', '2', '--out', at('made')]],
    ['report', () => [run]],
  ] as const)('ends %s with 2, and leaves what was there', async (verb, words) => {
    const before = listing(root);
    const kept = ['error-table.json', 'schedule.json'].map((name) => readFileSync(`${run}/${name}`));
    const { code, err } = await withRoom(0, verb, ...words());
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(refusal) });
    expect(listing(root)).toEqual(before);
    expect(['error-table.json', 'schedule.json'].map((name) => readFileSync(`${run}/${name}`))).toEqual(kept);
  });
});
