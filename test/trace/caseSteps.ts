// A case as a step that engines run, and what it is fed.
import type { Step } from '../../src/engine/engine.js';
import { sizeOf } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import type { Case } from './cases.js';

/** The value, and the gradient of a weighted sum of it with respect to every input. */
export const stepOf =
  ({ f, forwardOnly, inputs, gradientOf = Object.keys(inputs) }: Case): Step =>
  (_state, batch) => {
    const value = f({ ...batch });
    if (forwardOnly) return { state: {}, out: { value } };
    const loss = (...xs: tf.Tensor[]): tf.Scalar => {
      const y = f({ ...batch, ...Object.fromEntries(gradientOf.map((name, i) => [name, xs[i]!])) });
      return tf.sum(tf.mul(y, tf.sin(y)));
    };
    const gradients = tf.grads(loss)(gradientOf.map((name) => batch[name]!));
    const named = Object.fromEntries(gradientOf.map((name, i) => [`d${name}`, gradients[i]!]));
    return { state: {}, out: { value, ...named } };
  };

export function feedsOf({ inputs, positive }: Case, batch: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, shape]) => {
      const normals = stream(batch, name).normals(sizeOf(shape.map((d) => (d === 'batch' ? batch : d))));
      return [name, positive ? normals.map((x) => 0.5 + Math.abs(x)) : normals];
    }),
  );
}
