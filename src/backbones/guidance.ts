// How does a class label steer harder? Classifier-free guidance around anything that predicts (Ho and Salimans, 2022).
import { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import type { BackboneSpec, Query } from './backbone.js';

/** From a query to a prediction [B, outChannels, H, W]: a backbone, or one of its exits. */
export type Predict = (query: Query) => tf.Tensor4D;

/**
 * @param scale of guidance; 1 is none
 * @throws UserError if a backbone cannot be guided, since it knows no null class
 */
export function requireGuidable({ size, classes, nullClass }: BackboneSpec, scale: number): void {
  if (nullClass || scale === 1) return;
  const why = classes === 0 ? 'it is unconditional' : 'its labels have no null class';
  throw new UserError(`guidance is ${scale}, but ${size} cannot be guided: ${why}. Set it to 1.`);
}

/**
 * One pass over the batch twice, with its labels and with the null class:
 * guided = unconditional + scale (conditional - unconditional). Channels that are not guided (learned variance) are
 * those of the conditional half.
 * @param scale scalar; 1 is the plain conditional prediction
 * @param guidedChannels how many channels are guided, from the first: all of epsilon. The official DiT code guides 3,
 * so that the fourth channel of its latents stays conditional; 3 reproduces published samples.
 * @returns [B, outChannels, H, W]
 */
export function guided(
  spec: BackboneSpec,
  predict: Predict,
  { x, t, y }: Query,
  scale: tf.Tensor,
  guidedChannels = spec.channels,
): tf.Tensor4D {
  if (!spec.nullClass) throw new Error(`${spec.size} has no null class to guide by`);
  const nobody = tf.add<tf.Tensor1D>(tf.zerosLike(y), tf.scalar(spec.classes, 'int32'));
  const both = predict({ x: tf.concat([x, x]), t: tf.concat([t, t]), y: tf.concat([y, nobody]) });
  const { outChannels, imageSize } = spec;
  const halves = tf.reshape(both, [2, -1, outChannels, imageSize, imageSize]);
  const [conditional, unconditional] = tf.unstack(halves) as tf.Tensor4D[];
  if (!conditional || !unconditional) throw new Error('a guided batch has two halves');
  const steer = (on: tf.Tensor4D, off: tf.Tensor4D): tf.Tensor4D =>
    tf.add(off, tf.mul(scale, tf.sub(on, off)));
  if (guidedChannels >= outChannels) return steer(conditional, unconditional);
  const sizes = [guidedChannels, outChannels - guidedChannels];
  const [on, rest] = tf.split<tf.Tensor4D>(conditional, sizes, 1);
  const [off] = tf.split<tf.Tensor4D>(unconditional, sizes, 1);
  if (!on || !rest || !off) throw new Error('channels split in two');
  return tf.concat([steer(on, off), rest], 1);
}
