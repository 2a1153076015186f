// How do noise and a denoiser become samples? A solver sees (x, t) -> prediction; which exit made it is not its business.
import type { Diffusion } from '../diffusion/betas.js';
import { epsilonFrom } from '../diffusion/prediction.js';
import { UserError } from '../errors.js';
import { pathThrough } from './path.js';
import { solve, type Solver } from './solvers.js';
import type { Numbers } from './walk.js';

/**
 * A prediction of what is in x, of the kind that the diffusion says.
 * @param x [B, C, H, W]
 * @param t native time, the same for all samples; between two diffusion steps where a solver asks there
 * @param call place among the solver's calls (`callsOf`), from 0
 * @returns [B, C, H, W], or [B, 2C, H, W] with the learned variance of each sample after its prediction
 */
export type Denoise = (x: Float32Array, t: number, call: number) => Promise<Float32Array>;

export interface SampleOptions {
  readonly solver: Solver;
  readonly diffusion: Diffusion;
  /** Native times in sampling order: descending, from noise to data (`respace`). */
  readonly timesteps: readonly number[];
  /** Keep predicted images within -1..1: for pixels, not for latents. */
  readonly clip: boolean;
  /** Number of samples, B. */
  readonly count: number;
  /** Standard normal noise of a timestep, [B, C, H, W]; asked for only by steps that add noise (`stepNoise`). */
  noise(step: number): Float32Array;
}

/**
 * Samples from noise to data.
 * @param start standard normal noise, [B, C, H, W] (`initialNoise`)
 * @param onCall called after every call of the denoiser with the number of calls done, of `callsOf`
 * @returns [B, C, H, W]
 * @throws UserError if the denoiser predicts NaN or infinity
 */
export async function sample(
  options: SampleOptions,
  start: Float32Array,
  denoise: Denoise,
  onCall?: (done: number) => void,
): Promise<Float32Array> {
  const { solver, diffusion, timesteps, clip, count } = options;
  const path = pathThrough(diffusion, timesteps);
  const walk = solve(solver, { path, start, clip, noise: (step) => options.noise(step) });
  let next = walk.next();
  for (let call = 0; !next.done; call++) {
    const { t, alpha, ...at } = next.value;
    const x = single(at.x);
    const prediction = await denoise(x, t, call);
    requireFinite(prediction, t);
    const { predicted, variance } = split(prediction, x.length, count);
    // Solvers know epsilon alone.
    next = walk.next({ epsilon: epsilonFrom(diffusion.prediction, x, predicted, alpha), variance });
    onCall?.(call + 1);
  }
  return single(next.value);
}

/** x as engines take it; it has been that since the start. */
function single(x: Numbers): Float32Array {
  return x instanceof Float32Array ? x : Float32Array.from(x);
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
