// Which weights does a backbone have that nobody trained? Random ones of a size that keeps numbers moderate.
import { sizeOf } from '../../src/engine/tensors.js';
import { stream } from '../../src/random.js';

/**
 * Uniform numbers: a matrix keeps the size of what it multiplies, all else is small. Unlike at the start of a training
 * nothing is zero, so every part of the model has an effect.
 * @param name keys the random numbers
 */
export function randomWeight(name: string, shape: readonly number[]): Float32Array {
  const [, ...inputs] = shape;
  const isMatrix = inputs.length > 0 && !/adaLN|pos_embed|embedding_table/.test(name);
  const bound = isMatrix ? Math.sqrt(3 / sizeOf(inputs)) : 0.05;
  const random = stream(0, `random weight ${name}`);
  return new Float32Array(sizeOf(shape)).map(() => bound * (2 * random.uniform() - 1));
}
