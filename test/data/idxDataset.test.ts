import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mnistFiles, openIdxDataset } from '../../src/data/idxDataset.js';
import { UserError } from '../../src/errors.js';
import { idxBytes } from './idx-bytes.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dataset-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('MNIST', () => {
  it('has 60,000 training images that begin with 5, 0, 4, 1, 9', async () => {
    const { name, count, channels, imageSize, classes, pixels, labels } = await openIdxDataset(
      mnistFiles('train'),
      'mnist',
    );
    expect({ name, count, channels, imageSize, classes }).toEqual({
      name: 'mnist',
      count: 60000,
      channels: 1,
      imageSize: 28,
      classes: 10,
    });
    expect(pixels.length).toBe(60000 * 784);
    expect([...labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
  });

  it('has 10,000 test images, with the published number of each digit', async () => {
    const { count, labels } = await openIdxDataset(mnistFiles('test'), 'mnist');
    expect(count).toBe(10000);
    const counts = Array.from({ length: 10 }, (_, digit) => labels.filter((label) => label === digit).length);
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  it('is the same from gzip files by path', async () => {
    const plain = mnistFiles('test');
    const zipped = { images: join(folder, 'images.gz'), labels: join(folder, 'labels.gz') };
    await writeFile(zipped.images, gzipSync(await readFile(plain.images), { level: 1 }));
    await writeFile(zipped.labels, gzipSync(await readFile(plain.labels)));
    const [one, other] = [await openIdxDataset(plain, 'a'), await openIdxDataset(zipped, 'a')];
    expect(Buffer.compare(one.pixels, other.pixels)).toBe(0);
    expect(Buffer.compare(one.labels, other.labels)).toBe(0);
  });
});

describe('openIdxDataset', () => {
  const images = idxBytes([2, 2, 2], new Uint8Array(8));
  const labels = idxBytes([2], Uint8Array.of(0, 3));

  async function open(imageBytes: Uint8Array, labelBytes: Uint8Array) {
    const files = { images: join(folder, 'images'), labels: join(folder, 'labels') };
    await writeFile(files.images, imageBytes);
    await writeFile(files.labels, labelBytes);
    return openIdxDataset(files, 'small');
  }

  it('takes images of any size and counts classes by the largest label', async () => {
    expect(await open(images, labels)).toMatchObject({ count: 2, imageSize: 2, classes: 4 });
  });

  it.each([
    ['swapped files', labels, images, 'swapped?'],
    ['labels with two dimensions', images, images, 'expected one label per image'],
    ['images that are not square', idxBytes([2, 1, 4], new Uint8Array(8)), labels, '1 x 4, expected square'],
    ['no images', idxBytes([0, 2, 2], new Uint8Array(0)), labels, 'holds no images'],
    ['empty images', idxBytes([2, 0, 0], new Uint8Array(0)), labels, 'holds no images'],
    ['files of two splits', images, idxBytes([3], new Uint8Array(3)), '3 labels for the 2 images'],
  ])('refuses %s', async (_, imageBytes, labelBytes, reason) => {
    await expect(open(imageBytes, labelBytes)).rejects.toThrow(reason);
    await expect(open(imageBytes, labelBytes)).rejects.toThrow(UserError);
  });
});
