// Which noisy samples are exits measured on? Held-out examples at times spread evenly, each with noise of its own.
import { setImmediate } from 'node:timers/promises';
import { examples } from '../data/batches.js';
import type { Batch, Dataset } from '../data/dataset.js';
import type { Diffusion } from '../diffusion/betas.js';
import { addNoise } from '../diffusion/forward.js';
import { Interrupted } from '../errors.js';
import { stream } from '../random.js';
import type { Progress } from '../training/progress.js';
import { timeAt, type TimeBin } from './timeBins.js';

export interface HeldOut {
  /** Taken in file order, from the start again when they run out. */
  readonly dataset: Dataset;
  readonly diffusion: Diffusion;
  readonly seed: number;
  /** Times are spread evenly over these: all get as many samples. */
  readonly bins: readonly TimeBin[];
  /** Noisy images in all. */
  readonly samples: number;
  readonly batch: number;
  /** The part of the batches to take; all unless given. */
  readonly shard?: Shard;
  /** Batches of it that were taken before. */
  readonly done?: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Every n-th batch, from number `index`, 1 to n, on. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

export interface HeldOutBatch {
  /** Number of its first sample. */
  readonly from: number;
  /** Noisy, [B, C, H, W], as the noise in it. */
  readonly x: Float32Array;
  readonly noise: Float32Array;
  /** Diffusion steps, [B]. */
  readonly t: Float32Array;
  /** [B] */
  readonly y: Int32Array;
}

/** Numbers of the batches of a shard, of all that so many samples make. */
export function batchesOf({
  samples,
  batch,
  shard = { index: 1, of: 1 },
}: Pick<HeldOut, 'samples' | 'batch' | 'shard'>): number[] {
  const all = Array.from({ length: Math.ceil(samples / batch) }, (_, i) => i);
  return all.filter((i) => i % shard.of === shard.index - 1);
}

/**
 * Image, noise and time of a sample depend on its number and the seed, not on the batch.
 * @throws Interrupted after the signal
 */
export async function* heldOut(options: HeldOut): AsyncGenerator<HeldOutBatch> {
  const { dataset, diffusion, seed, bins, samples, signal, progress, done = 0 } = options;
  const sizeOf = (i: number): number => Math.min(options.batch, samples - i * options.batch);
  const batches = batchesOf(options);
  const all = batches.reduce((sum, i) => sum + sizeOf(i), 0);
  let seen = batches.slice(0, done).reduce((sum, i) => sum + sizeOf(i), 0);
  for (const i of batches.slice(done)) {
    // An engine may block the event loop while it computes; here signals and drawings get their turn.
    await setImmediate();
    if (signal.aborted)
      throw new Interrupted(`stopped after ${seen} of ${all} samples; nothing was written.`);
    const [from, count] = [i * options.batch, sizeOf(i)];
    const { x: clean, y } = await cycled(dataset, from, count);
    const noise = noiseOf(seed, from, count, clean.length / count);
    // Neighbouring images get times far apart: 0.618... is the golden ratio's fraction, whose multiples fill [0, 1) evenly.
    const t = Float32Array.from({ length: count }, (_, j) =>
      timeAt(bins, ((from + j) * 0.6180339887498949) % 1),
    );
    yield { from, x: addNoise(diffusion, clean, noise, t), noise, t, y };
    progress.update((seen += count), all, {});
  }
}

/** Standard normal noise of samples `from` to `from + count - 1`, each with its own. @param length numbers in each */
function noiseOf(seed: number, from: number, count: number, length: number): Float32Array {
  const noise = new Float32Array(count * length);
  for (let i = 0; i < count; i++)
    noise.set(stream(seed, 'profile noise', from + i).normals(length), i * length);
  return noise;
}

/** The next examples in file order, from the start again after the last. */
async function cycled(dataset: Dataset, from: number, count: number): Promise<Batch> {
  const start = from % dataset.count;
  const here = Math.min(count, dataset.count - start);
  const first = await examples(dataset, start, here);
  if (here === count) return first;
  const rest = await cycled(dataset, 0, count - here);
  const x = new Float32Array(first.x.length + rest.x.length);
  x.set(first.x);
  x.set(rest.x, first.x.length);
  const y = new Int32Array(count);
  y.set(first.y);
  y.set(rest.y, here);
  return { x, y };
}
