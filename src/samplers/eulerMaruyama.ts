// How does Euler-Maruyama step? Song et al., "Score-Based Generative Modeling through SDEs", ICLR 2021.
import { impliedImage, type Move } from './move.js';
import { blend, type Numbers } from './walk.js';

/**
 * The reverse of dx = -beta x / 2 dt + sqrt(beta) dw (equation 11 with equation 6), with the integral of beta over the step,
 * b = ln(alpha' / alpha): x' = (1 + b/2) x - b epsilon / sqrt(1 - alpha) + sqrt(b) noise. A step to data adds nothing: there
 * the image that was seen is given, for the score is no more defined.
 */
export function eulerMaruyamaStep(move: Move): Numbers {
  const { x, alpha, alphaNext, clip } = move;
  const image = impliedImage(move);
  if (alphaNext === 1) return image;
  const b = Math.log(alphaNext / alpha);
  const spread = Math.sqrt(1 - alpha);
  // Where the image was clipped, the noise is what is left of x.
  const epsilon = clip ? blend([1 / spread, x], [-Math.sqrt(alpha) / spread, image]) : move.epsilon;
  return blend([1 + b / 2, x], [-b / spread, epsilon], [Math.sqrt(b), move.noise()]);
}
