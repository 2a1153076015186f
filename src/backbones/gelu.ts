// What is GELU by its definition, x times the normal distribution function of x?
import { tf } from '../engine/tf.js';
import { composite, withGradient } from './composites.js';

/** x P(X <= x) for a standard normal X (Hendrycks and Gimpel, 2016), without the tanh approximation. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    (x) => {
      const [value] = composite('Gelu', { x }, {}) ?? [tf.mul(x, below(x))];
      if (!value) throw new Error('Gelu has one output');
      return { value: value as T, saved: [x] };
    },
    (dy, [x]) => {
      if (!x) throw new Error('gelu saves its input');
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [tf.mul(dy, tf.add(below(x), tf.mul(x, density)))];
    },
  );
}

/** P(X <= x). */
function below(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}
