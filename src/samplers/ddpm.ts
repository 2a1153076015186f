// How does DDPM step? Ho et al. 2020; learned variance after Nichol and Dhariwal, "Improved DDPM", 2021.
import { impliedImage, type Move } from './move.js';

/**
 * Draws from the posterior q(x' | x, x0) (DDPM, equation 7). Its variance is the posterior's own, or, where the model
 * predicts one, between that and beta on a logarithmic scale (Improved DDPM, equation 15). The last step adds nothing.
 */
export function ddpmStep(move: Move): Float32Array {
  const { x, variance, alpha, alphaNext } = move;
  const keep = alpha / alphaNext;
  const beta = 1 - keep;
  const image = (Math.sqrt(alphaNext) * beta) / (1 - alpha);
  const current = (Math.sqrt(keep) * (1 - alphaNext)) / (1 - alpha);
  const mean = x.map((value, i) => image * impliedImage(move, i) + current * value);
  if (alphaNext === 1) return mean;

  const smallest = Math.log((beta * (1 - alphaNext)) / (1 - alpha));
  const largest = Math.log(beta);
  const fixed = Math.exp(smallest / 2);
  const spread = (v: number): number => Math.exp((smallest + ((v + 1) / 2) * (largest - smallest)) / 2);
  const noise = move.noise();
  return mean.map((value, i) => value + (variance ? spread(variance[i] ?? NaN) : fixed) * (noise[i] ?? NaN));
}
