import { describe, expect, it } from '@jest/globals';
import { batches, examples } from '../../src/data/batches.js';
import type { Dataset } from '../../src/data/dataset.js';
import { imagesInMemory } from '../../src/data/memory.js';
import { UserError } from '../../src/errors.js';

/** Image i has label i and only pixels of brightness i. */
const dataset = imagesInMemory({
  name: 'small',
  channels: 1,
  imageSize: 2,
  classes: 10,
  pixels: Uint8Array.from({ length: 40 }, (_, i) => Math.floor(i / 4)),
  labels: Uint8Array.from({ length: 10 }, (_, i) => i),
});
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b);

describe('batches', () => {
  it('hold pixels from -1 to 1 with their labels', async () => {
    const one = imagesInMemory({
      ...dataset,
      pixels: Uint8Array.of(0, 51, 204, 255),
      labels: Uint8Array.of(7),
    });
    const { x, y } = await batches(one, { seed: 0, batch: 2 })(0);
    expect(x).toBeAllClose([-1, -0.6, 0.6, 1, -1, -0.6, 0.6, 1], 1e-7);
    expect([...y]).toEqual([7, 7]);
  });

  it('keep image and label together', async () => {
    const { x, y } = await batches(dataset, { seed: 1, batch: 7 })(3);
    expect(x).toBeAllClose(
      [...y].flatMap((label) => new Array<number>(4).fill(label / 127.5 - 1)),
      1e-7,
    );
  });

  it('show every image once in an epoch, also where batches cross epochs', async () => {
    const batch = batches(dataset, { seed: 1, batch: 4 });
    const labels = (await Promise.all(range(5).map(batch))).flatMap(({ y }) => [...y]);
    expect(sorted(labels.slice(0, 10))).toEqual(range(10));
    expect(sorted(labels.slice(10))).toEqual(range(10));
    expect(labels.slice(0, 10)).not.toEqual(labels.slice(10));
  });

  it('may be larger than the data set', async () => {
    const { y } = await batches(dataset, { seed: 1, batch: 25 })(1);
    expect(sorted(y.subarray(5, 15))).toEqual(range(10));
    expect(sorted(y.subarray(15))).toEqual(range(10));
  });

  it('depend on seed and step alone: a run started anew at step n sees the same batch n', async () => {
    const running = batches(dataset, { seed: 5, batch: 3 });
    const seen = await Promise.all(range(12).map((step) => running(step)));
    for (const step of [11, 4, 7, 0]) {
      expect(await batches(dataset, { seed: 5, batch: 3 })(step)).toEqual(seen[step]);
      expect(await running(step)).toEqual(seen[step]);
    }
  });

  it('change with the seed', async () => {
    const labels = async (seed: number) => (await batches(dataset, { seed, batch: 10 })(0)).y;
    expect(await labels(1)).not.toEqual(await labels(2));
  });

  it('give every place of every step random numbers of its own, the same for the same seed', async () => {
    const drawing: Dataset = {
      ...dataset,
      read: (indices, draws) =>
        Promise.resolve({ x: Float32Array.from(indices, (_, i) => draws(i).uniform()), y: indices }),
    };
    const at = async (seed: number, step: number) => (await batches(drawing, { seed, batch: 4 })(step)).x;
    const drawn = await Promise.all(range(5).map((step) => at(1, step)));
    expect(new Set(drawn.flatMap((x) => [...x])).size).toBe(20);
    expect(await at(1, 3)).toEqual(drawn[3]);
    expect(await at(2, 3)).not.toEqual(drawn[3]);
    const held = await examples(drawing, 2, 3);
    expect((await examples(drawing, 4, 1)).x[0]).toBe(held.x[2]);
  });
});

describe('examples', () => {
  it('are in file order', async () => {
    expect([...(await examples(dataset, 3, 4)).y]).toEqual([3, 4, 5, 6]);
    expect((await examples(dataset, 9, 1)).x).toBeAllClose(new Array<number>(4).fill(9 / 127.5 - 1), 1e-7);
  });

  it.each([
    [8, 3],
    [-1, 2],
    [0, 0],
  ])('refuses images that are not there (from %d, %d of them)', async (from, count) => {
    await expect(examples(dataset, from, count)).rejects.toThrow(UserError);
  });
});
