// How noisy is x at a time between two diffusion steps, and which time is as noisy as that?
import { alphaBar, type Diffusion } from './betas.js';

/** A noise level on the way from noise to data. */
export interface Level {
  /** Native t, which may lie between two diffusion steps. */
  readonly t: number;
  /** alphasCumprod there; 1 is data. */
  readonly alpha: number;
}

/** Noise over signal, sqrt((1 - alpha) / alpha): the sigma of EDM (Karras et al. 2022), whose x is ours / sqrt(alpha). */
export function sigmaOf(alpha: number): number {
  return Math.sqrt((1 - alpha) / alpha);
}

/** alphasCumprod where noise over signal is sigma. */
export function alphaOf(sigma: number): number {
  return 1 / (1 + sigma * sigma);
}

/** lambda = ln(sqrt(alpha) / sqrt(1 - alpha)): half the log-SNR, in which DPM-Solver counts (Lu et al. 2022). Infinite at data. */
export function lambdaOf(alpha: number): number {
  return -Math.log(sigmaOf(alpha));
}

/**
 * The level at native t; between two diffusion steps ln(sigma) grows evenly.
 * @throws RangeError if t is not between 0 and T-1
 */
export function levelAt(diffusion: Diffusion, t: number): Level {
  const below = Math.floor(t);
  if (below === t) return { t, alpha: alphaBar(diffusion, t) };
  const [low, high] = [logSigma(diffusion, below), logSigma(diffusion, below + 1)];
  return { t, alpha: alphaOf(Math.exp(low + (t - below) * (high - low))) };
}

/**
 * The level where noise over signal is sigma; `levelAt` the other way round. Beyond the diffusion's least and most noisy
 * step the time is that of the step, for the model knows no other.
 */
export function levelOfSigma(diffusion: Diffusion, sigma: number): Level {
  const wanted = Math.log(sigma);
  const alpha = alphaOf(sigma);
  let [low, high] = [0, diffusion.steps - 1];
  if (wanted <= logSigma(diffusion, low)) return { t: low, alpha };
  if (wanted >= logSigma(diffusion, high)) return { t: high, alpha };
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (logSigma(diffusion, middle) <= wanted) low = middle;
    else high = middle;
  }
  const [least, most] = [logSigma(diffusion, low), logSigma(diffusion, high)];
  return { t: low + (wanted - least) / (most - least), alpha };
}

function logSigma(diffusion: Diffusion, t: number): number {
  return -lambdaOf(alphaBar(diffusion, t));
}
