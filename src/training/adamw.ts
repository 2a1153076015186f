// How do the weights move, given the gradients? AdamW with clipping by the global norm, inside the graph.
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';

/** What stays the same from step to step. */
export interface AdamwOptions {
  /** Decay of the first moment. */
  readonly beta1: number;
  /** Decay of the second moment. */
  readonly beta2: number;
  /** Added to the root of the bias-corrected second moment. */
  readonly eps: number;
  /** Decoupled: a weight shrinks by lr * weightDecay of itself. */
  readonly weightDecay: number;
  /** Largest norm of all gradients together; 0 never clips. */
  readonly clip: number;
}

export interface AdamwResult {
  readonly weights: Tensors;
  /** `m.<name>` and `v.<name>` of every weight, and `step`. */
  readonly moments: Tensors;
  /** Norm of all gradients together, before clipping; a scalar. */
  readonly norm: tf.Tensor;
}

/** Keeps a zero norm from dividing by zero; the value of torch's clip_grad_norm_. */
const clipEps = 1e-6;

/**
 * One step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2), with
 * the constants of torch.optim.AdamW; every weight decays. Pure, and may be traced.
 * @param moments `m.<name>` and `v.<name>` shaped like their weight, and the scalar `step`, the number of steps
 *   done before; other entries are not read, so the whole state of a run can be given
 * @param gradients one per weight, under the weight's name
 * @param lr learning rate of this step, a scalar
 */
export function adamwStep(
  weights: Tensors,
  moments: Tensors,
  gradients: Tensors,
  lr: tf.Tensor,
  { beta1, beta2, eps, weightDecay, clip }: AdamwOptions,
): AdamwResult {
  const names = Object.keys(weights);
  const norm = globalNorm(names.map((name) => entry(gradients, name)));
  const step = tf.add(entry(moments, 'step'), 1);
  // What is a scalar is computed here once; every operation below goes over all weights.
  const clipping = clip > 0 ? tf.minimum(tf.div(clip, tf.add(norm, clipEps)), 1) : tf.scalar(1);
  const share = tf.mul(clipping, 1 - beta1);
  const squareShare = (1 - beta2) / (1 - beta1) ** 2;
  const root = tf.sqrt(correction(beta2, step));
  const rate = tf.div(tf.mul(lr, root), correction(beta1, step));
  const smallest = tf.mul(root, eps);
  const keep = tf.sub(1, tf.mul(lr, weightDecay));

  const nextWeights: Record<string, tf.Tensor> = {};
  const nextMoments: Record<string, tf.Tensor> = { step };
  for (const name of names) {
    const given = tf.mul(entry(gradients, name), share);
    const m = tf.add(tf.mul(entry(moments, `m.${name}`), beta1), given);
    const v = tf.add(tf.mul(entry(moments, `v.${name}`), beta2), tf.mul(tf.square(given), squareShare));
    // m / c1 / (sqrt(v) / sqrt(c2) + eps), with the corrections c1 and c2 in rate and smallest.
    const move = tf.mul(tf.div(m, tf.add(tf.sqrt(v), smallest)), rate);
    const weight = entry(weights, name);
    nextWeights[name] = tf.sub(weightDecay > 0 ? tf.mul(weight, keep) : weight, move);
    nextMoments[`m.${name}`] = m;
    nextMoments[`v.${name}`] = v;
  }
  return { weights: nextWeights, moments: nextMoments, norm };
}

function globalNorm(gradients: readonly tf.Tensor[]): tf.Tensor {
  return tf.sqrt(tf.addN(gradients.map((g) => tf.sum(tf.square(g)))));
}

/**
 * 1 - beta^step. In single precision the plain formula loses half of the digits at beta = 0.999; with
 * u = tanh(-step ln(beta) / 2) it is 2u / (1 + u), where nothing cancels.
 */
function correction(beta: number, step: tf.Tensor): tf.Tensor {
  const u = tf.tanh(tf.mul(step, -Math.log(beta) / 2));
  return tf.div(tf.mul(u, 2), tf.add(u, 1));
}

function entry(group: Tensors, name: string): tf.Tensor {
  const tensor = group[name];
  if (!tensor) throw new Error(`adamw: '${name}' is missing`);
  return tensor;
}
