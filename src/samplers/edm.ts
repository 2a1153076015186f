// How do the solvers of EDM step? Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
// NeurIPS 2022, algorithms 1 and 2.
import { sigmaOf, type Level } from '../diffusion/levels.js';
import type { Path, Stride } from './path.js';
import { eulerStages, heunStages, inStages } from './stages.js';
import { blend, type Numbers, type Walk, type WalkOptions } from './walk.js';

/** Fresh noise before each step (algorithm 2). Sigma is noise over signal. */
export interface Churn {
  /** S_churn: sigma grows by its share of one step, at most by sqrt(2); 0 adds none. */
  readonly amount: number;
  /** S_tmin and S_tmax: noise is added where sigma lies between the two. */
  readonly from: number;
  readonly to: number;
  /** S_noise: deviation of the noise that is added. */
  readonly deviation: number;
}

export const noChurn: Churn = { amount: 0, from: 0, to: Infinity, deviation: 1 };

/**
 * Euler's method (order 1) or Heun's (order 2). The step to data is Euler's: there is nothing to see in data.
 * A churned step asks at the time of the noise that it went back to, which may be before the one that was asked for last.
 */
export function* edm({ path, start, clip, noise }: WalkOptions, order: 1 | 2, churn: Churn = noChurn): Walk {
  let x = start;
  for (const [i, stride] of path.strides.entries()) {
    const from = churned(path, stride, churn);
    if (from !== stride) x = noisier(x, stride, from, blend([churn.deviation, noise(i)]));
    const next = path.strides[i + 1];
    const stages = order === 2 && next ? heunStages(from, next) : eulerStages(from, stride.alphaNext);
    ({ x } = yield* inStages(x, stages, clip));
  }
  return x;
}

/** Where a step really begins (algorithm 2, line 5): the stride's own level where nothing is added. */
function churned(path: Path, stride: Stride, { amount, from, to }: Churn): Level {
  const sigma = sigmaOf(stride.alpha);
  const gamma = Math.min(amount / path.strides.length, Math.SQRT2 - 1);
  return gamma > 0 && sigma >= from && sigma <= to ? path.ofSigma(sigma * (1 + gamma)) : stride;
}

/** x with so much noise that it is where `to` is (algorithm 2, line 6). */
function noisier(x: Numbers, from: Level, to: Level, noise: Numbers): Numbers {
  const keep = Math.sqrt(to.alpha / from.alpha);
  const added = Math.sqrt(sigmaOf(to.alpha) ** 2 - sigmaOf(from.alpha) ** 2);
  return blend([keep, x], [Math.sqrt(to.alpha) * added, noise]);
}
