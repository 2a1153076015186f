// How do two ways of denoising compare on the same noise, in images and in seconds?
import { performance } from 'node:perf_hooks';
import { generateBatch, labelsFor, type DenoiseLabelled, type GenerateOptions } from './generate.js';
import { callsOf } from './solvers.js';

/** A way of denoising, such as `scheduled` or `full`. */
export interface Way {
  readonly name: string;
  /** Steps of its own; unless given, those of all. */
  readonly timesteps?: readonly number[];
  /** Starts one batch: what a way remembers from step to step belongs to that batch alone. */
  begin(): DenoiseLabelled;
}

/** What one way drew. */
export interface Drawn {
  readonly name: string;
  /** [count, C, H, W] */
  readonly images: Float32Array;
  /** Time spent sampling. */
  readonly seconds: number;
}

/**
 * Draws the same images in several ways, which must be warm. They take turns batch by batch, so that a machine that
 * drifts slows all of them alike.
 * @param onCall called after every call of the solver with how many are done, of how many
 */
export async function drawAll(
  options: GenerateOptions,
  ways: readonly Way[],
  onCall: (done: number, total: number) => void,
): Promise<{ readonly labels: Int32Array; readonly drawn: readonly Drawn[] }> {
  const { solver, diffusion, count, batch, length, classes } = options;
  const sets = ways.map((way) => ({
    ...{ way, timesteps: way.timesteps ?? options.timesteps },
    images: new Float32Array(count * length),
    seconds: 0,
  }));
  const calls = sets.map(({ timesteps }) => callsOf(solver, diffusion, timesteps).length);
  const total = Math.ceil(count / batch) * calls.reduce((sum, each) => sum + each, 0);
  let done = 0;
  for (let from = 0; from < count; from += batch) {
    const some = Math.min(batch, count - from);
    for (const set of sets) {
      const { way, timesteps } = set;
      const { images, seconds } = await timedBatch({ ...options, timesteps }, from, some, way, () =>
        onCall(++done, total),
      );
      set.seconds += seconds;
      set.images.set(images, from * length);
    }
  }
  const drawn = sets.map(({ way, images, seconds }) => ({ name: way.name, images, seconds }));
  return { labels: labelsFor(0, count, classes), drawn };
}

/**
 * Samples `from` to `from + count - 1` of one way, which must be warm.
 * @param options of all ways; its timesteps are those of this way
 * @returns [count, C, H, W], and the time spent sampling
 */
export async function timedBatch(
  options: GenerateOptions,
  from: number,
  count: number,
  way: Way,
  onCall?: () => void,
): Promise<Omit<Drawn, 'name'>> {
  const start = performance.now();
  const images = await generateBatch(options, from, count, way.begin(), onCall);
  return { images, seconds: (performance.now() - start) / 1000 };
}

/** Mean squared difference of two sets of images: how far a shortcut drifts from full depth. */
export function drift(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new RangeError(`sets of ${a.length} and ${b.length} numbers`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] ?? NaN) - (b[i] ?? NaN)) ** 2;
  return a.length === 0 ? 0 : sum / a.length;
}
