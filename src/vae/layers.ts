// Which layers are autoencoders made of? Pure functions of images [B, C, H, W] that run eagerly or traced.
import { multiHeadAttention } from '../backbones/attention.js';
import { normWeights, type AffineNorm } from '../backbones/affineNorm.js';
import { composite } from '../backbones/composites.js';
import { convolution, halvingConvolution } from '../backbones/convolution.js';
import { layerNorm, linear, linearWeights, silu } from '../backbones/layers.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/** Of every norm, also that of the attention (AutoencoderKL gives it to all of them). */
const epsilon = 1e-6;

/** Channels last, as TensorFlow.js wants them for a convolution; a graph drops the pairs that cancel each other. */
const toLast = (x: tf.Tensor4D): tf.Tensor4D => tf.transpose(x, [0, 2, 3, 1]);
const toSecond = (x: tf.Tensor4D): tf.Tensor4D => tf.transpose(x, [0, 3, 1, 2]);

/** The convolution of that name, which keeps height and width. */
export function convolve(x: tf.Tensor4D, weights: Tensors, name: string): tf.Tensor4D {
  return toSecond(convolution(toLast(x), linearWeights(weights, name)));
}

/** The convolution of that name at every other pixel: half the height, half the width. */
export function halve(x: tf.Tensor4D, weights: Tensors, name: string): tf.Tensor4D {
  return toSecond(halvingConvolution(toLast(x), linearWeights(weights, name)));
}

/** Every pixel becomes 2 x 2, then comes the convolution of that name. */
export function double(x: tf.Tensor4D, weights: Tensors, name: string): tf.Tensor4D {
  const [, , height, width] = x.shape;
  const larger = tf.image.resizeNearestNeighbor(toLast(x), [2 * height, 2 * width]);
  return toSecond(convolution(larger, linearWeights(weights, name)));
}

/**
 * Mean 0 and variance 1 over all pixels of a group of channels, then scale and offset of each channel
 * (Wu and He, "Group Normalization", 2018).
 */
export function groupNorm(x: tf.Tensor4D, { scale, offset }: AffineNorm, groups: number): tf.Tensor4D {
  const [value] = composite('GroupNorm', { x, scale, offset }, { groups, epsilon }) ?? [];
  if (value) return value as tf.Tensor4D;
  const [, channels, height, width] = x.shape;
  const together = tf.reshape(x, [-1, groups, (channels / groups) * height * width]);
  const normal = tf.reshape(layerNorm(together, epsilon), [-1, channels, height, width]);
  const each = (v: tf.Tensor): tf.Tensor => tf.reshape(v, [channels, 1, 1]);
  return tf.add(tf.mul(normal, each(scale)), each(offset));
}

/** The norm of that name, then SiLU. */
export function activate(x: tf.Tensor4D, weights: Tensors, name: string, groups: number): tf.Tensor4D {
  return silu(groupNorm(x, normWeights(weights, name), groups));
}

/** Two convolutions beside the input, which is brought to as many channels where theirs differ (ResnetBlock2D). */
export function residual(x: tf.Tensor4D, weights: Tensors, name: string, groups: number): tf.Tensor4D {
  const inner = convolve(activate(x, weights, `${name}.norm1`, groups), weights, `${name}.conv1`);
  const change = convolve(activate(inner, weights, `${name}.norm2`, groups), weights, `${name}.conv2`);
  const shortcut = `${name}.conv_shortcut`;
  return tf.add(`${shortcut}.weight` in weights ? convolve(x, weights, shortcut) : x, change);
}

/** Pixels look at each other, with one head of all channels, beside the input. */
function attend(x: tf.Tensor4D, weights: Tensors, name: string, groups: number): tf.Tensor4D {
  const [, channels, height, width] = x.shape;
  const normal = groupNorm(x, normWeights(weights, `${name}.group_norm`), groups);
  const pixels = tf.transpose<tf.Tensor3D>(tf.reshape(normal, [-1, channels, height * width]), [0, 2, 1]);
  const layer = (part: string, from: tf.Tensor3D): tf.Tensor3D =>
    linear(from, linearWeights(weights, `${name}.${part}`));
  const attended = multiHeadAttention(layer('to_q', pixels), layer('to_k', pixels), layer('to_v', pixels), 1);
  const change = tf.transpose(layer('to_out.0', attended), [0, 2, 1]);
  return tf.add(x, tf.reshape(change, [-1, channels, height, width]));
}

/** What happens at the coarsest resolution between encoder or decoder and latent (UNetMidBlock2D). */
export function middle(
  x: tf.Tensor4D,
  weights: Tensors,
  name: string,
  { groups, attention }: { readonly groups: number; readonly attention: boolean },
): tf.Tensor4D {
  const first = residual(x, weights, `${name}.resnets.0`, groups);
  const seen = attention ? attend(first, weights, `${name}.attentions.0`, groups) : first;
  return residual(seen, weights, `${name}.resnets.1`, groups);
}
