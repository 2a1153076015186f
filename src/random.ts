// Seeded random numbers. A stream is keyed by what it is for and where it is used, never by how much was drawn
// before: step 1,000 of a resumed run sees the same noise as step 1,000 of one that never stopped.
import { createHash } from 'node:crypto';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';

export interface Stream {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform integer, 0 <= n < limit. */
  integer(limit: number): number;
  /** `count` standard normal numbers. */
  normals(count: number): Float32Array;
  /** 0..count-1 in random order. */
  permutation(count: number): Int32Array;
}

/**
 * The stream of one purpose at one place.
 * @param seed the run's seed, an integer
 * @param purpose what the numbers are for, such as 'noise'
 * @param index where they are used: a step, an epoch, a sample
 */
export function stream(seed: number, purpose: string, index = 0): Stream {
  const digest = createHash('sha256').update(`${seed}/${purpose}/${index}`).digest();
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32LE(at)));
  const uniform = (): number => uniformFloat64(generator);
  const integer = (limit: number): number => uniformInt(generator, 0, limit - 1);
  return {
    uniform,
    integer,
    normals(count) {
      // Box-Muller: two normals from two uniforms; 1 - u keeps the logarithm finite.
      const out = new Float32Array(count);
      for (let i = 0; i < count; i += 2) {
        const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
        const angle = 2 * Math.PI * uniform();
        out[i] = radius * Math.cos(angle);
        if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
      }
      return out;
    },
    permutation(count) {
      // Fisher-Yates
      const order = Int32Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = integer(i + 1);
        [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
      }
      return order;
    },
  };
}
