// How is an image convolved, with a backward pass that every engine has?
import { tf } from '../engine/tf.js';
import { withGradient } from './composites.js';
import type { Linear } from './layers.js';

/**
 * A convolution that keeps height and width: stride 1, zeros around the image. Forward it is the engine's own operator.
 * Its gradients are a convolution with the turned kernel and one matrix product, since the WebAssembly backend has no
 * gradient of a kernel and a graph then needs no operators of its own for them.
 * @param x [B, H, W, in]
 * @param layer weight [out, in, k, k] with odd k, as public checkpoints have it
 * @returns [B, H, W, out]
 */
export function convolution(x: tf.Tensor4D, { weight, bias }: Linear): tf.Tensor4D {
  const y = withGradient<tf.Tensor>(
    [x, kernelOf(weight), ...(bias ? [bias] : [])],
    (x, kernel, bias) => {
      if (!x || !kernel) throw new Error('a convolution has two inputs');
      return { value: convolved(x, kernel, { bias }), saved: [x, kernel] };
    },
    (dy, [x, kernel]) => {
      if (!x || !kernel) throw new Error('a convolution saves its inputs');
      const own = [convolved(dy, turned(kernel)), kernelGradient(x, dy, kernel.shape)];
      return bias ? [...own, tf.sum(dy, [0, 1, 2])] : own;
    },
  );
  return y as tf.Tensor4D;
}

/**
 * A convolution of 3 x 3 at every other pixel, from the first one on: half the height and half the width, which are
 * even. Zeros stand to the right and below alone, as in autoencoders of latent diffusion. Not meant for training.
 * @param x [B, H, W, in]
 * @returns [B, H / 2, W / 2, out]
 */
export function halvingConvolution(x: tf.Tensor4D, { weight, bias }: Linear): tf.Tensor4D {
  const pad: Padding = [[0, 0], [0, 1], [0, 1], [0, 0]]; // prettier-ignore
  return convolved(x, kernelOf(weight), { bias, stride: 2, pad });
}

/** As TensorFlow.js wants it, [k, k, in, out]. */
function kernelOf(weight: tf.Tensor): tf.Tensor {
  return tf.transpose(weight, [2, 3, 1, 0]);
}

type Padding = Parameters<typeof tf.fused.conv2d>[0]['pad'];

interface How {
  readonly bias?: tf.Tensor | undefined;
  readonly stride?: number;
  readonly pad?: Padding;
}

function convolved(
  x: tf.Tensor,
  kernel: tf.Tensor,
  { bias, stride = 1, pad = 'same' }: How = {},
): tf.Tensor4D {
  const given = { x: x as tf.Tensor4D, filter: kernel as tf.Tensor4D, strides: stride, pad };
  return bias
    ? tf.fused.conv2d({ ...given, bias })
    : tf.conv2d(given.x, given.filter, given.strides, given.pad);
}

/** [k, k, in, out] -> [k, k, out, in], upside down and back to front. */
function turned(kernel: tf.Tensor): tf.Tensor {
  const [k = 1] = kernel.shape;
  const backwards = tf.tensor1d(
    Array.from({ length: k }, (_, i) => k - 1 - i),
    'int32',
  );
  return tf.transpose(tf.gather(tf.gather(kernel, backwards, 0), backwards, 1), [0, 1, 3, 2]);
}

/** Every pixel's neighbourhood [B H W, k k in] times the gradient there [B H W, out]. */
function kernelGradient(x: tf.Tensor, dy: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const [k = 1, , inputs = 1, outputs = 1] = shape;
  const [, height = 1, width = 1] = x.shape;
  const around = (k - 1) / 2;
  const padded = tf.pad(x, [[0, 0], [around, around], [around, around], [0, 0]]); // prettier-ignore
  const shifted = Array.from({ length: k * k }, (_, i) =>
    tf.slice(padded, [0, Math.floor(i / k), i % k, 0], [-1, height, width, inputs]),
  );
  const neighbourhoods = tf.reshape(tf.concat(shifted, 3), [-1, k * k * inputs]);
  return tf.reshape(tf.matMul(neighbourhoods, tf.reshape(dy, [-1, outputs]), true), [...shape]);
}
