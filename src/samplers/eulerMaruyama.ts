// How does Euler-Maruyama step? Song et al., "Score-Based Generative Modeling through SDEs", ICLR 2021.
import type { Move } from './move.js';
import { blend, imageIn, noiseIn, type Numbers } from './walk.js';

/**
 * The reverse of dx = -beta x / 2 dt + sqrt(beta) dw (equation 11 with equation 6), with the integral of beta over the step,
 * b = ln(alpha' / alpha): x' = (1 + b/2) x - b epsilon / sqrt(1 - alpha) + sqrt(b) noise. A step to data adds nothing: there
 * the image that was seen is given, for the score is no more defined.
 */
export function eulerMaruyamaStep(move: Move): Numbers {
  const { x, alpha, alphaNext, clip } = move;
  if (alphaNext === 1) return imageIn(move, move, clip);
  const b = Math.log(alphaNext / alpha);
  const drift = -b / Math.sqrt(1 - alpha);
  return blend([1 + b / 2, x], [drift, noiseIn(move, move, clip)], [Math.sqrt(b), move.noise()]);
}
