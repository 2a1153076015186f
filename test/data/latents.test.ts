import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { batches, examples } from '../../src/data/batches.js';
import { openLatents } from '../../src/data/latents.js';
import { writeLatentShard } from '../../src/data/latentShard.js';
import { writeLatentsIndex, type LatentsIndex } from '../../src/data/latentsIndex.js';
import { UserError } from '../../src/errors.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();

const [channels, size] = [2, 4];
const numbers = channels * size * size;
const vae = { scalingFactor: 0.5, shiftFactor: 0.25 };

/** The mean of example i is i everywhere, of its mirrored image -i; its label is i. */
function contents(from: number, count: number, logvar: number) {
  const mean = (sign: number): Float32Array =>
    Float32Array.from({ length: count * numbers }, (_, p) => sign * (from + Math.floor(p / numbers)));
  const logvars = new Float32Array(count * numbers).fill(logvar);
  return {
    plain: { mean: mean(1), logvar: logvars },
    flipped: { mean: mean(-1), logvar: logvars },
    labels: Int32Array.from({ length: count }, (_, i) => from + i),
  };
}

/** Twelve examples in shards of 5, 5 and 2. */
async function writeLatents(
  path: string,
  {
    logvar = -100,
    dtype = 'F32',
    flipped = true,
  }: { logvar?: number; dtype?: 'F16' | 'F32'; flipped?: boolean },
): Promise<LatentsIndex> {
  const shards = [5, 5, 2].map((count, i) => ({ file: `shard-${i}.safetensors`, count }));
  for (const [i, { file, count }] of shards.entries()) {
    const { flipped: mirrored, ...rest } = contents(5 * i, count, logvar);
    const made = { ...rest, ...(flipped && { flipped: mirrored }) };
    await writeLatentShard(join(path, file), made, { channels, size, dtype }, {});
  }
  const index: LatentsIndex = {
    ...{ format: 'exithead-latents', version: 1, vae, channels, size, dtype, flipped, classes: 12 },
    ...{ count: 12, shards },
  };
  await writeLatentsIndex(path, index);
  return index;
}

const scaled = (mean: number): number => (mean - 0.25) * 0.5;
const firsts = (x: Float32Array): number[] => [...x].filter((_, i) => i % numbers === 0);

describe('stored latents', () => {
  it.each(['F32', 'F16'] as const)(
    'are read by number across shards, scaled, with their labels (%s)',
    async (dtype) => {
      const path = await folder();
      await writeLatents(path, { dtype });
      const dataset = await openLatents(path, { flip: false });
      expect(dataset).toMatchObject({ count: 12, channels, imageSize: size, classes: 12, holds: 'latents' });
      const { x, y } = await examples(dataset, 3, 9);
      expect([...y]).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
      // Log-variances are cut at -30: the deviation left is 3e-7.
      expect(firsts(x)).toBeAllClose([...y].map(scaled), 1e-5);
    },
  );

  it('are drawn with the deviation of their log-variance, in training and held out', async () => {
    const path = await folder();
    await writeLatents(path, { logvar: Math.log(4) });
    const dataset = await openLatents(path, { flip: false });
    const held = await examples(dataset, 0, 12);
    const trained = await batches(dataset, { seed: 1, batch: 120 })(0);
    for (const { x, y } of [held, trained]) {
      const residual = x.map((value, p) => value / 0.5 + 0.25 - (y[Math.floor(p / numbers)] ?? NaN));
      const mean = residual.reduce((sum, value) => sum + value, 0) / residual.length;
      const variance = residual.reduce((sum, value) => sum + value ** 2, 0) / residual.length;
      // 384 numbers or more of variance 4: three standard deviations are 0.31 and 0.87.
      expect(Math.abs(mean)).toBeLessThan(0.31);
      expect(Math.abs(variance - 4)).toBeLessThan(0.87);
    }
  });

  it('are the same held out every time, alone or in a batch, and drawn anew in every epoch', async () => {
    const path = await folder();
    await writeLatents(path, { logvar: 0 });
    const dataset = await openLatents(path, { flip: true });
    const whole = await examples(dataset, 0, 12);
    const alone = await examples(dataset, 7, 1);
    expect(whole.x.subarray(7 * numbers, 8 * numbers)).toEqual(alone.x);
    const running = batches(dataset, { seed: 2, batch: 12 });
    const [first, second] = [await running(0), await running(1)];
    const of = ({ x, y }: typeof first, label: number): Float32Array => {
      const at = y.indexOf(label);
      return x.subarray(at * numbers, (at + 1) * numbers);
    };
    expect(of(first, 3)).not.toEqual(of(second, 3));
    expect(await batches(await openLatents(path, { flip: true }), { seed: 2, batch: 12 })(1)).toEqual(second);
  });

  it('are those of the mirrored image half of the time, if that is wanted and there are some', async () => {
    const path = await folder();
    await writeLatents(path, {});
    const { x, y } = await batches(await openLatents(path, { flip: true }), { seed: 1, batch: 600 })(0);
    const isMirrored = firsts(x).map((value, i) => Math.abs(value - scaled(-(y[i] ?? NaN))) < 1e-5);
    // Example 0 looks the same either way. 550 coins: three standard deviations are 35.
    const mirrored = isMirrored.filter((is, i) => is && y[i] !== 0).length;
    expect(Math.abs(mirrored - 275)).toBeLessThan(35);
    const never = await batches(await openLatents(path, { flip: false }), { seed: 1, batch: 600 })(0);
    expect(firsts(never.x).every((value) => value >= scaled(0) - 1e-5)).toBe(true);

    const plain = await folder();
    await writeLatents(plain, { flipped: false });
    const only = await batches(await openLatents(plain, { flip: true }), { seed: 1, batch: 600 })(0);
    expect(firsts(only.x).every((value) => value >= scaled(0) - 1e-5)).toBe(true);
  });
});

describe('a folder of latents is refused', () => {
  let index: LatentsIndex;

  async function broken(change: (path: string) => Promise<void> | void): Promise<unknown> {
    const path = await folder();
    index = await writeLatents(path, {});
    await change(path);
    return openLatents(path, { flip: false }).catch((error: unknown) => error);
  }
  const rewrite = (path: string, more: object): void =>
    writeFileSync(join(path, 'index.json'), JSON.stringify({ ...index, ...more }));
  const shard = (path: string): string => join(path, 'shard-1.safetensors');
  const withShard = (file: string, count = 5) => ({
    shards: [
      { file: 'shard-0.safetensors', count: 5 },
      { file, count },
      { file: 'shard-2.safetensors', count: 2 },
    ],
  });

  it.each<[string, (path: string) => Promise<void> | void, string]>([
    ['its index is no JSON', (path) => writeFileSync(join(path, 'index.json'), 'x'), 'is not JSON'],
    ['the counts disagree', (path) => rewrite(path, { count: 13 }), 'count: is 13, but the shards have 12'],
    [
      'a shard leads elsewhere',
      (path) => rewrite(path, withShard('../shard-1.safetensors')),
      'shards.1.file: must be',
    ],
    [
      'a shard leads to the root',
      (path) => rewrite(path, withShard('/etc/passwd.safetensors')),
      'shards.1.file: must',
    ],
    [
      'a shard is named twice',
      (path) => rewrite(path, withShard('shard-0.safetensors')),
      'names a file twice',
    ],
    [
      'a shard is missing',
      (path) => rewrite(path, withShard('shard-9.safetensors')),
      'shard-9.safetensors cannot be read',
    ],
    ['a shard is cut short', (path) => truncateSync(shard(path), 900), 'it is cut short'],
    [
      'a shard has other examples',
      (path) => copyFileSync(join(path, 'shard-2.safetensors'), shard(path)),
      'mean is [2, 2, 4, 4] of F32, and the index says [5, 2, 4, 4] of F32',
    ],
    [
      'the numbers have another type',
      (path) => rewrite(path, { dtype: 'F16' }),
      'of F32, and the index says [5, 2, 4, 4] of F16',
    ],
    [
      'the latents have another size',
      (path) => rewrite(path, { size: 8 }),
      'and the index says [5, 2, 8, 8]',
    ],
    [
      'a label is no class',
      (path) => rewrite(path, { classes: 9 }),
      'label 4 is 9, and the index says 0 to 8',
    ],
    ['class names are missing', (path) => rewrite(path, { classNames: ['a'] }), 'has 1 names for 12 classes'],
    [
      'there are no mirrored images',
      async (path) => {
        const { flipped: _, ...rest } = contents(5, 5, 0);
        await writeLatentShard(shard(path), rest, { channels, size, dtype: 'F32' }, {});
      },
      'it has no tensor mean_flipped of floats',
    ],
    [
      'there are no labels',
      async (path) => {
        const zero = { shape: [5, 2, 4, 4], data: new Float32Array(160) };
        await writeSafetensors(shard(path), {
          mean: zero,
          logvar: zero,
          mean_flipped: zero,
          logvar_flipped: zero,
        });
      },
      'it has no tensor label of I32 or I64',
    ],
    [
      'labels are fewer',
      async (path) => {
        const zero = { shape: [5, 2, 4, 4], data: new Float32Array(160) };
        const label = { shape: [4], data: new Int32Array(4) };
        await writeSafetensors(shard(path), {
          label,
          mean: zero,
          logvar: zero,
          mean_flipped: zero,
          logvar_flipped: zero,
        });
      },
      'label is [4], and the index says [5]',
    ],
    [
      'it is from the future',
      (path) => rewrite(path, { version: 2 }),
      'of version 2, and this exithead reads version 1',
    ],
  ])('if %s', async (_, change, reason) => {
    const error = await broken(change);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(reason);
  });

  it('once a number is read that is not finite', async () => {
    const path = await folder();
    await writeLatents(path, {});
    const bytes = readFileSync(shard(path));
    // The last numbers of the file are log-variances of mirrored images.
    bytes.writeFloatLE(NaN, bytes.length - 4);
    writeFileSync(shard(path), bytes);
    const dataset = await openLatents(path, { flip: true });
    await expect(batches(dataset, { seed: 1, batch: 200 })(0)).rejects.toThrow(
      'shard-1.safetensors is no sound file of latents: logvar_flipped of example 4 has NaN among its numbers',
    );
    await expect(examples(await openLatents(path, { flip: false }), 0, 12)).resolves.toBeDefined();
  });

  it('is not written with what its type cannot hold', async () => {
    const path = join(await folder(), 'shard.safetensors');
    const { labels, plain } = contents(0, 1, 0);
    const write = (mean: number): Promise<void> =>
      writeLatentShard(
        path,
        { labels, plain: { ...plain, mean: plain.mean.map(() => mean) } },
        { channels, size, dtype: 'F16' },
        {},
      );
    for (const mean of [NaN, Infinity, 1e5]) await expect(async () => write(mean)).rejects.toThrow(UserError);
    await write(6e4);
  });
});
