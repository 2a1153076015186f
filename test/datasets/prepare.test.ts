import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { scratch } from '../scratch.js';

const made = scratch();
const path = (...names: string[]): string => made.path(join(...names));

/** Runs a script as its card says. @returns what it printed */
async function script(name: string, ...args: string[]): Promise<string> {
  const words = ['--import', 'tsx', `scripts/datasets/${name}.ts`, ...args];
  return (await promisify(execFile)(process.execPath, words)).stdout;
}

async function pixelsOf(file: string): Promise<{ width: number; height: number; data: Uint8Array }> {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

describe('the script for CIFAR-10', () => {
  const batches = [
    'data_batch_1',
    'data_batch_2',
    'data_batch_3',
    'data_batch_4',
    'data_batch_5',
    'test_batch',
  ];
  /** Two images of one batch: the first red, the second a ramp in green. */
  const records = (): Uint8Array => {
    const bytes = new Uint8Array(2 * 3073);
    bytes[0] = 1;
    bytes.fill(200, 1, 1 + 1024);
    for (let i = 0; i < 1024; i++) bytes[3073 + 1 + 1024 + i] = i % 32;
    return bytes;
  };

  beforeAll(() => {
    mkdirSync(path('bin'));
    writeFileSync(path('bin', 'batches.meta.txt'), 'airplane\nautomobile\n\n');
    for (const name of batches) writeFileSync(path('bin', `${name}.bin`), records());
  });

  it('writes each image into the folder of its class, pixel by pixel', async () => {
    expect(await script('cifar10', path('bin'), path('cifar'))).toContain('10 images of 32 x 32');
    expect(readdirSync(path('cifar', 'train', 'airplane'))).toHaveLength(5);
    expect(readdirSync(path('cifar', 'test', 'automobile'))).toEqual(['00000.png']);
    const red = await pixelsOf(path('cifar', 'test', 'automobile', '00000.png'));
    expect([...red.data.subarray(0, 6)]).toEqual([200, 0, 0, 200, 0, 0]);
    const ramp = await pixelsOf(path('cifar', 'train', 'airplane', '00003.png'));
    expect([ramp.data[3 * 33 + 1], ramp.data[3 * 63 + 1]]).toEqual([1, 31]);
  });

  it('refuses a file that ends within an image', async () => {
    writeFileSync(path('bin', 'test_batch.bin'), records().subarray(0, 3000));
    await expect(script('cifar10', path('bin'), path('half'))).rejects.toThrow(
      /test_batch\.bin has 3000 bytes, expected a multiple of 3073/,
    );
  });
});

describe('the script for CelebA', () => {
  beforeAll(async () => {
    mkdirSync(path('aligned'));
    // White where U-ViT looks, black around.
    const face = await sharp({ create: { width: 128, height: 128, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    for (const name of ['000001', '000002', '000003'])
      await sharp({ create: { width: 178, height: 218, channels: 3, background: 'black' } })
        .composite([{ input: face, left: 89 - 64, top: 121 - 64 }])
        .jpeg({ quality: 100 })
        .toFile(path('aligned', `${name}.jpg`));
    writeFileSync(path('list.txt'), '000001.jpg 0\n000002.jpg 2\n000003.jpg 1\n');
  });

  it('cuts out the square around (89, 121), in the split of the list', async () => {
    const said = await script('celeba', path('aligned'), path('list.txt'), path('faces'));
    expect(said).toContain('3 faces of 64 x 64');
    for (const [split, name] of [
      ['train', '000001.png'],
      ['test', '000002.png'],
      ['validation', '000003.png'],
    ] as const) {
      expect(readdirSync(path('faces', split))).toEqual([name]);
      const { width, height, data } = await pixelsOf(path('faces', split, name));
      expect([width, height]).toEqual([64, 64]);
      const mean = data.reduce((sum, byte) => sum + byte, 0) / data.length;
      expect(mean).toBeGreaterThan(253);
    }
  });

  it('goes on where it was, and leaves what is there', async () => {
    const before = statSync(path('faces', 'train', '000001.png')).mtimeMs;
    rmSync(path('faces', 'test', '000002.png'));
    expect(await script('celeba', path('aligned'), path('list.txt'), path('faces'))).toContain('1 faces');
    expect(statSync(path('faces', 'train', '000001.png')).mtimeMs).toBe(before);
    expect(readdirSync(path('faces', 'test'))).toEqual(['000002.png']);
  });
});
