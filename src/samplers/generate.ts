// How are many images drawn? Batch by batch, each sample with noise and a label of its own.
import { setImmediate } from 'node:timers/promises';
import { Interrupted } from '../errors.js';
import { initialNoise, stepNoise } from './noise.js';
import { sample, type SampleOptions } from './sampler.js';

/**
 * A prediction of what is in x, given labels.
 * @param x [B, C, H, W]
 * @param t native time
 * @param y labels: classes, or numbers of captions, [B]
 * @param call place among the solver's calls (`callsOf`), from 0
 */
export type DenoiseLabelled = (
  x: Float32Array,
  t: number,
  y: Int32Array,
  call: number,
) => Promise<Float32Array>;

export interface GenerateOptions extends Pick<SampleOptions, 'solver' | 'diffusion' | 'timesteps' | 'clip'> {
  readonly seed: number;
  /** Number of images. */
  readonly count: number;
  /** Images at once. */
  readonly batch: number;
  /** Numbers in one image, C * H * W. */
  readonly length: number;
  /** Number of classes, or of captions, which take turns. */
  readonly classes: number;
  readonly signal: AbortSignal;
}

/** Labels of images: classes or captions take turns. @param classes 0 is an unconditional model, whose label is always 0 */
export function labelsFor(from: number, count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (classes === 0 ? 0 : (from + i) % classes));
}

/**
 * Draws images `from` to `from + count - 1` of a seed: which they are does not depend on the batch.
 * @param onCall called after every call of the solver
 * @returns [count, C, H, W]
 */
export async function generateBatch(
  options: GenerateOptions,
  from: number,
  count: number,
  denoise: DenoiseLabelled,
  onCall?: () => void,
): Promise<Float32Array> {
  const { seed, length, classes, signal } = options;
  const samples = { from, count, length };
  const y = labelsFor(from, count, classes);
  return sample(
    { ...options, count, noise: stepNoise(seed, samples) },
    initialNoise(seed, samples),
    async (x, t, call) => {
      // An eager engine blocks the event loop while it computes; here signals and drawings get their turn.
      await setImmediate();
      return denoise(x, t, y, call);
    },
    () => {
      if (signal.aborted) throw new Interrupted('stopped while sampling; nothing was written.');
      onCall?.();
    },
  );
}
