// How wrong is a prediction? Squared error of each sample, weighted by its time.
import { tf } from '../engine/tf.js';

/**
 * Mean over the samples of lambda_i times the mean over elements of (prediction - target)^2: the simple loss of DDPM
 * (Ho et al. 2020, equation 14) with a weight per time.
 * @param prediction [B, C, H, W]
 * @param target as prediction
 * @param lambda [B]
 * @returns a scalar
 */
export function weightedError(prediction: tf.Tensor, target: tf.Tensor, lambda: tf.Tensor): tf.Scalar {
  return tf.mean(tf.mul(lambda, errorOf(prediction, target)));
}

/** Mean over elements of (prediction - target)^2 for every sample, [B]. @param prediction [B, C, H, W], as target */
export function errorOf(prediction: tf.Tensor, target: tf.Tensor): tf.Tensor1D {
  return tf.mean(tf.square(tf.sub(prediction, target)), [1, 2, 3]);
}
