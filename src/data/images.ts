// How is a folder of image files a data set? Files are decoded when they are asked for, and cropped to squares.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { sizeOf } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { abreast } from './abreast.js';
import type { Dataset } from './dataset.js';
import { BrokenImage, mirror, readImage, type Square } from './imageFile.js';
import type { ImageEntry, ImageFolder } from './imageFolder.js';
import { writeImage } from './memory.js';

export interface ImagesOptions extends Square {
  /** Whether an image is mirrored half of the time. */
  readonly flip: boolean;
  /** Whether files that hold no sound image are left out; otherwise the first one is refused when it is read. */
  readonly skipBroken: boolean;
}

/** Images at the same time: each may take 400 MB while it is decoded. */
export const mostDecoded = Math.min(4, availableParallelism());

/**
 * Images of a folder from -1 to 1. Broken files are left out by reading every one here, once; without that, no file is
 * read before it is asked for.
 * @throws UserError if none is left
 */
export async function openImages(
  folder: ImageFolder,
  { size, channels, flip, skipBroken }: ImagesOptions,
): Promise<Dataset> {
  const square = { size, channels };
  const entries = skipBroken ? await soundOnes(folder, square) : folder.entries;
  const skipped = folder.entries.length - entries.length;
  if (entries.length === 0)
    throw new UserError(`${folder.path}: all ${skipped} images are broken. Give sound ones.`);
  const numbers = sizeOf([channels, size, size]);
  return {
    name: skipped > 0 ? `${folder.path} (${skipped} broken files left out)` : folder.path,
    ...{ holds: 'images', count: entries.length, channels, imageSize: size },
    classes: folder.classNames?.length ?? 1,
    read: async (indices, draws) => {
      const x = new Float32Array(indices.length * numbers);
      const y = new Int32Array(indices.length);
      await abreast(indices.length, mostDecoded, async (i) => {
        const entry = entries[indices[i] ?? NaN];
        if (!entry) throw new RangeError(`there are ${entries.length} images, none at ${indices[i]}`);
        const image = await readImage(join(folder.path, entry.file), square);
        if (flip && draws(i).uniform() < 0.5) mirror(image, size);
        writeImage(x, i * numbers, image);
        y[i] = entry.label;
      });
      return { x, y };
    },
  };
}

async function soundOnes({ path, entries }: ImageFolder, square: Square): Promise<readonly ImageEntry[]> {
  const broken = new Set<ImageEntry>();
  await abreast(entries.length, mostDecoded, async (i) => {
    const entry = entries[i];
    if (!entry) return;
    try {
      await readImage(join(path, entry.file), square);
    } catch (error) {
      if (!(error instanceof BrokenImage)) throw error;
      broken.add(entry);
    }
  });
  return entries.filter((entry) => !broken.has(entry));
}
