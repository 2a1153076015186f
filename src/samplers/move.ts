// What is one step of a solver that asks once in each? From a level to the next one, nearer data.
import type { Ask, Numbers, Seen, Walk, WalkOptions } from './walk.js';

/** One step of a batch. Arrays are [B, C, H, W]. */
export interface Move extends Omit<Ask, 't'>, Seen {
  /** alphasCumprod where the step goes; 1 is data. */
  readonly alphaNext: number;
  readonly clip: boolean;
  /** Standard normal noise for this step; called only where it is added. */
  noise(): Numbers;
}

/** One call for each stride. */
export function* walkBy({ path, start, clip, noise }: WalkOptions, step: (move: Move) => Numbers): Walk {
  let x = start;
  for (const [stride, { t, alpha, alphaNext }] of path.strides.entries()) {
    const seen = yield { x, t, alpha };
    x = step({ ...seen, x, alpha, alphaNext, clip, noise: () => noise(stride) });
  }
  return x;
}
