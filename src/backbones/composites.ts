// How does one operator use a single kernel where the engine has it, and carry a short gradient everywhere?
import { tf } from '../engine/tf.js';

/** Composite kernels that an engine may have; every other engine takes the primitives. */
type Composite =
  'LayerNormFwd' | 'LayerNormAffine' | 'GroupNorm' | 'GeluTanh' | 'Gelu' | 'MultiHeadAttention';

/**
 * Runs a composite kernel of the current engine.
 * @returns its outputs, or undefined where the engine has no such kernel
 */
export function composite(
  kernel: Composite,
  inputs: Readonly<Record<string, tf.Tensor>>,
  attributes: Readonly<Record<string, number>>,
): readonly tf.Tensor[] | undefined {
  if (!tf.getKernel(kernel, tf.getBackend())) return undefined;
  const outputs: tf.Tensor | tf.Tensor[] = tf.engine().runKernel(kernel, { ...inputs }, { ...attributes });
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** The value of an operator, and what its backward pass needs of it. */
interface Forward<T extends tf.Tensor> {
  readonly value: T;
  readonly saved: readonly tf.Tensor[];
}

/**
 * An operator with a backward pass of its own: less memory and fewer operations than the tape of its primitives.
 * @param inputs what the result is differentiated by
 * @param backward from the gradient of the value and the saved tensors to the gradient of every input
 */
export function withGradient<T extends tf.Tensor>(
  inputs: readonly T[],
  forward: (...inputs: T[]) => Forward<T>,
  backward: (dy: T, saved: readonly tf.Tensor[]) => tf.Tensor[],
): T {
  const operator = tf.customGrad<T>((...given) => {
    const save = given.at(-1) as tf.GradSaveFunc;
    const { value, saved } = forward(...(given.slice(0, -1) as T[]));
    save([...saved]);
    return { value, gradFunc: (dy: T, kept: tf.Tensor[]) => backward(dy, kept) };
  });
  return operator(...inputs);
}
