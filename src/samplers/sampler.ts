// How do noise and a denoiser become samples? A solver sees (x, t) -> prediction; which exit made it is not its business.
import { alphaBar, type Diffusion } from '../diffusion/betas.js';
import { epsilonFrom } from '../diffusion/prediction.js';
import { UserError } from '../errors.js';
import { solve, type Solver } from './solvers.js';

/**
 * A prediction of what is in x, of the kind that the diffusion says.
 * @param x [B, C, H, W]
 * @param t native time, the same for all samples
 * @param step place of t among the timesteps, from 0
 * @returns [B, C, H, W], or [B, 2C, H, W] with the learned variance of each sample after its prediction
 */
export type Denoise = (x: Float32Array, t: number, step: number) => Promise<Float32Array>;

export interface SampleOptions {
  readonly solver: Solver;
  readonly diffusion: Diffusion;
  /** Native times in sampling order: descending, from noise to data (`respace`). */
  readonly timesteps: readonly number[];
  /** Keep predicted images within -1..1: for pixels, not for latents. */
  readonly clip: boolean;
  /** Number of samples, B. */
  readonly count: number;
  /** Standard normal noise of a step, [B, C, H, W]; asked for only by steps that add noise (`stepNoise`). */
  noise(step: number): Float32Array;
}

/**
 * Samples from noise to data.
 * @param start standard normal noise, [B, C, H, W] (`initialNoise`)
 * @param onStep called after every step with the number of steps done
 * @returns [B, C, H, W]
 * @throws UserError if the denoiser predicts NaN or infinity
 */
export async function sample(
  options: SampleOptions,
  start: Float32Array,
  denoise: Denoise,
  onStep?: (done: number) => void,
): Promise<Float32Array> {
  const { solver, diffusion, timesteps, clip, count } = options;
  const alphas = [...timesteps.map((t) => alphaBar(diffusion, t)), 1];
  let x = start;
  for (const [step, t] of timesteps.entries()) {
    const [alpha = NaN, alphaNext = NaN] = alphas.slice(step, step + 2);
    if (!(alphaNext > alpha)) throw new RangeError(`timesteps do not descend after ${t}`);
    const prediction = await denoise(x, t, step);
    requireFinite(prediction, t);
    const noise = (): Float32Array => options.noise(step);
    const { predicted, variance } = split(prediction, x.length, count);
    // Solvers know epsilon alone.
    const epsilon = epsilonFrom(diffusion.prediction, x, predicted, alpha);
    x = solve(solver, { x, epsilon, variance, alpha, alphaNext, clip, noise });
    onStep?.(step + 1);
  }
  return x;
}

/** What is predicted of x, and the learned variance, of a prediction of `size` or twice as many numbers. */
function split(
  prediction: Float32Array,
  size: number,
  count: number,
): { predicted: Float32Array; variance: Float32Array | undefined } {
  if (prediction.length === size) return { predicted: prediction, variance: undefined };
  const length = size / count;
  if (prediction.length !== 2 * size || !Number.isInteger(length))
    throw new RangeError(`a prediction has ${prediction.length} numbers for ${count} samples of ${length}`);
  const [predicted, variance] = [new Float32Array(size), new Float32Array(size)];
  for (let i = 0; i < count; i++) {
    const at = 2 * i * length;
    predicted.set(prediction.subarray(at, at + length), i * length);
    variance.set(prediction.subarray(at + length, at + 2 * length), i * length);
  }
  return { predicted, variance };
}

function requireFinite(prediction: Float32Array, t: number): void {
  const found = prediction.find((value) => !Number.isFinite(value));
  if (found !== undefined)
    throw new UserError(
      `the model predicts ${found} at native t ${t}. Check its weights (\`exithead inspect\`) and that x is scaled as in training.`,
    );
}
