// What does a model predict of x_t, and what noise does it see there? Each kind of prediction is a mixture of the two.
import { unreachable } from '../errors.js';

/**
 * What a backbone predicts of x = sqrt(a) x0 + sqrt(1 - a) epsilon, a = alphasCumprod[t]:
 * - epsilon: the noise (DDPM, Ho et al. 2020);
 * - x0: the image;
 * - v: sqrt(a) epsilon - sqrt(1 - a) x0 (Salimans and Ho, "Progressive Distillation", ICLR 2022, section 4);
 * - flow: epsilon - x0, the velocity of the straight path x_s = (1 - s) x0 + s epsilon (Liu et al., "Rectified Flow",
 *   ICLR 2023) where it is as noisy as x: at s = sqrt(1 - a) / (sqrt(a) + sqrt(1 - a)), where x_s is x divided by
 *   sqrt(a) + sqrt(1 - a).
 */
export const predictionKinds = ['epsilon', 'x0', 'v', 'flow'] as const;
export type PredictionKind = (typeof predictionKinds)[number];

/** A prediction as `x` times the noisy image plus `noise` times the noise in it. */
export interface Mixture {
  readonly x: number;
  /** Never 0: the noise follows from the prediction. */
  readonly noise: number;
}

/**
 * What a perfect prediction is made of. It follows from x0 = (x - sqrt(1 - a) epsilon) / sqrt(a) (DDPM, equation 15).
 * @param a alphasCumprod, between 0 and 1
 */
export function mixtureOf(prediction: PredictionKind, a: number): Mixture {
  const [signal, spread] = [Math.sqrt(a), Math.sqrt(1 - a)];
  switch (prediction) {
    case 'epsilon':
      return { x: 0, noise: 1 };
    case 'x0':
      return { x: 1 / signal, noise: -spread / signal };
    case 'v':
      return { x: -spread / signal, noise: 1 / signal };
    case 'flow':
      return { x: -1 / signal, noise: 1 + spread / signal };
    default:
      return unreachable(prediction);
  }
}

/**
 * The noise that a prediction sees in x.
 * @param predicted as x; itself where it is the noise
 * @param a alphasCumprod where x is
 */
export function epsilonFrom(
  prediction: PredictionKind,
  x: Float32Array,
  predicted: Float32Array,
  a: number,
): Float32Array {
  if (prediction === 'epsilon') return predicted;
  const mixture = mixtureOf(prediction, a);
  return predicted.map((value, i) => (value - mixture.x * (x[i] ?? NaN)) / mixture.noise);
}

/**
 * Squared error of epsilon over that of the prediction it follows from, at the same x: of x0 a / (1 - a), of v a, of
 * flow a / (sqrt(a) + sqrt(1 - a))^2. Guidance, which mixes two predictions at the same x, is the same in every kind.
 */
export function epsilonPer(prediction: PredictionKind, a: number): number {
  return 1 / mixtureOf(prediction, a).noise ** 2;
}
