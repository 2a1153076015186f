// How does DDIM step? Song et al., "Denoising Diffusion Implicit Models", ICLR 2021.
import type { Move } from './move.js';
import { blend, imageIn, type Numbers } from './walk.js';

/**
 * Equation 12: sqrt(a') x0 + sqrt(1 - a' - sigma^2) epsilon + sigma noise, with sigma of equation 16. Clipping changes
 * x0 alone; epsilon stays as predicted, and a learned variance is not used.
 * @param eta 0 is deterministic, 1 has the variance of DDPM and is what Karras et al. call Euler ancestral
 */
export function ddimStep(move: Move, eta: number): Numbers {
  const { epsilon, alpha, alphaNext } = move;
  const sigma = eta * Math.sqrt(((1 - alphaNext) / (1 - alpha)) * (1 - alpha / alphaNext));
  const mean = blend(
    [Math.sqrt(alphaNext), imageIn(move, move, move.clip)],
    [Math.sqrt(Math.max(0, 1 - alphaNext - sigma * sigma)), epsilon],
  );
  return sigma > 0 ? blend([1, mean], [sigma, move.noise()]) : mean;
}
