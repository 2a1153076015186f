// How does an image become patches, one after the other, and an image again?
import { tf } from '../engine/tf.js';
import type { BackboneSpec } from './backbone.js';
import { linear, type Linear } from './layers.js';

type Grid = Pick<BackboneSpec, 'channels' | 'outChannels' | 'patch' | 'imageSize'>;

/**
 * The patch convolution, whose stride is its width, as a linear layer on flattened patches.
 * @param layer weight [D, C, p, p]
 * @returns [B, patches, D], row by row
 */
export function patchTokens(grid: Grid, x: tf.Tensor4D, layer: Linear): tf.Tensor3D {
  const [width = 0] = layer.weight.shape;
  return linear(patchify(grid, x), { ...layer, weight: tf.reshape(layer.weight, [width, -1]) });
}

/** [B, C, H, W] -> [B, patches, C p p], row by row. */
function patchify({ channels, patch, imageSize }: Grid, x: tf.Tensor4D): tf.Tensor3D {
  const side = imageSize / patch;
  const grid = tf.reshape(x, [-1, channels, side, patch, side, patch]);
  return tf.reshape(tf.transpose(grid, [0, 2, 4, 1, 3, 5]), [-1, side * side, channels * patch * patch]);
}

/** [B, patches, p p C] -> [B, C, H, W], channel fastest in a patch. */
export function unpatchify({ outChannels, patch, imageSize }: Grid, patches: tf.Tensor3D): tf.Tensor4D {
  const side = imageSize / patch;
  const grid = tf.reshape(patches, [-1, side, side, patch, patch, outChannels]);
  return tf.reshape(tf.transpose(grid, [0, 5, 1, 3, 2, 4]), [-1, outChannels, imageSize, imageSize]);
}
