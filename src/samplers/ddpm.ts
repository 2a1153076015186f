// How does DDPM step? Ho et al. 2020; learned variance after Nichol and Dhariwal, "Improved DDPM", 2021.
import type { Move } from './move.js';
import { blend, imageIn, type Numbers } from './walk.js';

/** Where a model does not learn the variance: that of the posterior, or beta (DDPM, section 3.2). */
export const variances = ['small', 'large'] as const;
export type Variance = (typeof variances)[number];

/**
 * Draws from the posterior q(x' | x, x0) (DDPM, equation 7). Its variance is the posterior's own or beta, or, where the
 * model predicts one, between the two on a logarithmic scale (Improved DDPM, equation 15). A step to data adds nothing.
 */
export function ddpmStep(move: Move, fixed: Variance): Numbers {
  const { x, variance, alpha, alphaNext } = move;
  const keep = alpha / alphaNext;
  const beta = 1 - keep;
  const mean = blend(
    [(Math.sqrt(alphaNext) * beta) / (1 - alpha), imageIn(move, move, move.clip)],
    [(Math.sqrt(keep) * (1 - alphaNext)) / (1 - alpha), x],
  );
  if (alphaNext === 1) return mean;

  const smallest = Math.log((beta * (1 - alphaNext)) / (1 - alpha));
  const largest = Math.log(beta);
  const noise = move.noise();
  if (!variance) return blend([1, mean], [Math.exp({ small: smallest, large: largest }[fixed] / 2), noise]);
  const spread = (v: number): number => Math.exp((smallest + ((v + 1) / 2) * (largest - smallest)) / 2);
  return mean.map((value, i) => value + spread(variance[i] ?? NaN) * (noise[i] ?? NaN));
}
