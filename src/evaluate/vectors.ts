// What may be compared? Sets of feature vectors of finite numbers, and enough of them.
import { UserError } from '../errors.js';

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
