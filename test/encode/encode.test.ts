import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readImage } from '../../src/data/imageFile.js';
import { openLatents } from '../../src/data/latents.js';
import { openLatentShard } from '../../src/data/latentShard.js';
import { readLatentsIndex } from '../../src/data/latentsIndex.js';
import { encodeImages, rehearseEncoding, type EncodeWork } from '../../src/encode/encode.js';
import { planEncoding, type EncodeOptions } from '../../src/encode/plan.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { openVaeEncoder } from '../../src/vae/encoder.js';
import { openVae, type StoredVae } from '../../src/vae/openVae.js';
import { scratch } from '../scratch.js';
import { onnx } from '../training/tiny.js';
import { abortsAtLook, listing } from '../workshop.js';
import { vaePath, writePhotos } from './photos.js';

const { path } = scratch();
const photos = path('photos');
let vae: StoredVae;
beforeAll(async () => {
  await writePhotos(photos, 23);
  vae = await openVae(vaePath);
});

let made = 0;
/** Options that write into a new folder. */
function options(more: Partial<EncodeOptions> = {}): EncodeOptions {
  return {
    ...{ images: photos, out: path(`latents-${made++}`), imageSize: 16, shardSize: 5, dtype: 'F32' },
    ...{ flips: false, testShare: 0, skipBroken: false, labels: 'classes' },
    ...more,
  };
}

function work(more: Partial<EncodeWork> = {}): EncodeWork {
  return {
    engine: onnx,
    signal: new AbortController().signal,
    progress: { update: () => undefined, end: () => undefined },
    say: () => undefined,
    warn: (line) => {
      throw new Error(`unexpected warning: ${line}`);
    },
    resume: false,
    ...more,
  };
}

const bytesIn = (folder: string): unknown[] =>
  listing(folder).map((name) => {
    const at = join(folder, name);
    return statSync(at).isFile() ? [name, readFileSync(at).toString('base64')] : [name];
  });

describe('encoded images', () => {
  it('are what the autoencoder makes of them, in the order of their names, in several files', async () => {
    const given = options({ flips: true });
    const encoding = await encodeImages(await planEncoding(given, vae), work());
    expect(encoding).toEqual({
      folders: [{ folder: given.out, count: 23, shards: 5 }],
      skipped: [],
      kept: 0,
    });
    const index = await readLatentsIndex(given.out);
    expect(index).toMatchObject({
      ...{ channels: 4, size: 8, dtype: 'F32', flipped: true, classes: 3, classNames: ['ant', 'bee', 'cat'] },
      vae: { fingerprint: vae.fingerprint, scalingFactor: vae.spec.scalingFactor, shiftFactor: 0 },
    });
    // Eight ants come first, then the bees: the second file begins with the sixth ant.
    const shard = await openLatentShard(join(given.out, 'shard-00001.safetensors'), 5, index);
    expect([...shard.labels]).toEqual([0, 0, 0, 1, 1]);
    const encoder = await openVaeEncoder(onnx, vae, { imageSize: 16 });
    const image = await readImage(join(photos, 'bee', '001.png'), { size: 16, channels: 3 });
    const x = Float32Array.from(image, (byte) => byte / 127.5 - 1);
    const mirrored = x.map((_, p) => x[p - (p % 16) + 15 - (p % 16)] ?? NaN);
    for (const [pixels, isFlipped] of [
      [x, false],
      [mirrored, true],
    ] as const)
      expect(await shard.read(3, isFlipped)).toEqual(await encoder.encode(pixels));
    await encoder.dispose();
    expect(await openLatents(given.out, { flip: true })).toMatchObject({ count: 23, classes: 3 });
  });

  it('are parted by their names: no image is in both, and adding some moves none of the others', async () => {
    const split = async (images: string): Promise<string[][]> => {
      const plan = await planEncoding(options({ images, testShare: 0.3 }), vae);
      return plan.splits.map(({ shards }) =>
        shards.flatMap(({ entries }) => entries.map(({ file }) => file)),
      );
    };
    const [train = [], test = []] = await split(photos);
    expect([...train, ...test].toSorted()).toHaveLength(23);
    expect(new Set([...train, ...test]).size).toBe(23);
    expect(test.length).toBeGreaterThan(1);
    expect(test.length).toBeLessThan(15);
    const [moreTrain = [], moreTest = []] = await split(await writePhotos(path('more'), 40));
    expect(moreTrain).toEqual(expect.arrayContaining(train));
    expect(moreTest).toEqual(expect.arrayContaining(test));
    const given = options({ testShare: 0.3 });
    const { folders } = await encodeImages(await planEncoding(given, vae), work());
    expect(folders.map(({ folder, count }) => [folder, count])).toEqual([
      [join(given.out, 'train'), train.length],
      [join(given.out, 'test'), test.length],
    ]);
  });

  it('may be some of them, drawn by name', async () => {
    const plan = await planEncoding(options({ limit: 7 }), vae);
    const files = plan.splits.flatMap(({ shards }) => shards.flatMap(({ entries }) => entries));
    expect(plan.count).toBe(7);
    expect(files).toHaveLength(7);
    expect(new Set(files.map(({ label }) => label)).size).toBeGreaterThan(1);
    expect((await planEncoding(options({ limit: 99 }), vae)).count).toBe(23);
  });

  it('have numbers of captions for labels where those are asked for', async () => {
    const images = path('told');
    await writePhotos(images, 4);
    for (const [name, text] of Object.entries({
      'ant/000': 'An ant.',
      'ant/003': ' Two\n ants ',
      'bee/001': 'A bee.',
    }))
      writeFileSync(join(images, `${name}.txt`), text);
    const given = options({ images, labels: 'captions' });
    await expect(planEncoding(given, vae)).rejects.toThrow('002.txt: cannot be read');
    writeFileSync(join(images, 'cat', '002.txt'), '\n');
    await expect(planEncoding(given, vae)).rejects.toThrow('002.txt: is empty');
    writeFileSync(join(images, 'cat', '002.txt'), 'A cat.\n');
    await encodeImages(await planEncoding(given, vae), work());
    expect(readFileSync(join(given.out, 'captions.txt'), 'utf8')).toBe('An ant.\nTwo ants\nA bee.\nA cat.\n');
    const index = await readLatentsIndex(given.out);
    expect(index.classes).toBe(4);
    expect(index.classNames).toBeUndefined();
    const { labels } = await openLatentShard(join(given.out, 'shard-00000.safetensors'), 4, index);
    expect([...labels]).toEqual([0, 1, 2, 3]);
  });

  it('take half the room in F16, and are the same to eleven bits', async () => {
    const [fine, coarse] = [options(), options({ dtype: 'F16' })];
    const plans = [await planEncoding(fine, vae), await planEncoding(coarse, vae)];
    for (const plan of plans) await encodeImages(plan, work());
    const size = (folder: string): number =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.safetensors'))
        .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(plans.map(({ bytes }) => bytes)).toEqual([23 * (2 * 256 * 4 + 4), 23 * (2 * 256 * 2 + 4)]);
    // Headers come on top.
    plans.forEach(({ bytes, options: { out } }) => expect(size(out) - bytes).toBeLessThan(5 * 600));
    const first = async (folder: string) => {
      const shard = await openLatentShard(
        join(folder, 'shard-00000.safetensors'),
        5,
        await readLatentsIndex(folder),
      );
      return (await shard.read(0, false)).mean;
    };
    const [exact, half] = [await first(fine.out), await first(coarse.out)];
    expect(half).toBeAllClose(exact, 2 ** -11 * Math.max(...exact.map(Math.abs)));
  });
});

describe('an encoding that was stopped', () => {
  it('goes on after its last whole file, and ends with the same bytes', async () => {
    const whole = options({ testShare: 0.3, flips: true });
    await encodeImages(await planEncoding(whole, vae), work());
    const cut = options({ testShare: 0.3, flips: true });
    const plan = await planEncoding(cut, vae);
    const stopped = encodeImages(plan, work({ signal: abortsAtLook(13) }));
    await expect(stopped).rejects.toThrow(Interrupted);
    await expect(stopped).rejects.toThrow(/^stopped after \d+ of 23 images; .*--resume\.$/);
    expect(listing(cut.out).filter((name) => name.endsWith('.json'))).toEqual([]);
    const before = listing(cut.out).filter((name) => name.endsWith('.safetensors'));
    expect(before.length).toBeGreaterThan(0);
    const seen: number[] = [];
    const progress = { update: (done: number) => void seen.push(done), end: () => undefined };
    const { kept } = await encodeImages(plan, work({ resume: true, progress }));
    expect(kept).toBe(before.length);
    expect(seen[0]).toBe(5);
    expect(seen.at(-1)).toBe(23);
    expect(bytesIn(cut.out)).toEqual(bytesIn(whole.out));
    // Nothing is left to do.
    expect(await encodeImages(plan, work({ resume: true }))).toMatchObject({ kept: 6 });
  });

  it('is not mixed with another one', async () => {
    const given = options();
    await encodeImages(await planEncoding(given, vae), work());
    await expect(encodeImages(await planEncoding(given, vae), work())).rejects.toThrow(
      `${given.out} holds files already (index.json, shard-00000.safetensors, shard-00001.safetensors). Add --resume`,
    );
    for (const other of [{ dtype: 'F16' }, { flips: true }, { shardSize: 6 }, { imageSize: 18 }] as const) {
      const plan = await planEncoding({ ...given, ...other }, vae);
      await expect(encodeImages(plan, work({ resume: true }))).rejects.toThrow(
        'was made of other images or with other options than these',
      );
    }
  });
});

describe('broken images', () => {
  const photosWith = async (name: string): Promise<string> => {
    const images = path(name);
    await writePhotos(images, 8);
    writeFileSync(join(images, 'ant', '001.jpg'), 'broken');
    mkdirSync(join(images, 'cat'), { recursive: true });
    copyFileSync(join(images, 'ant', '001.jpg'), join(images, 'cat', '999.png'));
    return images;
  };

  it('are refused by name, and what is finished stays', async () => {
    const given = options({ images: await photosWith('strict'), shardSize: 1 });
    await expect(encodeImages(await planEncoding(given, vae), work())).rejects.toThrow(
      '001.jpg: cannot be read as an image',
    );
    expect(readdirSync(given.out)).toEqual(['shard-00000.safetensors']);
  });

  it('are left out and counted if that is wanted, also by a run that goes on', async () => {
    const given = options({ images: await photosWith('lenient'), skipBroken: true, shardSize: 3 });
    const plan = await planEncoding(given, vae);
    const warnings: string[] = [];
    const encoding = await encodeImages(plan, work({ warn: (line) => void warnings.push(line) }));
    expect(encoding.skipped).toEqual(['ant/001.jpg', 'cat/999.png']);
    expect(warnings).toHaveLength(2);
    expect(encoding.folders).toEqual([{ folder: given.out, count: 8, shards: 3 }]);
    expect((await readLatentsIndex(given.out)).count).toBe(8);
    // A file of broken images alone is none, and is tried again.
    const again = await encodeImages(plan, work({ resume: true, warn: (line) => void warnings.push(line) }));
    expect(again).toEqual({ ...encoding, kept: 3 });
    expect(warnings).toHaveLength(3);
  });
});

describe('a plan', () => {
  it.each<[Partial<EncodeOptions>, string]>([
    [{ shardSize: 0 }, '--shard: found 0'],
    [{ limit: 1.5 }, '--limit: found 1.5'],
    [{ imageSize: -16 }, '--image-size: found -16'],
    [{ testShare: 1 }, '--test-share: found 1'],
    [{ testShare: 1e-9 }, 'leaves none for'],
    [{ images: 'nowhere' }, 'nowhere: cannot be listed'],
  ])('is refused with %p', async (more, reason) => {
    const planned = planEncoding(options(more), vae);
    await expect(planned).rejects.toThrow(UserError);
    await expect(planned).rejects.toThrow(reason);
  });

  it.each(['', 'latents'])('is refused into the folder of its images, or below: %p', async (below) => {
    const planned = planEncoding(options({ out: join(photos, below) }), vae);
    await expect(planned).rejects.toThrow(/lies in .*photos, whose images it is made of/);
  });

  it('beside it, under a name that begins alike, is not', async () => {
    const { count } = await planEncoding(options({ out: `${photos}-latents` }), vae);
    expect(count).toBe(23);
  });

  it('of a size that gives no whole latents is refused before anything is written', async () => {
    const given = options({ imageSize: 17 });
    const plan = await planEncoding(given, vae);
    await expect(encodeImages(plan, work())).rejects.toThrow('Give a multiple of 2 as image size');
    expect(() => statSync(given.out)).toThrow();
  });

  it('can be tried: multiply-adds and seconds of all images, and nothing is written', async () => {
    const given = options({ flips: true });
    const { macs, seconds, secondsPerImage } = await rehearseEncoding(await planEncoding(given, vae), onnx);
    const encoder = await openVaeEncoder(onnx, vae, { imageSize: 16 });
    expect(macs).toBe(encoder.macs * 23 * 2);
    await encoder.dispose();
    expect(seconds).toBeCloseTo(secondsPerImage * 23, 9);
    expect(secondsPerImage).toBeGreaterThan(0);
    expect(() => statSync(given.out)).toThrow();
  });
});
