// Which channels of a prediction say what? Those of what is predicted of x come first, then those of a learned variance.
import { tf } from '../engine/tf.js';

/** The channels that predict epsilon, without those of a learned variance. @param channels how many those are */
export function epsilonOf(prediction: tf.Tensor4D, channels: number): tf.Tensor4D {
  const [, all, height, width] = prediction.shape;
  return all === channels ? prediction : tf.slice(prediction, [0, 0, 0, 0], [-1, channels, height, width]);
}

/** The channels that predict variance, after those of epsilon. @param channels how many those are */
export function varianceOf(prediction: tf.Tensor4D, channels: number): tf.Tensor4D {
  const [, all, height, width] = prediction.shape;
  if (all !== 2 * channels) throw new Error(`${all} channels hold no variance of ${channels}`);
  return tf.slice(prediction, [0, channels, 0, 0], [-1, channels, height, width]);
}
