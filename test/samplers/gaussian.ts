// Images whose numbers are normal: the best prediction and the exact way to data are closed forms.
import { alphaOf } from '../../src/diffusion/levels.js';
import type { Path } from '../../src/samplers/path.js';
import { solve, type Solver } from '../../src/samplers/solvers.js';

export const [mean, deviation] = [0.4, 0.3];

/** The mean of the noise in x. */
export function bestNoise(x: number, alpha: number): number {
  const signal = Math.sqrt(alpha);
  const variance = alpha * deviation ** 2 + 1 - alpha;
  return (Math.sqrt(1 - alpha) * (x - signal * mean)) / variance;
}

/** Where the probability flow (Song et al. 2021, equation 13) takes x. */
export function exact(x: number, alpha: number, alphaNext: number): number {
  const spread = (a: number): number => Math.sqrt(a * deviation ** 2 + 1 - a);
  return Math.sqrt(alphaNext) * mean + ((x - Math.sqrt(alpha) * mean) * spread(alphaNext)) / spread(alpha);
}

/** Even steps of lambda, whose time is -lambda. */
export function lambdaPath(from: number, to: number, steps: number): Path {
  const alphaAt = (lambda: number): number => alphaOf(Math.exp(-lambda));
  const lambdas = Array.from({ length: steps + 1 }, (_, i) => from + (i / steps) * (to - from));
  return {
    strides: lambdas.slice(0, -1).map((lambda, i) => ({
      ...{ t: -lambda, alpha: alphaAt(lambda) },
      alphaNext: alphaAt(lambdas[i + 1] ?? NaN),
    })),
    at: (t) => ({ t, alpha: alphaAt(-t) }),
    ofSigma: (sigma) => ({ t: Math.log(sigma), alpha: alphaOf(sigma) }),
  };
}

export interface Walked {
  readonly x: Float64Array;
  readonly times: readonly number[];
}

/** @param noise of each stride, the same for all numbers; none unless given */
export function walkThrough(
  solver: Solver,
  path: Path,
  start: readonly number[],
  noise: (stride: number) => number = () => NaN,
  clip = false,
): Walked {
  const walk = solve(solver, {
    ...{ path, clip, start: Float64Array.from(start) },
    noise: (stride) => new Float64Array(start.length).fill(noise(stride)),
  });
  const times: number[] = [];
  let next = walk.next();
  while (!next.done) {
    const { x, t, alpha } = next.value;
    times.push(t);
    next = walk.next({ epsilon: Float64Array.from(x, (value) => bestNoise(value, alpha)) });
  }
  return { x: Float64Array.from(next.value), times };
}
