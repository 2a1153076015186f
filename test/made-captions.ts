// Captions of noise, each one token longer than the one before it.
import type { EmbeddedCaptions } from '../src/data/writeCaptions.js';
import { stream } from '../src/random.js';

/** @param name keys the numbers */
export function madeCaptions(
  count: number,
  length: number,
  channels: number,
  name: string,
): EmbeddedCaptions {
  const tokens = stream(3, `captions/${name}`).normals(count * length * channels);
  const counts = (i: number): boolean => i % length <= Math.floor(i / length) % length;
  const mask = Float32Array.from({ length: count * length }, (_, i) => Number(counts(i)));
  return { count, length, tokens, mask };
}
