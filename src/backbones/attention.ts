// How do tokens look at each other? Multi-head attention, with the probabilities recomputed backward when they are many.
import { tf } from '../engine/tf.js';
import { composite, withGradient } from './composites.js';

/** From here on the B x heads x N x N probabilities are worth recomputing backward instead of keeping. */
const manyTokens = 256;

/**
 * softmax(q k^T / sqrt(D / heads)) v, head by head.
 * @param q, k, v [B, N, D]; D holds the heads one after the other
 * @returns [B, N, D]
 */
export function multiHeadAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  heads: number,
): tf.Tensor3D {
  const [, tokens] = q.shape;
  if (!tf.engine().isTapeOn()) return attendAtOnce(q, k, v, heads);
  if (tokens < manyTokens) return attend(q, k, v, heads);
  return withGradient(
    [q, k, v],
    (q, k, v) => {
      if (!q || !k || !v) throw new Error('attention has three inputs');
      return { value: attendAtOnce(q, k, v, heads), saved: [q, k, v] };
    },
    (dy, saved) => attentionGradient(dy, saved as readonly tf.Tensor3D[], heads),
  );
}

/**
 * softmax(q k^T / sqrt(D / heads) + bias) v, head by head: tokens look at those of something else, a part of which does
 * not count. Spelt out, for that something is short.
 * @param q [B, N, D]; D holds the heads one after the other
 * @param k, v [B, L, D]
 * @param bias [B, 1, 1, L]
 * @returns [B, N, D]
 */
export function crossAttention(
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  heads: number,
  bias: tf.Tensor4D,
): tf.Tensor3D {
  const scores = tf.add<tf.Tensor4D>(scoresOf(split(q, heads), split(k, heads)), bias);
  return join(tf.matMul(tf.softmax(scores), split(v, heads)));
}

/** In one operator where the engine has it. */
function attendAtOnce(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, heads: number): tf.Tensor3D {
  const [value] = composite('MultiHeadAttention', { q, k, v }, { heads }) ?? [attend(q, k, v, heads)];
  return value as tf.Tensor3D;
}

function attend(q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, heads: number): tf.Tensor3D {
  return join(tf.matMul(probabilities(split(q, heads), split(k, heads)), split(v, heads)));
}

function attentionGradient(dy: tf.Tensor3D, saved: readonly tf.Tensor3D[], heads: number): tf.Tensor[] {
  const [q, k, v] = saved.map((x) => split(x, heads));
  if (!q || !k || !v) throw new Error('attention saves its inputs');
  const dOut = split(dy, heads);
  const p = probabilities(q, k);
  const dp = tf.mul(p, tf.matMul(dOut, v, false, true));
  const dScores = tf.mul(tf.sub(dp, tf.mul(p, tf.sum(dp, -1, true))), scaleOf(q));
  return [tf.matMul(dScores, k), tf.matMul(dScores, q, true), tf.matMul(p, dOut, true)].map(join);
}

const scaleOf = (q: tf.Tensor): number => 1 / Math.sqrt(q.shape.at(-1) ?? 1);

/** [B, heads, N, N] */
function probabilities(q: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor4D {
  return tf.softmax(scoresOf(q, k));
}

/** The scale follows the product, where runtimes fold it in. */
function scoresOf(q: tf.Tensor4D, k: tf.Tensor4D): tf.Tensor4D {
  return tf.mul(tf.matMul(q, k, false, true), scaleOf(q));
}

/** [B, N, D] -> [B, heads, N, D / heads] */
function split(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [, tokens, width] = x.shape;
  return tf.transpose(tf.reshape(x, [-1, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

/** [B, heads, N, D / heads] -> [B, N, D] */
function join(x: tf.Tensor): tf.Tensor3D {
  const [, heads = 1, tokens = 1, width = 1] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, tokens, heads * width]);
}
