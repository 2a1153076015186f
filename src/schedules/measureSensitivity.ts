// How are sensitivities measured? By making a mistake at every step of real trajectories, one at a time.
import type { Diffusion } from "../diffusion/betas.js";
import { levelAt } from "../diffusion/levels.js";
import { nearestTo } from "../diffusion/spacing.js";
import { Interrupted } from "../errors.js";
import { stream } from "../random.js";
import { labelsFor, type DenoiseLabelled } from "../samplers/generate.js";
import { initialNoise, stepNoise } from "../samplers/noise.js";
import {
  sample,
  type Denoise,
  type SampleOptions,
} from "../samplers/sampler.js";
import { callsOf } from "../samplers/solvers.js";
import { epsilonPer } from "../diffusion/prediction.js";
import type { Progress } from "../training/progress.js";
import type { MeasuredSensitivity } from "./sensitivity.js";

/** What predicts in one batch. */
export interface Predictors {
  readonly full: DenoiseLabelled;
  /** An early exit, whose difference from full depth is a mistake to follow. */
  readonly exit?: DenoiseLabelled | undefined;
}

export interface SensitivityOptions extends Pick<
  SampleOptions,
  "solver" | "timesteps" | "clip"
> {
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

/** Passes of the whole backbone that a measurement takes for each sample. @param calls of the solver */
export function sensitivityPasses(calls: number, kinds: number): number {
  return calls + (kinds * calls * (calls - 1)) / 2;
}

/**
 * S_i = E|x' - x|^2 / E|d_i|^2: x is the final sample at full depth throughout, x' the one whose prediction was wrong by
 * d_i at step i and at no other. For small mistakes that do not know of each other, sum_i S_i |d_i|^2 is how far a
 * schedule moves the sample, squared. Once d is white noise, once what an exit is off by at the same x. Channels of a
 * learned variance stay as they are; means are over elements. Where a solver asks several times in a step, a mistake is
 * made at each call, and S_i is the sum over the calls whose nearest timestep is i.
 * @throws Interrupted after the signal; nothing is kept of an unfinished measurement
 */
export async function measureSensitivity(
  options: SensitivityOptions,
): Promise<{
  readonly noise: MeasuredSensitivity;
  readonly exit: MeasuredSensitivity | undefined;
}> {
  const { timesteps, samples, seed, length, diffusion, signal, progress } =
    options;
  const calls = callsOf(options.solver, diffusion, timesteps);
  const ratios = (): Ratio[] => calls.map(() => ratio());
  const [noise, exit] = [ratios(), ratios()];
  let isExitMeasured = false;
  try {
    for (let from = 0; from < samples; from += options.batch) {
      const count = Math.min(options.batch, samples - from);
      const y = labelsFor(from, count, options.classes);
      const predictors = options.begin();
      const fresh = stepNoise(seed, { from, count, length });
      const start = initialNoise(seed, { from, count, length });
      const draw = (predict: Denoise): Promise<Float32Array> =>
        sample({ ...options, count, noise: fresh }, start, predict);
      const [xs, right]: [Float32Array[], Float32Array[]] = [[], []];
      const final = await draw(async (x, t, call) => {
        xs[call] = x;
        return (right[call] = (await predictors.full(x, t, y, call)).slice());
      });
      const follow = async (
        call: number,
        mistake: Float32Array,
        into: readonly Ratio[],
      ): Promise<void> => {
        const [t, truth] = [calls[call], right[call]];
        if (t === undefined || !truth)
          throw new Error(`call ${call} was not seen`);
        const wrong = plus(truth, mistake, count);
        // What came before is known; a solver that looks back looks at that.
        const moved = await draw((x, t, at) =>
          at > call
            ? predictors.full(x, t, y, at)
            : Promise.resolve((at === call ? wrong : right[at]) ?? wrong),
        );
        const scale = epsilonPer(
          diffusion.prediction,
          levelAt(diffusion, t).alpha,
        );
        for (let i = 0; i < count; i++)
          into[call]?.add(
            meanSquare(i, length, (j) => (moved[j] ?? NaN) - (final[j] ?? NaN)),
            scale * meanSquare(i, length, (j) => mistake[j] ?? NaN),
          );
      };
      for (const [call, t] of calls.entries()) {
        if (signal.aborted)
          throw new Interrupted(
            `stopped after ${from} of ${samples} samples; nothing was written.`,
          );
        await follow(call, whiteNoise(options, call, from, count), noise);
        if (predictors.exit) {
          const early = await predictors.exit(
            xs[call] ?? new Float32Array(),
            t,
            y,
            call,
          );
          await follow(
            call,
            minus(early, right[call] ?? new Float32Array(), count, length),
            exit,
          );
          isExitMeasured = true;
        }
        progress.update(
          from * calls.length + (call + 1) * count,
          samples * calls.length,
          {},
        );
      }
    }
  } finally {
    progress.end();
  }
  const nearest = calls.map((t) => nearestTo(timesteps, t));
  const ofSteps = (ratios: readonly Ratio[]): MeasuredSensitivity =>
    measuredOf(
      timesteps.map((_, step) =>
        ratios.filter((_, call) => nearest[call] === step),
      ),
    );
  return {
    noise: ofSteps(noise),
    exit: isExitMeasured ? ofSteps(exit) : undefined,
  };
}

/** [count, length], each sample with its own. */
function whiteNoise(
  { seed, deviation, length }: SensitivityOptions,
  step: number,
  from: number,
  count: number,
): Float32Array {
  const out = new Float32Array(count * length);
  for (let i = 0; i < count; i++)
    out.set(
      stream(seed, `mistake at step ${step}`, from + i).normals(length),
      i * length,
    );
  return out.map((value) => deviation * value);
}

/** A prediction with a mistake in what is not its variance. @param prediction [count, length] or [count, 2 length] */
function plus(
  prediction: Float32Array,
  mistake: Float32Array,
  count: number,
): Float32Array {
  const [each, length] = [prediction.length / count, mistake.length / count];
  return prediction.map((value, j) =>
    j % each < length
      ? value + (mistake[Math.floor(j / each) * length + (j % each)] ?? NaN)
      : value,
  );
}

/** What one prediction is off from another, without the variance, [count, length]. */
function minus(
  early: Float32Array,
  full: Float32Array,
  count: number,
  length: number,
): Float32Array {
  const each = full.length / count;
  return Float32Array.from({ length: count * length }, (_, j) => {
    const at = Math.floor(j / length) * each + (j % length);
    return (early[at] ?? NaN) - (full[at] ?? NaN);
  });
}

/** Mean over the elements of sample i. */
function meanSquare(
  i: number,
  length: number,
  value: (j: number) => number,
): number {
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
      const spread =
        sum(([above, below]) => (above - r * below) ** 2) / (n - 1);
      return Math.sqrt(spread / n) / (below / n);
    },
  };
}

/** Of the calls of each step; standard errors add up where they may be alike. */
function measuredOf(steps: readonly (readonly Ratio[])[]): MeasuredSensitivity {
  const sum = (
    ratios: readonly Ratio[],
    of: (ratio: Ratio) => number,
  ): number => ratios.reduce((total, one) => total + of(one), 0);
  return {
    value: steps.map((ratios) => sum(ratios, (one) => one.value())),
    standardError: steps.map((ratios) =>
      sum(ratios, (one) => one.standardError()),
    ),
  };
}
