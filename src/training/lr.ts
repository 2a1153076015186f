// Which learning rate does step n use?

export interface LearningRate {
  /** Learning rate after warm-up. */
  readonly lr: number;
  /** Steps in which it rises in equal parts. */
  readonly warmup: number;
  /** Steps of the whole run. */
  readonly steps: number;
  /** Where the cosine ends. */
  readonly floor: number;
}

/**
 * Linear warm-up, then half a cosine from `lr` to `floor` (Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5,
 * without restarts). No step runs at 0: the first one takes lr / (warmup + 1).
 * @param step number of steps done before, 0 for the first one
 */
export function learningRate({ lr, warmup, steps, floor }: LearningRate, step: number): number {
  if (step < warmup) return (lr * (step + 1)) / (warmup + 1);
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return floor + ((lr - floor) * (1 + Math.cos(Math.PI * progress))) / 2;
}
