// How does a folder of images become latents? File by file; those that are finished stay, however the run ends.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { fromFolder } from '../bundle/place.js';
import { openSafetensors } from '../checkpoints/safetensors.js';
import { BrokenImage, mirror, readImage } from '../data/imageFile.js';
import type { ImageEntry } from '../data/imageFolder.js';
import { abreast } from '../data/abreast.js';
import { mostDecoded } from '../data/images.js';
import { openLatentShard, writeLatentShard, type Gaussian, type ShardShape } from '../data/latentShard.js';
import { writeLatentsIndex, type LatentsIndex } from '../data/latentsIndex.js';
import { writeImage } from '../data/memory.js';
import type { Engine } from '../engine/engine.js';
import { sizeOf } from '../engine/tensors.js';
import { Interrupted, UserError } from '../errors.js';
import { isFile, makeFolder } from '../files/disk.js';
import { withLock } from '../files/lock.js';
import { writeFileAtomic } from '../files/write.js';
import type { Progress } from '../training/progress.js';
import { openVaeEncoder, type VaeEncoder } from '../vae/encoder.js';
import type { EncodePlan, PlannedShard, PlannedSplit } from './plan.js';

export interface EncodeWork {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
  /** Whether files that are there already may be from an earlier run. */
  readonly resume: boolean;
}

/** What was written. */
export interface EncodedFolder {
  readonly folder: string;
  readonly count: number;
  readonly shards: number;
}

export interface Encoding {
  readonly folders: readonly EncodedFolder[];
  /** Files without a sound image, from the folder of images on. */
  readonly skipped: readonly string[];
  /** Files of latents that an earlier run had finished. */
  readonly kept: number;
}

/** A finished file of latents. */
interface Shard {
  readonly file: string;
  readonly count: number;
  readonly skipped: readonly string[];
}

/** Images that are decoded while others are encoded. */
const chunkSize = 8;

/**
 * Encodes all images of a plan. A file is written once it is whole, so a run that was stopped or killed goes on after its
 * last whole file, and ends with the same bytes.
 * @throws UserError if the folder holds something else, an image is broken, or the disk refuses a file
 * @throws Interrupted after the signal; what is finished stays
 */
export async function encodeImages(plan: EncodePlan, work: EncodeWork): Promise<Encoding> {
  const { options, vae } = plan;
  const { engine, signal, say, progress } = work;
  const { out } = options;
  const encoder = await openVaeEncoder(engine, vae, options);
  try {
    await makeFolder(out);
    const onWait = (holder: string): void => say(`${holder} writes to ${out}; waiting for it`);
    const lock = join(out, '.encode.lock');
    return await withLock(lock, { signal, onWait }, () => encodeAll(plan, { ...work, encoder }));
  } finally {
    progress.end();
    await encoder.dispose();
  }
}

interface Encoder extends EncodeWork {
  readonly encoder: VaeEncoder;
}

async function encodeAll(plan: EncodePlan, work: Encoder): Promise<Encoding> {
  const { options, labels, splits, count } = plan;
  if (!work.resume) await requireEmpty(options.out);
  const skipped: string[] = [];
  const folders: EncodedFolder[] = [];
  let [done, kept] = [0, 0];
  for (const split of splits) {
    await makeFolder(split.folder);
    const shards: Shard[] = [];
    for (const planned of split.shards) {
      const known = await finished(split, planned, plan);
      if (known) kept++;
      const begun = done;
      const tell = (within: number): void => work.progress.update(begun + within, count, {});
      const shard = known ?? (await encodeShard(split, planned, plan, { ...work, tell, done }));
      done += planned.entries.length;
      tell(planned.entries.length);
      shards.push(shard);
      skipped.push(...shard.skipped);
    }
    folders.push(await finish(split, shards, plan));
  }
  if (labels.captions)
    await writeFileAtomic(join(options.out, 'captions.txt'), `${labels.captions.join('\n')}\n`);
  return { folders, skipped, kept };
}

/** Names that begin with a dot do not count: the lock, and what a killed run left half written. */
async function requireEmpty(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.'));
  if (names.length > 0)
    throw new UserError(
      `${folder} holds files already (${names.slice(0, 3).join(', ')}). Add --resume to go on with what was begun there, ` +
        'or give another folder.',
    );
}

const shapeOf = ({ options, vae, latentSize, labels }: EncodePlan): ShardShape => ({
  ...{ channels: vae.spec.latentChannels, size: latentSize, dtype: options.dtype, flipped: options.flips },
  classes: labels.count,
});

/** A file that an earlier run has written, if it did. @throws UserError if it was another run */
async function finished(
  { folder }: PlannedSplit,
  { file, digest, entries }: PlannedShard,
  plan: EncodePlan,
): Promise<Shard | undefined> {
  const path = join(folder, file);
  if (!(await isFile(path))) return undefined;
  const { metadata } = await openSafetensors(path);
  if (metadata['plan'] !== digest)
    throw new UserError(
      `${path} was made of other images or with other options than these. Give those that it was begun with, or another folder.`,
    );
  const skipped = (metadata['skipped'] ?? '').split('\n').filter((name) => name !== '');
  const count = entries.length - skipped.length;
  await openLatentShard(path, count, shapeOf(plan));
  return { file, count, skipped };
}

interface ShardWork extends Encoder {
  /** Hears how many images of the file are done. */
  readonly tell: (within: number) => void;
  /** Images in the files before it. */
  readonly done: number;
}

async function encodeShard(
  { folder }: PlannedSplit,
  { file, entries, digest }: PlannedShard,
  plan: EncodePlan,
  { encoder, signal, warn, tell, done }: ShardWork,
): Promise<Shard> {
  const shape = shapeOf(plan);
  const { imageSize, flips } = plan.options;
  const numbers = sizeOf([shape.channels, shape.size, shape.size]);
  const [plain, flipped] = [
    gaussians(entries.length * numbers),
    gaussians(flips ? entries.length * numbers : 0),
  ];
  const labels: number[] = [];
  const skipped: string[] = [];
  for await (const { entry, image } of decoded(entries, plan)) {
    // The engine may block the event loop while it computes; here signals and drawings get their turn.
    await setImmediate();
    if (signal.aborted)
      throw new Interrupted(
        `stopped after ${done + labels.length + skipped.length} of ${plan.count} images; files that were finished are kept. ` +
          'Go on with --resume.',
      );
    if (image instanceof BrokenImage) {
      warn(image.message);
      skipped.push(entry.file);
    } else {
      const at = labels.length * numbers;
      put(plain, at, await encoder.encode(image));
      if (flips) {
        mirror(image, imageSize);
        put(flipped, at, await encoder.encode(image));
      }
      labels.push(entry.label);
    }
    tell(labels.length + skipped.length);
  }
  const count = labels.length;
  const whole = ({ mean, logvar }: Gaussian): Gaussian => ({
    mean: mean.subarray(0, count * numbers),
    logvar: logvar.subarray(0, count * numbers),
  });
  // No file has no examples.
  if (count > 0)
    await writeLatentShard(
      join(folder, file),
      { plain: whole(plain), ...(flips && { flipped: whole(flipped) }), labels: Int32Array.from(labels) },
      shape,
      { plan: digest, skipped: skipped.join('\n') },
    );
  return { file, count, skipped };
}

interface DecodedImage {
  readonly entry: ImageEntry;
  /** [3, S, S] from -1 to 1, or why there is none. */
  readonly image: Float32Array | BrokenImage;
}

/** Images in their order; while some are looked at, the next ones are decoded. */
async function* decoded(
  entries: readonly ImageEntry[],
  { options }: EncodePlan,
): AsyncGenerator<DecodedImage> {
  const chunk = async (from: number): Promise<DecodedImage[]> => {
    const some = entries.slice(from, from + chunkSize);
    const images: DecodedImage[] = [];
    await abreast(some.length, mostDecoded, async (i) => {
      const entry = some[i];
      if (entry) images[i] = { entry, image: await decode(entry, options) };
    });
    return images;
  };
  let coming = chunk(0);
  for (let from = 0; from < entries.length; from += chunkSize) {
    const now = await coming;
    coming = chunk(from + chunkSize);
    // What it throws is thrown when its turn comes, if that comes.
    coming.catch(() => undefined);
    yield* now;
  }
}

async function decode(
  { file }: ImageEntry,
  { images, imageSize, skipBroken }: EncodePlan['options'],
): Promise<Float32Array | BrokenImage> {
  try {
    const bytes = await readImage(join(images, file), { size: imageSize, channels: 3 });
    const x = new Float32Array(bytes.length);
    writeImage(x, 0, bytes);
    return x;
  } catch (error) {
    if (skipBroken && error instanceof BrokenImage) return error;
    throw error;
  }
}

function gaussians(length: number): Gaussian {
  return { mean: new Float32Array(length), logvar: new Float32Array(length) };
}

function put(all: Gaussian, at: number, { mean, logvar }: Gaussian): void {
  all.mean.set(mean, at);
  all.logvar.set(logvar, at);
}

/** Writes the index of a folder, now that all its files are there. */
async function finish(
  { folder }: PlannedSplit,
  shards: readonly Shard[],
  plan: EncodePlan,
): Promise<EncodedFolder> {
  const { vae, labels } = plan;
  const { channels, size, dtype, flipped, classes } = shapeOf(plan);
  const whole = shards.filter((shard) => shard.count > 0);
  const count = whole.reduce((sum, shard) => sum + shard.count, 0);
  if (count === 0)
    throw new UserError(`${plan.options.images}: all images for ${folder} are broken. Give sound ones.`);
  const index: LatentsIndex = {
    ...{ format: 'exithead-latents', version: 1 },
    vae: {
      source: fromFolder(folder, vae.source),
      fingerprint: vae.fingerprint,
      scalingFactor: vae.spec.scalingFactor,
      shiftFactor: vae.spec.shift,
    },
    ...{ channels, size, dtype, flipped, classes },
    ...(labels.names && { classNames: [...labels.names] }),
    count,
    shards: whole.map((shard) => ({ file: shard.file, count: shard.count })),
  };
  await writeLatentsIndex(folder, index);
  return { folder, count, shards: whole.length };
}

/** What encoding would take on this machine. */
export interface EncodeRehearsal {
  /** Multiply-adds of all images. */
  readonly macs: number;
  /** Measured on one image, read once and encoded twice after once for warming up. */
  readonly secondsPerImage: number;
  readonly seconds: number;
}

/** Encodes the first sound image and throws the result away. @throws UserError if there is none */
export async function rehearseEncoding(plan: EncodePlan, engine: Engine): Promise<EncodeRehearsal> {
  const { options, splits, count, vae } = plan;
  const encoder = await openVaeEncoder(engine, vae, options);
  try {
    const begun = performance.now();
    const image = await firstSound(splits[0]?.shards[0]?.entries ?? [], plan);
    const read = performance.now() - begun;
    await encoder.encode(image);
    const warm = performance.now();
    for (let i = 0; i < 2; i++) await encoder.encode(image);
    const encoded = (performance.now() - warm) / 2;
    const looks = options.flips ? 2 : 1;
    const secondsPerImage = (read + looks * encoded) / 1000;
    return { macs: encoder.macs * looks * count, secondsPerImage, seconds: secondsPerImage * count };
  } finally {
    await encoder.dispose();
  }
}

async function firstSound(entries: readonly ImageEntry[], plan: EncodePlan): Promise<Float32Array> {
  for await (const { image } of decoded(entries, plan)) if (image instanceof Float32Array) return image;
  throw new UserError(
    `${plan.options.images}: the first ${entries.length} images are all broken. Give sound ones.`,
  );
}
