// How does DDIM step? Song et al., "Denoising Diffusion Implicit Models", ICLR 2021.
import { impliedImage, type Move } from './move.js';

/**
 * Equation 12: sqrt(a') x0 + sqrt(1 - a' - sigma^2) epsilon + sigma noise, with sigma of equation 16. Clipping changes
 * x0 alone; epsilon stays as predicted, and a learned variance is not used.
 * @param eta 0 is deterministic, 1 has the variance of DDPM
 */
export function ddimStep(move: Move, eta: number): Float32Array {
  const { epsilon, alpha, alphaNext } = move;
  const sigma = eta * Math.sqrt(((1 - alphaNext) / (1 - alpha)) * (1 - alpha / alphaNext));
  const [image, direction] = [Math.sqrt(alphaNext), Math.sqrt(Math.max(0, 1 - alphaNext - sigma * sigma))];
  const noise = sigma > 0 ? move.noise() : undefined;
  return epsilon.map(
    (e, i) => image * impliedImage(move, i) + direction * e + (noise ? sigma * (noise[i] ?? NaN) : 0),
  );
}
