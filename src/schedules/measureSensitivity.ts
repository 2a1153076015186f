// How are sensitivities measured? By making a mistake at every step of real trajectories, one at a time.
import { alphaBar, type Diffusion } from '../diffusion/betas.js';
import { Interrupted } from '../errors.js';
import { stream } from '../random.js';
import { labelsFor, type DenoiseLabelled } from '../samplers/generate.js';
import { initialNoise, stepNoise } from '../samplers/noise.js';
import { sample, type SampleOptions } from '../samplers/sampler.js';
import { epsilonPer } from '../diffusion/prediction.js';
import type { Progress } from '../training/progress.js';
import type { MeasuredSensitivity } from './sensitivity.js';

/** What predicts in one batch. */
export interface Predictors {
  readonly full: DenoiseLabelled;
  /** An early exit, whose difference from full depth is a mistake to follow. */
  readonly exit?: DenoiseLabelled | undefined;
}

export interface SensitivityOptions extends Pick<SampleOptions, 'solver' | 'timesteps' | 'clip'> {
  /** Sensitivities are to mistakes in epsilon, whatever it says is predicted. */
  readonly diffusion: Diffusion;
  readonly seed: number;
  /** Trajectories, at least 2. */
  readonly samples: number;
  readonly batch: number;
  /** Numbers in one sample, C * H * W. */
  readonly length: number;
  readonly classes: number;
  /** Of the noise that is added to predictions. */
  readonly deviation: number;
  begin(): Predictors;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Passes of the whole backbone that a measurement takes for each sample. */
export function sensitivityPasses(steps: number, kinds: number): number {
  return steps + (kinds * steps * (steps - 1)) / 2;
}

/**
 * S_i = E|x' - x|^2 / E|d_i|^2: x is the final sample at full depth throughout, x' the one whose prediction was wrong by
 * d_i at step i and at no other. For small mistakes that do not know of each other, sum_i S_i |d_i|^2 is how far a
 * schedule moves the sample, squared. Once d is white noise, once what an exit is off by at the same x. Channels of a
 * learned variance stay as they are; means are over elements.
 * @throws Interrupted after the signal; nothing is kept of an unfinished measurement
 */
export async function measureSensitivity(
  options: SensitivityOptions,
): Promise<{ readonly noise: MeasuredSensitivity; readonly exit: MeasuredSensitivity | undefined }> {
  const { timesteps, samples, seed, length, diffusion, signal, progress } = options;
  const ratios = (): Ratio[] => timesteps.map(() => ratio());
  const [noise, exit] = [ratios(), ratios()];
  let isExitMeasured = false;
  try {
    for (let from = 0; from < samples; from += options.batch) {
      const count = Math.min(options.batch, samples - from);
      const y = labelsFor(from, count, options.classes);
      const predictors = options.begin();
      const fresh = stepNoise(seed, { from, count, length });
      /** Goes on from x, before step `first`; `full` predicts from there on, unless told. */
      const goOn = (x: Float32Array, first: number, predict: Predict): Promise<Float32Array> =>
        sample(
          { ...options, timesteps: timesteps.slice(first), count, noise: (step) => fresh(first + step) },
          x,
          (x, t, step) => predict(x, t, first + step),
        );
      const [xs, right]: [Float32Array[], Float32Array[]] = [[], []];
      const final = await goOn(initialNoise(seed, { from, count, length }), 0, async (x, t, step) => {
        xs[step] = x;
        return (right[step] = (await predictors.full(x, t, y)).slice());
      });
      const follow = async (step: number, mistake: Float32Array, into: readonly Ratio[]): Promise<void> => {
        const [x, t, truth] = [xs[step], timesteps[step], right[step]];
        if (!x || t === undefined || !truth) throw new Error(`step ${step} was not seen`);
        const wrong = plus(truth, mistake, count);
        const moved = await goOn(x, step, (x, t, at) =>
          at === step ? Promise.resolve(wrong) : predictors.full(x, t, y),
        );
        const scale = epsilonPer(diffusion.prediction, alphaBar(diffusion, t));
        for (let i = 0; i < count; i++)
          into[step]?.add(
            meanSquare(i, length, (j) => (moved[j] ?? NaN) - (final[j] ?? NaN)),
            scale * meanSquare(i, length, (j) => mistake[j] ?? NaN),
          );
      };
      for (const [step, t] of timesteps.entries()) {
        if (signal.aborted)
          throw new Interrupted(`stopped after ${from} of ${samples} samples; nothing was written.`);
        await follow(step, whiteNoise(options, step, from, count), noise);
        if (predictors.exit) {
          const early = await predictors.exit(xs[step] ?? new Float32Array(), t, y);
          await follow(step, minus(early, right[step] ?? new Float32Array(), count, length), exit);
          isExitMeasured = true;
        }
        progress.update(from * timesteps.length + (step + 1) * count, samples * timesteps.length, {});
      }
    }
  } finally {
    progress.end();
  }
  return { noise: measuredOf(noise), exit: isExitMeasured ? measuredOf(exit) : undefined };
}

type Predict = (x: Float32Array, t: number, step: number) => Promise<Float32Array>;

/** [count, length], each sample with its own. */
function whiteNoise(
  { seed, deviation, length }: SensitivityOptions,
  step: number,
  from: number,
  count: number,
): Float32Array {
  const out = new Float32Array(count * length);
  for (let i = 0; i < count; i++)
    out.set(stream(seed, `mistake at step ${step}`, from + i).normals(length), i * length);
  return out.map((value) => deviation * value);
}

/** A prediction with a mistake in what is not its variance. @param prediction [count, length] or [count, 2 length] */
function plus(prediction: Float32Array, mistake: Float32Array, count: number): Float32Array {
  const [each, length] = [prediction.length / count, mistake.length / count];
  return prediction.map((value, j) =>
    j % each < length ? value + (mistake[Math.floor(j / each) * length + (j % each)] ?? NaN) : value,
  );
}

/** What one prediction is off from another, without the variance, [count, length]. */
function minus(early: Float32Array, full: Float32Array, count: number, length: number): Float32Array {
  const each = full.length / count;
  return Float32Array.from({ length: count * length }, (_, j) => {
    const at = Math.floor(j / length) * each + (j % length);
    return (early[at] ?? NaN) - (full[at] ?? NaN);
  });
}

/** Mean over the elements of sample i. */
function meanSquare(i: number, length: number, value: (j: number) => number): number {
  let sum = 0;
  for (let j = i * length; j < (i + 1) * length; j++) sum += value(j) ** 2;
  return sum / length;
}

/** A ratio of means over samples. */
interface Ratio {
  add(above: number, below: number): void;
  value(): number;
  /** By the delta method: deviation of above - value * below, over sqrt(count) times the mean of below. */
  standardError(): number;
}

function ratio(): Ratio {
  const pairs: (readonly [number, number])[] = [];
  const sum = (of: (pair: readonly [number, number]) => number): number =>
    pairs.reduce((total, pair) => total + of(pair), 0);
  const value = (): number => {
    const below = sum(([, below]) => below);
    // An exit that is right at a step shows nothing of it.
    return below > 0 ? sum(([above]) => above) / below : 0;
  };
  return {
    add: (above, below) => void pairs.push([above, below]),
    value,
    standardError() {
      const [r, n, below] = [value(), pairs.length, sum(([, below]) => below)];
      if (n < 2 || !(below > 0)) return 0;
      const spread = sum(([above, below]) => (above - r * below) ** 2) / (n - 1);
      return Math.sqrt(spread / n) / (below / n);
    },
  };
}

function measuredOf(ratios: readonly Ratio[]): MeasuredSensitivity {
  return {
    value: ratios.map((one) => one.value()),
    standardError: ratios.map((one) => one.standardError()),
  };
}
