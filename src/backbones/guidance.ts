// How does a prompt steer harder? Classifier-free guidance around anything that predicts (Ho and Salimans, 2022).
import { tf } from '../engine/tf.js';
import { UserError } from '../errors.js';
import type { BackboneSpec, Prompt, Query } from './backbone.js';
import { promptsOfBoth } from './prompt.js';

/** From a query to a prediction [B, outChannels, H, W]: a backbone, or one of its exits. */
export type Predict = (query: Query) => tf.Tensor4D;

/**
 * @param scale of guidance; 1 is none
 * @throws UserError if a backbone cannot be guided, since it knows no null class; every caption can be left out
 */
export function requireGuidable(spec: BackboneSpec, scale: number): void {
  if (scale === 1 || spec.conditioning === 'captions' || spec.nullClass) return;
  const why = spec.classes === 0 ? 'it is unconditional' : 'its labels have no null class';
  throw new UserError(`guidance is ${scale}, but ${spec.size} cannot be guided: ${why}. Set it to 1.`);
}

/**
 * @param channels how many guidance moves, from the first; all unless given
 * @throws UserError if the backbone does not denoise as many
 */
export function requireChannels(spec: BackboneSpec, channels: number | undefined): void {
  if (channels === undefined || channels <= spec.channels) return;
  throw new UserError(
    `guidance is to move ${channels} channels, but ${spec.size} denoises ${spec.channels}. Set sample.guidanceChannels to at most that, or to all.`,
  );
}

/**
 * One pass over the batch twice, with its prompts and with that which asks for nothing.
 * @param none the null class or the null caption, of one sample
 * @returns [B, outChannels, H, W], see `steered`
 */
export function guided(
  spec: BackboneSpec,
  predict: Predict,
  query: Query,
  none: Prompt,
  scale: tf.Tensor,
  guidedChannels = spec.channels,
): tf.Tensor4D {
  return steered(spec, predict(asBoth(query, none)), scale, guidedChannels);
}

/** Twice the batch: with its prompts, then with that which asks for nothing. */
export function asBoth({ x, t, prompt }: Query, none: Prompt): Query {
  return { x: tf.concat([x, x]), t: tf.concat([t, t]), prompt: promptsOfBoth(prompt, none) };
}

/**
 * guided = unconditional + scale (conditional - unconditional). Channels that are not guided (learned variance) are
 * those of the conditional half.
 * @param both predictions of both halves, [2 B, outChannels, H, W]
 * @param scale scalar; 1 is the plain conditional prediction
 * @param guidedChannels how many channels are guided, from the first: all of epsilon. The official DiT code guides 3,
 * so that the fourth channel of its latents stays conditional; 3 reproduces published samples.
 * @returns [B, outChannels, H, W]
 */
export function steered(
  spec: BackboneSpec,
  both: tf.Tensor4D,
  scale: tf.Tensor,
  guidedChannels = spec.channels,
): tf.Tensor4D {
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
