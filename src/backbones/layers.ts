// Which layers are transformers made of? Each is a pure function of tensors that runs eagerly or traced.
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import { composite, withGradient } from './composites.js';

/** A linear layer as public checkpoints store it: weight [out, in], bias [out]. Some layers have no bias. */
export interface Linear {
  readonly weight: tf.Tensor;
  readonly bias?: tf.Tensor;
}

/** The linear layer of that name, such as `blocks.0.attn.qkv`. */
export function linearWeights(weights: Tensors, name: string): Linear {
  return { weight: weightOf(weights, `${name}.weight`), bias: weightOf(weights, `${name}.bias`) };
}

/** The weight of that name; a checkpoint is checked for completeness when it is loaded, so a gap is our bug. */
export function weightOf(weights: Tensors, name: string): tf.Tensor {
  const weight = weights[name];
  if (!weight) throw new Error(`weight ${name} is missing`);
  return weight;
}

/**
 * x W^T + b, one matrix product on [rows, in].
 * @param x [..., in]
 * @returns [..., out]
 */
export function linear<T extends tf.Tensor>(x: T, { weight, bias }: Linear): T {
  const [outputs = 0, inputs = 0] = weight.shape;
  const rows = tf.reshape(x, [-1, inputs]);
  const y = tf.fused.matMul({ a: rows, b: weight, transposeB: true, ...(bias && { bias }) });
  const shaped: tf.Tensor = tf.reshape(y, [...x.shape.slice(0, -1), outputs]);
  return shaped as T;
}

/** DiT's epsilon. */
const usualEpsilon = 1e-6;

/** Mean 0 and variance 1 over the last axis, without affine parameters. @param epsilon added to the variance */
export function layerNorm<T extends tf.Tensor>(x: T, epsilon = usualEpsilon): T {
  return withGradient(
    [x],
    (x) => {
      const [value, inverse] = composite('LayerNormFwd', { x }, { epsilon }) ?? normalise(x, epsilon);
      if (!value || !inverse) throw new Error('LayerNormFwd has two outputs');
      return { value: value as T, saved: [value, inverse] };
    },
    (dy, [y, inverse]) => {
      if (!y || !inverse) throw new Error('layerNorm saves two tensors');
      // dx = (dy - mean(dy) - y mean(dy y)) / deviation
      const along = tf.mul(y, tf.mean(tf.mul(dy, y), -1, true));
      return [tf.mul(tf.sub(tf.sub(dy, tf.mean(dy, -1, true)), along), inverse)];
    },
  );
}

function normalise(x: tf.Tensor, epsilon: number): readonly tf.Tensor[] {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
  return [tf.mul(centred, inverse), inverse];
}

/** 2 sqrt(2 / pi): gelu's tanh form, 0.5 x (1 + tanh(u)), equals x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
const slope = 2 * Math.sqrt(2 / Math.PI);
const cubic = 0.044715 * slope;

/** GELU in its tanh approximation (Hendrycks and Gimpel, 2016). */
export function geluTanh<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    (x) => {
      const [value] = composite('GeluTanh', { x }, {}) ?? [tf.mul(x, geluGate(x, tf.square(x)))];
      if (!value) throw new Error('GeluTanh has one output');
      return { value: value as T, saved: [x] };
    },
    (dy, [x]) => {
      if (!x) throw new Error('geluTanh saves its input');
      const squared = tf.square(x);
      const gate = geluGate(x, squared);
      // d/dx x s(2u) = s (1 + x (1 - s) 2u')
      const rate = tf.mul(x, tf.add(tf.mul(squared, 3 * cubic), slope));
      return [tf.mul(dy, tf.mul(gate, tf.add(tf.mul(rate, tf.sub(1, gate)), 1)))];
    },
  );
}

function geluGate(x: tf.Tensor, squared: tf.Tensor): tf.Tensor {
  return tf.sigmoid(tf.mul(x, tf.add(tf.mul(squared, cubic), slope)));
}

/** x sigmoid(x). */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.mul(x, tf.sigmoid(x));
}

/** Adaptive normalisation's last step: x (1 + scale) + shift; x [B, N, D], shift and scale [B, 1, D]. */
export function modulate<T extends tf.Tensor>(x: T, shift: tf.Tensor, scale: tf.Tensor): T {
  return tf.add(tf.mul(x, tf.add(scale, 1)), shift);
}

/**
 * A linear layer's output cut into `count` equal vectors, ready to act on tokens.
 * @param condition [B, D]
 * @param more added before it is cut, [B, count width]
 * @returns `count` tensors [B, 1, width]
 */
export function modulation(
  condition: tf.Tensor2D,
  layer: Linear,
  count: number,
  more?: tf.Tensor2D,
): tf.Tensor[] {
  const vectors = linear(condition, layer);
  return vectorsOf(more ? tf.add<tf.Tensor2D>(vectors, more) : vectors, count);
}

/** [B, count width] cut into `count` tensors [B, 1, width], ready to act on tokens. */
export function vectorsOf(vectors: tf.Tensor2D, count: number): tf.Tensor[] {
  const [, width = 0] = vectors.shape;
  return tf.split(tf.reshape(vectors, [-1, 1, width]), count, 2);
}

/** Length of DiT's sinusoidal time embedding. */
export const timeFrequencies = 256;

/**
 * Sinusoidal embedding of native time: cosines, then sines, of t 10000^(-j / (half - shift)), half of the width each.
 * @param t [B]
 * @param width even
 * @param shift by how much the frequencies fall faster
 * @returns [B, width]
 */
export function timestepEmbedding(t: tf.Tensor1D, width = timeFrequencies, shift = 0): tf.Tensor2D {
  const half = width / 2;
  // Single precision at each step, as the official code rounds: at t = 999 the last bit of a frequency shows.
  const logStep = Math.fround(-Math.log(10000));
  const exponents = Float32Array.from({ length: half }, (_, j) => Math.fround(logStep * j) / (half - shift));
  const frequencies = exponents.map(Math.exp);
  const angles = tf.mul<tf.Tensor2D>(tf.reshape(t, [-1, 1]), tf.tensor2d(frequencies, [1, half]));
  return tf.concat2d([tf.cos(angles), tf.sin(angles)], 1);
}
