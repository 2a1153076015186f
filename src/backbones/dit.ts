// What does a DiT compute? (Peebles and Xie, "Scalable Diffusion Models with Transformers", ICCV 2023; adaLN-Zero.)
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';
import { multiHeadAttention } from './attention.js';
import type { Backbone, BackboneFamily, DitSpec, Query, State } from './backbone.js';
import {
  geluTanh,
  layerNorm,
  linear,
  linearWeights,
  modulate,
  modulation,
  silu,
  timeFrequencies,
  timestepEmbedding,
  weightOf,
  type Linear,
} from './layers.js';
import { patchTokens, unpatchify } from './patches.js';

interface BlockWeights {
  /** Shift, scale and gate of the attention, then of the MLP: [6 D, D]. */
  readonly modulation: Linear;
  /** Query, key, value one after the other: [3 D, D]. */
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly fc1: Linear;
  readonly fc2: Linear;
}

interface LastWeights {
  /** Shift and scale: [2 D, D]. */
  readonly modulation: Linear;
  /** [patch patch outChannels, D] */
  readonly linear: Linear;
}

function blockWeights(weights: Tensors, prefix: string): BlockWeights {
  return {
    modulation: linearWeights(weights, `${prefix}adaLN_modulation.1`),
    qkv: linearWeights(weights, `${prefix}attn.qkv`),
    proj: linearWeights(weights, `${prefix}attn.proj`),
    fc1: linearWeights(weights, `${prefix}mlp.fc1`),
    fc2: linearWeights(weights, `${prefix}mlp.fc2`),
  };
}

function lastWeights(weights: Tensors, prefix: string): LastWeights {
  return {
    modulation: linearWeights(weights, `${prefix}adaLN_modulation.1`),
    linear: linearWeights(weights, `${prefix}linear`),
  };
}

function embed(spec: DitSpec, weights: Tensors, { x, t, y }: Query): State {
  const patches = patchTokens(spec, x, linearWeights(weights, 'x_embedder.proj'));
  const hidden = tf.add(patches, weightOf(weights, 'pos_embed'));
  const wide = linear(timestepEmbedding(t), linearWeights(weights, 't_embedder.mlp.0'));
  const time = linear(silu(wide), linearWeights(weights, 't_embedder.mlp.2'));
  const label = tf.gather(weightOf(weights, 'y_embedder.embedding_table.weight'), y);
  return { hidden: hidden as tf.Tensor3D, condition: silu(tf.add<tf.Tensor2D>(time, label)) };
}

function block(spec: DitSpec, weights: BlockWeights, { hidden, condition }: State): State {
  const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(condition, weights.modulation, 6);
  if (!shift1 || !scale1 || !gate1 || !shift2 || !scale2 || !gate2)
    throw new Error('a block has six vectors');
  const qkv = linear(modulate(layerNorm(hidden), shift1, scale1), weights.qkv);
  const [q, k, v] = tf.split<tf.Tensor3D>(qkv, 3, -1);
  if (!q || !k || !v) throw new Error('attention has three inputs');
  const attended = linear(multiHeadAttention(q, k, v, spec.heads), weights.proj);
  const middle = tf.add<tf.Tensor3D>(hidden, tf.mul(gate1, attended));
  const wide = geluTanh(linear(modulate(layerNorm(middle), shift2, scale2), weights.fc1));
  return { hidden: tf.add(middle, tf.mul(gate2, linear(wide, weights.fc2))), condition };
}

function last(spec: DitSpec, weights: LastWeights, { hidden, condition }: State): tf.Tensor4D {
  const [shift, scale] = modulation(condition, weights.modulation, 2);
  if (!shift || !scale) throw new Error('the last layer has two vectors');
  return unpatchify(spec, linear(modulate(layerNorm(hidden), shift, scale), weights.linear));
}

function linearShapes(name: string, inputs: number, outputs: number): Shapes {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

function blockShapes({ width, mlpRatio }: DitSpec): Shapes {
  const wide = Math.trunc(width * mlpRatio);
  return {
    ...linearShapes('attn.qkv', width, 3 * width),
    ...linearShapes('attn.proj', width, width),
    ...linearShapes('mlp.fc1', width, wide),
    ...linearShapes('mlp.fc2', wide, width),
    ...linearShapes('adaLN_modulation.1', width, 6 * width),
  };
}

function lastShapes({ width, patch, outChannels }: DitSpec): Shapes {
  return {
    ...linearShapes('linear', width, patch * patch * outChannels),
    ...linearShapes('adaLN_modulation.1', width, 2 * width),
  };
}

function prefixed(shapes: Shapes, prefix: string): Shapes {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
}

function shapes(spec: DitSpec): Shapes {
  const { channels, patch, width, tokens, classes, depth } = spec;
  const blocks = Array.from({ length: depth }, (_, i) => prefixed(blockShapes(spec), `blocks.${i}.`));
  return {
    pos_embed: [1, tokens, width],
    'x_embedder.proj.weight': [width, channels, patch, patch],
    'x_embedder.proj.bias': [width],
    ...linearShapes('t_embedder.mlp.0', timeFrequencies, width),
    ...linearShapes('t_embedder.mlp.2', width, width),
    // One row more than classes: the null class of guidance, the only one of an unconditional DiT.
    'y_embedder.embedding_table.weight': [classes + 1, width],
    ...Object.fromEntries(blocks.flatMap((block) => Object.entries(block))),
    ...prefixed(lastShapes(spec), 'final_layer.'),
  };
}

function bind(spec: DitSpec, weights: Tensors): Backbone {
  return {
    spec,
    embed: (query) => embed(spec, weights, query),
    block: (state, k) => block(spec, blockWeights(weights, `blocks.${k - 1}.`), state),
    leave: (state) => state,
    finish: (state) => last(spec, lastWeights(weights, 'final_layer.'), state),
  };
}

export const dit: BackboneFamily<DitSpec> = {
  family: 'dit',
  shapes,
  // Every DiT has the same parameters but for their number and shapes.
  hasElsewhere: () => false,
  bind,
  firstExit: () => 1,
  last: {
    shapes: lastShapes,
    official: (name) => `final_layer.${name}`,
    run: (spec, weights, state) => last(spec, lastWeights(weights, ''), state),
  },
  extraBlock: {
    shapes: blockShapes,
    // With zero gates the block adds nothing.
    start: (name) => (name.startsWith('adaLN_modulation.') || name.endsWith('.bias') ? 'zero' : 'random'),
    run: (spec, weights, state) => block(spec, blockWeights(weights, ''), state),
  },
};
