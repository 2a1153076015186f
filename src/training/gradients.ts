// What are the losses of a step, and which way do the weights go? Named gradients of several losses at once.
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

export interface LossesAndGradients {
  /** Each loss by itself, [K]. */
  readonly losses: tf.Tensor1D;
  /** Gradient of sum_k importance_k losses_k, by the weight's name. */
  readonly gradients: Tensors;
}

/**
 * @param weights what to differentiate by; whatever does not depend on them is best computed outside `lossesOf`,
 *   where no tape records it
 * @param importance how much each loss counts, [K]
 */
export function lossesAndGradients(
  weights: Tensors,
  importance: tf.Tensor1D,
  lossesOf: (weights: Tensors) => tf.Tensor1D,
): LossesAndGradients {
  const names = Object.keys(weights);
  const named = (tensors: readonly tf.Tensor[]): Tensors =>
    Object.fromEntries(names.flatMap((name, i) => (tensors[i] ? [[name, tensors[i]]] : [])));
  const { value, grads } = tf.valueAndGrads((...given: tf.Tensor[]) => lossesOf(named(given)))(
    Object.values(weights),
    importance,
  );
  return { losses: value, gradients: named(grads) };
}
