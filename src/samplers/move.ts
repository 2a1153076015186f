// What does a solver see, and what must it return? One step from a time to the next one, nearer data.

/** One step of a batch. Arrays are [B, C, H, W]. */
export interface Move {
  readonly x: Float32Array;
  /** The noise that the model sees in x. */
  readonly epsilon: Float32Array;
  /** Learned variance: -1 is the smallest, 1 the largest that the posterior can have. Absent where it is not learned. */
  readonly variance: Float32Array | undefined;
  /** alphasCumprod where x is. */
  readonly alpha: number;
  /** alphasCumprod where the step goes; 1 is data. */
  readonly alphaNext: number;
  /** Keep the predicted image within -1..1: for pixels, not for latents. */
  readonly clip: boolean;
  /** Standard normal noise for this step; called only where it is added. */
  noise(): Float32Array;
}

/** The image that epsilon implies in element i (DDPM, equation 15). */
export function impliedImage({ x, epsilon, alpha, clip }: Move, i: number): number {
  const x0 = ((x[i] ?? NaN) - Math.sqrt(1 - alpha) * (epsilon[i] ?? NaN)) / Math.sqrt(alpha);
  return clip ? Math.min(1, Math.max(-1, x0)) : x0;
}
