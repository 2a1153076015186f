// Which way does a solver go from noise to data? Its strides, and the levels between them.
import type { Diffusion } from '../diffusion/betas.js';
import { levelAt, levelOfSigma, type Level } from '../diffusion/levels.js';

/** From a level to a less noisy one. */
export interface Stride extends Level {
  /** alphasCumprod where it goes; 1 is data. */
  readonly alphaNext: number;
}

export interface Path {
  /** From noise to data, at least one. */
  readonly strides: readonly Stride[];
  /** The level at a native t on the way. */
  at(t: number): Level;
  /** The level where noise over signal is sigma. */
  ofSigma(sigma: number): Level;
}

/**
 * The path through these times, and from the last one to the end.
 * @param timesteps native times, descending, from noise to data
 * @param end alphasCumprod where the samples end; unless given, data
 * @throws RangeError if the times do not descend
 */
export function pathThrough(diffusion: Diffusion, timesteps: readonly number[], end = 1): Path {
  const levels = timesteps.map((t) => levelAt(diffusion, t));
  return {
    strides: levels.map(({ t, alpha }, i) => {
      const alphaNext = levels[i + 1]?.alpha ?? end;
      if (!(alphaNext > alpha)) throw new RangeError(`timesteps do not descend after ${t}`);
      return { t, alpha, alphaNext };
    }),
    at: (t) => levelAt(diffusion, t),
    ofSigma: (sigma) => levelOfSigma(diffusion, sigma),
  };
}
