import { join } from 'node:path';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { examples } from '../../src/data/batches.js';
import { writeLatentShard } from '../../src/data/latentShard.js';
import { writeLatentsIndex } from '../../src/data/latentsIndex.js';
import { openData } from '../../src/data/open.js';
import { UserError } from '../../src/errors.js';
import { writePhotos } from '../encode/photos.js';
import { temporaryFolders } from '../folder.js';
import { spec } from '../training/tiny.js';
import { idxBytes } from './idx-bytes.js';

const folder = temporaryFolders();

/** Training images of that size, with one label of each class, and fewer held-out ones. */
async function dataOf(size: number, classes: number) {
  const root = await folder();
  const write = async (name: string, count: number) => {
    const files = { images: join(root, `${name}.images`), labels: join(root, `${name}.labels`) };
    const pixels = Uint8Array.from({ length: count * size * size }, (_, i) => i % 251);
    await writeFile(files.images, idxBytes([count, size, size], pixels));
    await writeFile(
      files.labels,
      idxBytes(
        [count],
        Uint8Array.from({ length: count }, (_, i) => i % classes),
      ),
    );
    return files;
  };
  return {
    kind: 'idx',
    train: await write('train', 2 * classes),
    test: await write('test', classes),
  } as const;
}

describe('the data of a config', () => {
  it('open by split', async () => {
    const data = await dataOf(8, 4);
    expect(await openData(data, 'train', spec)).toMatchObject({ count: 8, imageSize: 8, classes: 4 });
    expect(await openData(data, 'test', spec)).toMatchObject({ count: 4, imageSize: 8, classes: 4 });
  });

  it('may have fewer classes than the backbone', async () => {
    expect((await openData(await dataOf(8, 3), 'train', spec)).classes).toBe(3);
  });

  it('lose their labels where the backbone is unconditional', async () => {
    const unconditional = ditSpec({ ...specJson(spec), num_classes: 0 });
    const data = await openData(await dataOf(8, 3), 'train', unconditional);
    expect(data.classes).toBe(0);
    expect([...(await examples(data, 0, 6)).y]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('are refused where held-out images alone are sorted by class', async () => {
    const root = await folder();
    await writePhotos(join(root, 'test'), 6);
    await mkdir(join(root, 'train'));
    await cp(join(root, 'test', 'ant'), join(root, 'train'), { recursive: true });
    const data = { train: join(root, 'train'), test: join(root, 'test'), flip: false, skipBroken: false };
    const colours = { ...specJson(spec), in_channels: 3, num_classes: 3 };
    const opened = openData({ kind: 'images', ...data }, 'test', ditSpec(colours));
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow(
      /test has a folder for each class, and .*train, which is trained on, has none/,
    );
    const unconditional = ditSpec({ ...colours, num_classes: 0 });
    expect((await openData({ kind: 'images', ...data }, 'test', unconditional)).count).toBe(6);
  });

  it('are MNIST from its package', async () => {
    const mnist = ditSpec({ ...specJson(spec), input_size: 28, num_classes: 10 });
    const { count, name } = await openData({ kind: 'mnist' }, 'test', mnist);
    expect({ count, name }).toEqual({ count: 10_000, name: 'MNIST (test)' });
  });

  it('are refused in another size', async () => {
    const opened = openData(await dataOf(12, 4), 'train', spec);
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow('images are 1 x 12 x 12, but the backbone takes 1 x 8 x 8');
  });

  it('are refused with other channels', async () => {
    const colours = ditSpec({ ...specJson(spec), in_channels: 3 });
    await expect(openData(await dataOf(8, 4), 'train', colours)).rejects.toThrow(
      'images are 1 x 8 x 8, but the backbone takes 3 x 8 x 8',
    );
  });

  it('are refused with labels that the backbone does not know', async () => {
    const opened = openData(await dataOf(8, 5), 'train', spec);
    await expect(opened).rejects.toThrow(UserError);
    await expect(opened).rejects.toThrow('has labels up to 4, but the backbone knows 4 classes');
  });

  it('are stored latents, whose size the backbone must take and whose classes mean the same in both splits', async () => {
    const root = await folder();
    const data = { kind: 'latents', train: join(root, 'train'), test: join(root, 'test') } as const;
    const write = async (path: string, classNames: readonly string[]): Promise<void> => {
      await mkdir(path, { recursive: true });
      const zeros = new Float32Array(2 * 4 * 64);
      await writeLatentShard(
        join(path, 'a.safetensors'),
        { plain: { mean: zeros, logvar: zeros }, labels: Int32Array.of(0, 1) },
        { channels: 4, size: 8, dtype: 'F32' },
        {},
      );
      await writeLatentsIndex(path, {
        ...{ format: 'exithead-latents', version: 1, channels: 4, size: 8, dtype: 'F32', flipped: false },
        ...{ vae: { scalingFactor: 1, shiftFactor: 0 }, classes: 2, classNames: [...classNames], count: 2 },
        shards: [{ file: 'a.safetensors', count: 2 }],
      });
    };
    await write(data.train, ['cat', 'dog']);
    await write(data.test, ['cat', 'dog']);
    const four = ditSpec({ ...specJson(spec), in_channels: 4 });
    for (const split of ['train', 'test'] as const)
      expect(await openData(data, split, four)).toMatchObject({ count: 2, classes: 2, holds: 'latents' });
    await expect(openData(data, 'train', spec)).rejects.toThrow(
      'latents are 4 x 8 x 8, but the backbone takes 1 x 8 x 8. Give latents of that size',
    );
    await write(data.test, ['cat', 'owl']);
    await expect(openData(data, 'test', four)).rejects.toThrow('class 1 is "owl", but "dog" in');
  });
});
