// What may be judged? Whole images of finite numbers, and enough vectors of what is seen in them.
import type { Dataset } from '../data/dataset.js';
import { UserError } from '../errors.js';

/**
 * @param images [count, channels, imageSize, imageSize]
 * @param who takes them, for messages
 * @returns how many there are
 * @throws UserError if the array holds no whole number of such images, or a number that is not finite
 */
export function requireImages(
  images: Float32Array,
  who: string,
  { channels, imageSize }: Pick<Dataset, 'channels' | 'imageSize'>,
): number {
  const size = channels * imageSize ** 2;
  if (images.length % size !== 0)
    throw new UserError(
      `${who}: got ${images.length} numbers, expected images of ${channels} x ${imageSize} x ${imageSize} = ${size}. Give images of the size it was made for.`,
    );
  const bad = images.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new UserError(
      `${who}: image ${Math.floor(bad / size)} holds ${images[bad]}, expected numbers from -1 to 1. If it was sampled, the sampler diverged: take more steps or another solver.`,
    );
  return images.length / size;
}

/**
 * @param features [count, width]
 * @param least vectors that the measure needs
 * @param measure for messages: 'a kernel distance'
 * @returns how many vectors there are
 * @throws UserError if there are fewer, no whole number of them, or a number that is not finite
 */
export function requireVectors(
  features: Float32Array | Float64Array,
  width: number,
  least: number,
  measure: string,
): number {
  const count = features.length / width;
  if (!Number.isInteger(count) || count < least)
    throw new UserError(
      `${measure} got ${features.length} numbers, expected at least ${inWords[least] ?? least} vectors of ${width}. Give more images.`,
    );
  const bad = features.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new UserError(
      `${measure} got ${features[bad]} in vector ${Math.floor(bad / width)}, expected finite numbers. ` +
        'If the images were sampled, the sampler diverged: take more steps or another solver.',
    );
  return count;
}

const inWords: Readonly<Record<number, string>> = { 1: 'one', 2: 'two', 4: 'four' };
