// How do the two halves of a guided batch travel between steps? In a dimension of their own, so that inputs agree on B.
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/** [2, B, ...] as [2 B, ...]. */
export function joined(tensors: Tensors): Tensors {
  return reshaped(tensors, ([, , ...rest]) => [-1, ...rest]);
}

/** [2 B, ...] as [2, B, ...]. */
export function apart(tensors: Tensors): Tensors {
  return reshaped(tensors, ([, ...rest]) => [2, -1, ...rest]);
}

function reshaped(tensors: Tensors, shapeOf: (shape: readonly number[]) => number[]): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tf.reshape(tensor, shapeOf(tensor.shape))]),
  );
}
