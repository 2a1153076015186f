// How does a head correct what it remembers? It scales it by the times, and adds what it has learned of both.
import { geluTanh, layerNorm, linear, linearWeights, timestepEmbedding } from '../backbones/layers.js';
import type { Start, State } from '../backbones/backbone.js';
import type { Tensors } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { Shapes } from '../engine/tensors.js';
import type { Memory } from './memory.js';

/** Numbers that stand for each of the two times. */
const waves = 32;

/**
 * Parameters, without prefix.
 * @param width D
 * @param bottleneck b
 */
export function memoryShapes(width: number, bottleneck: number): Shapes {
  return {
    'scale.weight': [width, 2 * waves],
    'scale.bias': [width],
    'down.weight': [bottleneck, 2 * width],
    'down.bias': [bottleneck],
    'times.weight': [bottleneck, 2 * waves],
    'times.bias': [bottleneck],
    'up.weight': [width, bottleneck],
    'up.bias': [width],
  };
}

/** Untrained, the scale is 1 and the correction 0: the kind `remembered`. */
export function memoryStart(name: string): Start {
  return name === 'down.weight' || name === 'times.weight' ? 'random' : 'zero';
}

/** The state as the last full-depth step would complete it: h + r. */
export function recalled(state: State, { residual }: Memory): State {
  return { ...state, hidden: tf.add(state.hidden, residual) };
}

/**
 * h + s r + up(gelu(down([norm(h), norm(r)]) + times(u))), with s = 1 + scale(u) for every channel and u = waves of t and
 * of the age, t' - t, both in diffusion steps.
 */
export function corrected(weights: Tensors, state: State, { residual, t, tFull }: Memory): State {
  const { hidden } = state;
  const layer = (name: string): ReturnType<typeof linearWeights> => linearWeights(weights, name);
  const age = tf.sub<tf.Tensor1D>(tFull, t);
  const u = tf.concat([timestepEmbedding(t, waves), timestepEmbedding(age, waves)], 1);
  const forTokens = (vectors: tf.Tensor2D): tf.Tensor3D => tf.expandDims(vectors, 1);
  const scale = tf.add(forTokens(linear(u, layer('scale'))), 1);
  const both = linear(tf.concat([layerNorm(hidden), layerNorm(residual)], 2), layer('down'));
  const narrow = geluTanh(tf.add<tf.Tensor3D>(both, forTokens(linear(u, layer('times')))));
  const correction = linear(narrow, layer('up'));
  return { ...state, hidden: tf.addN([hidden, tf.mul(scale, residual), correction]) };
}
