// Which averaged weights does a run keep? An exponential moving average with warm-up, inside the graph.
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/**
 * average + (1 - d) (weight - average), with d = min(decay, (1 + step) / (10 + step)), so that early averages do not
 * remember the initial weights for long. Pure, and may be traced.
 * @param average the averages so far, named like the weights
 * @param weights the weights after this step
 * @param step number of steps done, this one included; a scalar
 */
export function emaStep(average: Tensors, weights: Tensors, step: tf.Tensor, decay: number): Tensors {
  const warm = tf.div(tf.add(step, 1), tf.add(step, 10));
  const rate = tf.sub(1, tf.minimum(warm, decay));
  const next: Record<string, tf.Tensor> = {};
  for (const [name, weight] of Object.entries(weights)) {
    const old = average[name];
    if (!old) throw new Error(`ema: '${name}' is missing`);
    next[name] = tf.add(old, tf.mul(tf.sub(weight, old), rate));
  }
  return next;
}
