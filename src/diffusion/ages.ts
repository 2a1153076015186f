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
export function fullStepBefore(t: number, age: number, ages: Ages, diffusionSteps: number): number {
  return Math.min(diffusionSteps - 1, t + Math.round(age * strideOf(ages, diffusionSteps)));
}

/** Native t between two steps of that sampler. @param diffusionSteps T */
export function strideOf({ steps }: Pick<Ages, 'steps'>, diffusionSteps: number): number {
  return (diffusionSteps - 1) / Math.max(1, steps - 1);
}

/** One of the ages 1 to `every` - 1, all as likely. @param below a random whole number from 0 to n - 1 */
export function drawnAge({ every }: Ages, below: (n: number) => number): number {
  return 1 + below(every - 1);
}

/** Any age that rounds to one of those, as likely: for samplers of other numbers of steps. @param u uniform in [0, 1) */
export function ageBetween({ every }: Ages, u: number): number {
  return 0.5 + u * (every - 1);
}

/** The same memories counted in the steps of another sampler: as old at most, or one of its steps old. */
export function agesAt({ steps, every }: Ages, others: number): Ages {
  const strides = steps > 1 ? (others - 1) / (steps - 1) : 1;
  // A ratio that is whole must not fall below it by a rounding error.
  return { steps: others, every: 1 + Math.max(1, Math.floor((every - 1) * strides + 1e-9)) };
}
