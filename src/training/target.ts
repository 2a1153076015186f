// What shall a prediction be, and which noise does it mean? In compiled steps; diffusion/prediction.ts has the maths.
import type { BackboneSpec } from '../backbones/backbone.js';
import type { Diffusion } from '../diffusion/betas.js';
import { mixtureOf } from '../diffusion/prediction.js';
import type { InputSpec, Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/**
 * Inputs that say what a perfect prediction is made of at each sample's time: `mixX` of x and `mixNoise` of the noise.
 * Where the noise itself is predicted there are none.
 */
export function mixtureInputs({ prediction }: BackboneSpec): Readonly<Record<string, InputSpec>> {
  const each: InputSpec = { shape: ['batch'] };
  return prediction === 'epsilon' ? {} : { mixX: each, mixNoise: each };
}

/** Those inputs by native t, [T] each. */
export function mixtureTables({
  prediction,
  alphasCumprod,
}: Pick<Diffusion, 'prediction' | 'alphasCumprod'>): Readonly<Record<string, Float32Array>> {
  if (prediction === 'epsilon') return {};
  const mixtures = Array.from(alphasCumprod, (a) => mixtureOf(prediction, a));
  return {
    mixX: Float32Array.from(mixtures, ({ x }) => x),
    mixNoise: Float32Array.from(mixtures, ({ noise }) => noise),
  };
}

/** Those inputs for samples at native times t, [B] each. */
export function mixtureFeeds(
  diffusion: Pick<Diffusion, 'prediction' | 'alphasCumprod'>,
  t: Float32Array,
): Readonly<Record<string, Float32Array>> {
  return Object.fromEntries(
    Object.entries(mixtureTables(diffusion)).map(([name, table]) => [name, t.map((at) => table[at] ?? NaN)]),
  );
}

/**
 * What a perfect prediction of x is.
 * @param noise the noise in x, [B, C, H, W] as x
 * @param mixture inputs of `mixtureInputs`
 */
export function targetOf(
  { prediction }: BackboneSpec,
  x: tf.Tensor,
  noise: tf.Tensor,
  mixture: Tensors,
): tf.Tensor {
  if (prediction === 'epsilon') return noise;
  const { ofX, ofNoise } = partsOf(mixture);
  return tf.add(tf.mul(ofX, x), tf.mul(ofNoise, noise));
}

/**
 * The noise that a prediction sees in x.
 * @param predicted without a learned variance, [B, C, H, W] as x
 * @param mixture inputs of `mixtureInputs`
 */
export function epsilonSeen(
  { prediction }: BackboneSpec,
  x: tf.Tensor,
  predicted: tf.Tensor,
  mixture: Tensors,
): tf.Tensor {
  if (prediction === 'epsilon') return predicted;
  const { ofX, ofNoise } = partsOf(mixture);
  return tf.div(tf.sub(predicted, tf.mul(ofX, x)), ofNoise);
}

function partsOf({ mixX, mixNoise }: Tensors): { readonly ofX: tf.Tensor; readonly ofNoise: tf.Tensor } {
  if (!mixX || !mixNoise) throw new Error('predictions other than epsilon need mixX and mixNoise');
  const each = (of: tf.Tensor): tf.Tensor => tf.reshape(of, [-1, 1, 1, 1]);
  return { ofX: each(mixX), ofNoise: each(mixNoise) };
}
