// How long ago was the last full-depth step? Steps of a sampler that runs every few of them at full depth.

/** The sampler that heads which remember are made for. */
export interface Ages {
  /** Steps of the sampler. */
  readonly steps: number;
  /** Every how many of them is at full depth at most: a memory is 1 to `every` - 1 steps old. */
  readonly every: number;
}

/**
 * Native t of the full-depth step that is `age` steps of an evenly spaced sampler before t; the first step of a sampler is
 * always one, so it is T - 1 at most.
 * @param diffusionSteps T
 */
export function fullStepBefore(t: number, age: number, { steps }: Ages, diffusionSteps: number): number {
  const stride = (diffusionSteps - 1) / Math.max(1, steps - 1);
  return Math.min(diffusionSteps - 1, t + Math.round(age * stride));
}

/** One of the ages 1 to `every` - 1, all as likely. @param below a random whole number from 0 to n - 1 */
export function drawnAge({ every }: Ages, below: (n: number) => number): number {
  return 1 + below(every - 1);
}
