// What is step n trained on? Examples noised at times of the diffusion, some without their label.
import { batches, type BatchOptions } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { Diffusion } from '../diffusion/betas.js';
import { addNoise } from '../diffusion/forward.js';
import { stream } from '../random.js';
import { pairFeeds, type Pairs } from './pairs.js';
import { drawsTimes, type TimesRule } from './times.js';

export interface NoisyBatch {
  /** Noisy images or latents, [B, C, H, W]. */
  readonly x: Float32Array;
  /** The noise in them, as x. */
  readonly noise: Float32Array;
  /** Native t, [B]. */
  readonly t: Float32Array;
  /** Class labels, [B]; those that were dropped ask for nothing. */
  readonly y: Int32Array;
  /** Weights of each sample's errors, [B] each, such as `lambda`. */
  readonly weights: Readonly<Record<string, Float32Array>>;
  /** For heads that remember: the same images at the full-depth step before (`pairInputs`). */
  readonly before: Readonly<Record<string, Float32Array>>;
}

export interface NoisyBatchOptions extends BatchOptions {
  readonly diffusion: Diffusion;
  readonly times: TimesRule;
  /** Weights by native t, [T] each, under the names of the inputs that take them. */
  readonly timeWeights: Readonly<Record<string, Float32Array>>;
  /** Number by native t, [T]: the times of a batch come in descending order of it, in their own order unless given. */
  readonly deepestFirst?: Float32Array | undefined;
  /** Share of labels to drop, so that guidance has an unconditional model. */
  readonly labelDropout: number;
  /** The label that asks for nothing. */
  readonly none: number;
  /** How far the full-depth step before is; unless given, there is none. */
  readonly pairs?: Pairs | undefined;
}

/** Batches by step, counted from 0; the seed and the step alone decide what is in them. */
export function noisyBatches(
  dataset: Dataset,
  options: NoisyBatchOptions,
): (step: number) => Promise<NoisyBatch> {
  const { seed, batch, diffusion, times, timeWeights, deepestFirst, labelDropout, none, pairs } = options;
  const examples = batches(dataset, options);
  const timesOf = drawsTimes(times, diffusion);
  return async (step) => {
    const { x: clean, y: labels } = await examples(step);
    const random = stream(seed, 'training noise', step);
    const noise = random.normals(clean.length);
    const drawn = timesOf(random, batch);
    const depth = (at: number): number => deepestFirst?.[at] ?? 0;
    const t = deepestFirst ? drawn.toSorted((a, b) => depth(b) - depth(a)) : drawn;
    return {
      x: addNoise(diffusion, clean, noise, t),
      noise,
      t,
      y: labels.map((label) => (random.uniform() < labelDropout ? none : label)),
      // Ages have a stream of their own: they change nothing else.
      before: pairs ? pairFeeds(pairs, diffusion, { clean, noise, t }, stream(seed, 'ages', step)) : {},
      weights: Object.fromEntries(
        Object.entries(timeWeights).map(([name, weights]) => [name, t.map((at) => weights[at] ?? NaN)]),
      ),
    };
  };
}
