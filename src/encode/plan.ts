// Which images go into which file of latents? Names and options alone decide, so that a resumed run plans the same.
import { createHash } from 'node:crypto';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { listImages, readClassNames, type ImageEntry } from '../data/imageFolder.js';
import { bytesPerExample } from '../data/latentShard.js';
import type { LatentDtype } from '../data/latentsIndex.js';
import { UserError } from '../errors.js';
import type { StoredVae } from '../vae/openVae.js';
import { captionsBeside } from './captionsBeside.js';

export interface EncodeOptions {
  /** Folder of images. */
  readonly images: string;
  /** Folder to write to. */
  readonly out: string;
  /** Side of the crops, in pixels; a multiple of the autoencoder's downsampling. */
  readonly imageSize: number;
  /** Images in a file, at most. */
  readonly shardSize: number;
  readonly dtype: LatentDtype;
  /** Whether the mirrored images are encoded, too. */
  readonly flips: boolean;
  /** Share of the images that is held out, from 0 and below 1; 0 makes one folder of all. */
  readonly testShare: number;
  /** Images to take at most, drawn by their names; all unless given. */
  readonly limit?: number | undefined;
  /** Whether files that hold no sound image are left out. */
  readonly skipBroken: boolean;
  /** What labels are numbers of: classes, which are folders, or captions, which are texts beside the images. */
  readonly labels: 'classes' | 'captions';
  /** File with the names of the classes; unless given, those of the folders. */
  readonly classes?: string | undefined;
}

/** A file to write. */
export interface PlannedShard {
  /** In its folder. */
  readonly file: string;
  readonly entries: readonly ImageEntry[];
  /** Of all that its bytes follow from. */
  readonly digest: string;
}

/** A folder of latents to write. */
export interface PlannedSplit {
  readonly folder: string;
  readonly shards: readonly PlannedShard[];
  readonly count: number;
}

/** What labels, 0 to count - 1, mean. */
export interface Labels {
  readonly count: number;
  /** Names of classes, where they have some. */
  readonly names?: readonly string[];
  /** The captions whose numbers they are. */
  readonly captions?: readonly string[];
}

export interface EncodePlan {
  readonly options: EncodeOptions;
  readonly vae: StoredVae;
  /** Side of the latents. */
  readonly latentSize: number;
  readonly labels: Labels;
  /** One of all, or training and held-out. */
  readonly splits: readonly PlannedSplit[];
  /** Images in all. */
  readonly count: number;
  /** Files that are no images by their names. */
  readonly ignored: number;
  /** Bytes of all latents. */
  readonly bytes: number;
}

/**
 * Plans the encoding of a folder. No image is read.
 * @throws UserError if there are no images, an option is out of range, or the autoencoder takes other images
 */
export async function planEncoding(options: EncodeOptions, vae: StoredVae): Promise<EncodePlan> {
  const { images, imageSize, classes, dtype, flips, limit } = options;
  const { downsampling, imageChannels, latentChannels } = vae.spec;
  requireRanges(options);
  if (imageChannels !== 3)
    throw new UserError(
      `${vae.source}: takes images of ${imageChannels} channels, expected 3. Give an autoencoder of colour images.`,
    );
  // What is written among the images would be read as one of them.
  const below = relative(resolve(images), resolve(options.out));
  if (below === '' || !(below.startsWith('..') || isAbsolute(below)))
    throw new UserError(
      `--out ${options.out} lies in ${images}, whose images it is made of. Give a folder outside.`,
    );
  const folder = await listImages(images, classes === undefined ? undefined : await readClassNames(classes));
  const chosen = limit === undefined ? folder.entries : drawn(folder.entries, limit);
  const { entries, labels } = await labelled(chosen, folder.classNames, options);
  const latentSize = imageSize / downsampling;
  const shape = { channels: latentChannels, size: latentSize, dtype, flipped: flips };
  return {
    ...{ options, vae, latentSize, labels, count: entries.length, ignored: folder.ignored },
    splits: parted(entries, options).map((split) => planSplit(split, options, vae)),
    bytes: entries.length * bytesPerExample(shape),
  };
}

function requireRanges({ shardSize, testShare, limit, imageSize }: EncodeOptions): void {
  const whole = { '--shard': shardSize, '--limit': limit ?? 1, '--image-size': imageSize };
  for (const [flag, value] of Object.entries(whole))
    if (!Number.isInteger(value) || value < 1)
      throw new UserError(`${flag}: found ${value}, expected a whole number from 1`);
  if (!(testShare >= 0 && testShare < 1))
    throw new UserError(`--test-share: found ${testShare}, expected a number from 0 and below 1`);
}

/** A number from 0 and below 1 that follows from a name, evenly spread: adding images moves none of the others. */
function place(purpose: string, file: string): number {
  const digest = createHash('sha256').update(`${purpose}/${file}`).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** At most so many images, in their old order. */
function drawn(entries: readonly ImageEntry[], most: number): readonly ImageEntry[] {
  const ranked = entries.map((entry) => ({ entry, rank: place('limit', entry.file) }));
  const kept = new Set(
    ranked
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, most)
      .map(({ entry }) => entry),
  );
  return entries.filter((entry) => kept.has(entry));
}

async function labelled(
  entries: readonly ImageEntry[],
  names: readonly string[] | undefined,
  { images, labels }: EncodeOptions,
): Promise<{ readonly entries: readonly ImageEntry[]; readonly labels: Labels }> {
  if (labels === 'classes')
    return { entries, labels: { count: names?.length ?? 1, ...(names && { names }) } };
  const captions = await captionsBeside(images, entries);
  return {
    entries: entries.map(({ file }, label) => ({ file, label })),
    labels: { count: captions.length, captions },
  };
}

interface Part {
  readonly folder: string;
  readonly entries: readonly ImageEntry[];
}

function parted(entries: readonly ImageEntry[], { out, testShare }: EncodeOptions): Part[] {
  if (testShare === 0) return [{ folder: out, entries }];
  const isHeldOut = ({ file }: ImageEntry): boolean => place('held out', file) < testShare;
  const parts = [
    { folder: join(out, 'train'), entries: entries.filter((entry) => !isHeldOut(entry)) },
    { folder: join(out, 'test'), entries: entries.filter(isHeldOut) },
  ];
  const empty = parts.find((part) => part.entries.length === 0);
  if (empty)
    throw new UserError(
      `--test-share: ${testShare} of ${entries.length} images leaves none for ${empty.folder}. Give another share, or more images.`,
    );
  return parts;
}

function planSplit({ folder, entries }: Part, options: EncodeOptions, vae: StoredVae): PlannedSplit {
  const { shardSize } = options;
  const shards = Array.from({ length: Math.ceil(entries.length / shardSize) }, (_, i): PlannedShard => {
    const own = entries.slice(i * shardSize, (i + 1) * shardSize);
    return {
      file: `shard-${String(i).padStart(5, '0')}.safetensors`,
      entries: own,
      digest: digestOf(own, options, vae),
    };
  });
  return { folder, shards, count: entries.length };
}

function digestOf(
  entries: readonly ImageEntry[],
  { imageSize, dtype, flips, skipBroken }: EncodeOptions,
  { fingerprint }: StoredVae,
): string {
  const all = [
    fingerprint,
    imageSize,
    dtype,
    flips,
    skipBroken,
    entries.map(({ file, label }) => [file, label]),
  ];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
