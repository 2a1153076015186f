// What do the two halves of an autoencoder compute? (AutoencoderKL of diffusers; Rombach et al., 2022, appendix G.)
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import { activate, convolve, double, halve, middle, residual } from './layers.js';
import type { VaeSpec } from './spec.js';

/** What an image is encoded as: a normal distribution of latents, every number for itself. */
export interface Posterior {
  /** [B, latentChannels, H / downsampling, W / downsampling] */
  readonly mean: tf.Tensor4D;
  /** Logarithm of the variance, -30..20, as the mean. */
  readonly logvar: tf.Tensor4D;
}

/** @param x images [B, imageChannels, H, W], -1..1; H and W are multiples of the downsampling */
export function encode(spec: VaeSpec, weights: Tensors, x: tf.Tensor4D): Posterior {
  const { groups, blockChannels, layersPerBlock } = spec;
  let hidden = convolve(x, weights, 'encoder.conv_in');
  for (const i of blockChannels.keys()) {
    const name = `encoder.down_blocks.${i}`;
    for (let j = 0; j < layersPerBlock; j++)
      hidden = residual(hidden, weights, `${name}.resnets.${j}`, groups);
    if (i + 1 < blockChannels.length) hidden = halve(hidden, weights, `${name}.downsamplers.0.conv`);
  }
  hidden = middle(hidden, weights, 'encoder.mid_block', spec);
  hidden = convolve(activate(hidden, weights, 'encoder.conv_norm_out', groups), weights, 'encoder.conv_out');
  if (spec.afterEncoder) hidden = convolve(hidden, weights, 'quant_conv');
  const [mean, logvar] = tf.split<tf.Tensor4D>(hidden, 2, 1);
  if (!mean || !logvar) throw new Error('a posterior has two halves');
  return { mean, logvar: tf.clipByValue(logvar, -30, 20) };
}

/**
 * @param latents [B, latentChannels, h, w], as they are encoded: neither scaled nor shifted
 * @returns images [B, imageChannels, h downsampling, w downsampling], about -1..1
 */
export function decode(spec: VaeSpec, weights: Tensors, latents: tf.Tensor4D): tf.Tensor4D {
  const { groups, blockChannels, layersPerBlock } = spec;
  const start = spec.beforeDecoder ? convolve(latents, weights, 'post_quant_conv') : latents;
  let hidden = middle(convolve(start, weights, 'decoder.conv_in'), weights, 'decoder.mid_block', spec);
  for (const i of blockChannels.keys()) {
    const name = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= layersPerBlock; j++)
      hidden = residual(hidden, weights, `${name}.resnets.${j}`, groups);
    if (i + 1 < blockChannels.length) hidden = double(hidden, weights, `${name}.upsamplers.0.conv`);
  }
  return convolve(activate(hidden, weights, 'decoder.conv_norm_out', groups), weights, 'decoder.conv_out');
}
