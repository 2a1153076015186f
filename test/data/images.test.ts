import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { batches, examples } from '../../src/data/batches.js';
import { listImages, readClassNames } from '../../src/data/imageFolder.js';
import { openImages } from '../../src/data/images.js';
import { openData } from '../../src/data/open.js';
import { UserError } from '../../src/errors.js';
import { temporaryFolders } from '../folder.js';
import { spec } from '../training/tiny.js';

const folder = temporaryFolders();

/** Grey images by name: black on the left, of that brightness on the right. */
async function write(root: string, images: Readonly<Record<string, number>>): Promise<string> {
  for (const [name, brightness] of Object.entries(images)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    const pixels = Uint8Array.from({ length: 64 }, (_, p) => (p % 8 < 4 ? 0 : brightness));
    await sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toFile(path);
  }
  return root;
}

const square = { size: 8, channels: 1, flip: false, skipBroken: false } as const;
const lefts = (x: Float32Array): number[] => [...x].filter((_, p) => p % 64 === 0);
const rights = (x: Float32Array): number[] => [...x].filter((_, p) => p % 64 === 63);

describe('a folder of images', () => {
  it('has a class for every folder in it, sorted by name, whatever lies deeper', async () => {
    const root = await write(await folder(), {
      'dog/b.png': 51,
      'dog/a.PNG': 102,
      'Zebra/deep/er/c.png': 153,
      'cat/x.png': 204,
    });
    writeFileSync(join(root, 'cat', 'notes.txt'), 'no image');
    writeFileSync(join(root, 'cat', '.hidden.png'), 'no image');
    const listed = await listImages(root);
    expect(listed).toMatchObject({ classNames: ['Zebra', 'cat', 'dog'], ignored: 1 });
    expect(listed.entries).toEqual([
      { file: 'Zebra/deep/er/c.png', label: 0 },
      { file: 'cat/x.png', label: 1 },
      { file: 'dog/a.PNG', label: 2 },
      { file: 'dog/b.png', label: 2 },
    ]);
    const dataset = await openImages(listed, square);
    expect(dataset).toMatchObject({ holds: 'images', count: 4, channels: 1, imageSize: 8, classes: 3 });
    const { x, y } = await examples(dataset, 0, 4);
    expect([...y]).toEqual([0, 1, 2, 2]);
    expect(lefts(x)).toEqual([-1, -1, -1, -1]);
    expect(rights(x)).toBeAllClose([0.2, 0.6, -0.2, -0.6], 1e-6);
  });

  it('without folders in it is one class', async () => {
    const listed = await listImages(await write(await folder(), { 'a.png': 1, 'b.png': 2 }));
    expect(listed.classNames).toBeUndefined();
    expect(listed.entries.map(({ label }) => label)).toEqual([0, 0]);
    expect((await openImages(listed, square)).classes).toBe(1);
  });

  it('may name its classes, so that a part of them keeps its labels', async () => {
    const root = await write(await folder(), { 'dog/a.png': 1, 'ant/a.png': 1 });
    const names = join(root, 'classes.txt');
    writeFileSync(names, 'ant\r\nbee\ncat\ndog\n\n');
    const listed = await listImages(root, await readClassNames(names));
    expect(listed.entries.map(({ label }) => label)).toEqual([0, 3]);
    writeFileSync(names, 'ant\nbee\n');
    await expect(listImages(root, await readClassNames(names))).rejects.toThrow(
      '"dog" is none of the 2 classes',
    );
    writeFileSync(names, 'ant\n\nbee\n');
    await expect(readClassNames(names)).rejects.toThrow('line 2 is empty');
    writeFileSync(names, 'ant\nbee\nant\n');
    await expect(readClassNames(names)).rejects.toThrow('names "ant" twice');
    await expect(readClassNames(root)).rejects.toThrow(UserError);
  });

  it('is followed through links, but not in a circle', async () => {
    const root = await write(await folder(), { 'cat/a.png': 1 });
    const other = await write(await folder(), { 'x/a.png': 1 });
    symlinkSync(join(other, 'x'), join(root, 'dog'));
    symlinkSync(join(other, 'nowhere.png'), join(root, 'cat', 'dead.txt'));
    expect((await listImages(root)).entries.map(({ file }) => file)).toEqual(['cat/a.png', 'dog/a.png']);
    symlinkSync(join(root, 'cat'), join(root, 'cat', 'again'));
    await expect(listImages(root)).rejects.toThrow('leads back to');
  });

  it.each<[string, (root: string) => Promise<unknown>, string]>([
    ['is empty', () => Promise.resolve(), 'holds no images; expected files ending with .jpg'],
    [
      'holds other files',
      (root) => Promise.resolve(writeFileSync(join(root, 'a.txt'), '')),
      'but 1 other files',
    ],
    ['mixes images and classes', (root) => write(root, { 'a.png': 1, 'cat/a.png': 1 }), 'such as a.png'],
    [
      'has a folder without images',
      async (root) => mkdirSync(join(await write(root, { 'cat/a.png': 1 }), 'docs')),
      'holds no images, so it is not clear whether it is a class',
    ],
  ])('is refused if it %s', async (_, fill, reason) => {
    const root = await folder();
    await fill(root);
    const error: unknown = await listImages(root).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(reason);
    await expect(listImages(join(root, 'nowhere'))).rejects.toThrow('cannot be listed');
  });
});

describe('images as a data set', () => {
  it('are mirrored half of the time if that is wanted, the same ones for the same seed', async () => {
    const listed = await listImages(await write(await folder(), { 'a.png': 255, 'b.png': 255 }));
    const flipped = async (seed: number): Promise<boolean[]> => {
      const dataset = await openImages(listed, { ...square, flip: true });
      return lefts((await batches(dataset, { seed, batch: 200 })(3)).x).map((value) => value === 1);
    };
    const first = await flipped(1);
    // Three standard deviations of 200 coins are 21.
    expect(Math.abs(first.filter(Boolean).length - 100)).toBeLessThan(21);
    expect(await flipped(1)).toEqual(first);
    expect(await flipped(2)).not.toEqual(first);
  });

  it('refuse a broken file by name, or leave it out and say so', async () => {
    const root = await write(await folder(), { 'a.png': 51, 'c.png': 204 });
    writeFileSync(join(root, 'b.png'), 'broken');
    const listed = await listImages(root);
    const strict = await openImages(listed, square);
    expect(strict.count).toBe(3);
    await expect(examples(strict, 0, 3)).rejects.toThrow(
      `${join(root, 'b.png')}: cannot be read as an image`,
    );
    await expect(examples(strict, 2, 1)).resolves.toBeDefined();
    const lenient = await openImages(listed, { ...square, skipBroken: true });
    expect(lenient).toMatchObject({ count: 2, name: `${root} (1 broken files left out)` });
    expect(rights((await examples(lenient, 0, 2)).x)).toBeAllClose([-0.6, 0.6], 1e-6);
    const all = { ...listed, entries: listed.entries.filter(({ file }) => file === 'b.png') };
    await expect(openImages(all, { ...square, skipBroken: true })).rejects.toThrow('all 1 images are broken');
  });

  it('come from a config, in the size of the backbone, held-out ones with the labels of training', async () => {
    const root = await folder();
    const train = await write(join(root, 'train'), { 'ant/a.png': 1, 'bee/a.png': 1, 'cat/a.png': 1 });
    const test = await write(join(root, 'test'), { 'cat/b.png': 1 });
    const data = { kind: 'images', train, test, flip: true, skipBroken: false } as const;
    expect(await openData(data, 'train', spec)).toMatchObject({ count: 3, classes: 3, imageSize: 8 });
    const held = await openData(data, 'test', spec);
    expect([...(await examples(held, 0, 1)).y]).toEqual([2]);
    await write(test, { 'dog/b.png': 1 });
    await expect(openData(data, 'test', spec)).rejects.toThrow('"dog" is none of the 3 classes');
    const latent = ditSpec({ ...specJson(spec), in_channels: 4 });
    await expect(openData(data, 'train', latent)).rejects.toThrow('images have 1 or 3 channels, but');
  });
});
