// What does a solver ask, and what is it told? It walks a path, and stops wherever it wants a prediction.
//
// A solver is a generator: it gives the x and the time to predict at, goes on with the noise that was seen there, and
// ends with the samples. Who predicts, and how long that takes, it never knows, so it is plain arithmetic, runs in any
// precision, and says beforehand where it will ask (`callsOf`).
import type { Level } from '../diffusion/levels.js';
import type { Path } from './path.js';

/** Solvers compute in double precision and keep x as it comes. */
export type Numbers = Float32Array | Float64Array;

/** Where a prediction is wanted. */
export interface Ask extends Level {
  /** [B, C, H, W] */
  readonly x: Numbers;
}

/** What the model sees there, [B, C, H, W]. */
export interface Seen {
  /** The noise in x. */
  readonly epsilon: Numbers;
  /** Learned variance: -1 is the smallest, 1 the largest that the posterior can have. Absent where it is not learned. */
  readonly variance?: Numbers | undefined;
}

export type Walk = Generator<Ask, Numbers, Seen>;

export interface WalkOptions {
  readonly path: Path;
  /** [B, C, H, W], as noisy as where the path begins. */
  readonly start: Numbers;
  /** Keep the predicted image within -1..1: for pixels, not for latents. */
  readonly clip: boolean;
  /** Standard normal noise of a stride, [B, C, H, W]; asked for only by strides that add some. */
  readonly noise: (stride: number) => Numbers;
}

/** Sum of the arrays, each times its weight, added up in double precision. */
export function blend(...terms: readonly [term: Term, ...others: Term[]]): Numbers {
  const [[, first]] = terms;
  const sum = new Float64Array(first.length);
  // Plain loops: x may have millions of numbers.
  for (const [weight, array] of terms)
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? NaN) + weight * (array[i] ?? NaN);
  return first instanceof Float32Array ? new Float32Array(sum) : sum;
}

type Term = readonly [weight: number, array: Numbers];

/**
 * Follows the noise from one level to another: x' = sqrt(alpha'/alpha) x + sqrt(alpha') (sigma' - sigma) epsilon, sigma
 * being noise over signal. It is a step of Euler's method in EDM's coordinates, DDIM without fresh noise (Song et al. 2021,
 * equation 12), DPM-Solver-1 (Lu et al. 2022) and the transfer of PNDM (Liu et al. 2022, equation 11).
 */
export function along(x: Numbers, epsilon: Numbers, alpha: number, alphaNext: number): Numbers {
  const keep = Math.sqrt(alphaNext / alpha);
  return blend([keep, x], [Math.sqrt(1 - alphaNext) - keep * Math.sqrt(1 - alpha), epsilon]);
}

/** The image that epsilon implies (DDPM, equation 15), within -1..1 if clipped. */
export function imageIn({ x, alpha }: Omit<Ask, 't'>, { epsilon }: Seen, clip: boolean): Numbers {
  const image = blend([1 / Math.sqrt(alpha), x], [-Math.sqrt((1 - alpha) / alpha), epsilon]);
  return clip ? image.map((value) => Math.min(1, Math.max(-1, value))) : image;
}

/** The noise beside that image: as predicted, unless clipped. */
export function noiseIn(ask: Omit<Ask, 't'>, seen: Seen, clip: boolean): Numbers {
  if (!clip) return seen.epsilon;
  const { x, alpha } = ask;
  const spread = Math.sqrt(1 - alpha);
  return blend([1 / spread, x], [-Math.sqrt(alpha) / spread, imageIn(ask, seen, clip)]);
}
