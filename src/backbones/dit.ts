// What does a DiT compute? (Peebles and Xie, "Scalable Diffusion Models with Transformers", ICCV 2023; adaLN-Zero.)
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';
import { unreachable } from '../errors.js';
import { multiHeadAttention } from './attention.js';
import type { Asked, Backbone, BackboneFamily, DitSpec, Query, State } from './backbone.js';
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
import { positions } from './positions.js';
import { labelsIn } from './prompt.js';

interface BlockWeights {
  /** Shift, scale and gate of the attention, then of the MLP: [6 D, D]. */
  readonly modulation: Linear;
  /** Query, key, value: one layer [3 D, D], or three [D, D]. */
  readonly attention: readonly Linear[];
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

type Projections = DitSpec['projections'];

/** The layers of query, key and value, which the official code joins. */
const attentionLayers: Readonly<Record<Projections, readonly string[]>> = {
  joined: ['attn.qkv'],
  split: ['attn.q', 'attn.k', 'attn.v'],
};

function blockWeights(projections: Projections, weights: Tensors, prefix: string): BlockWeights {
  return {
    modulation: linearWeights(weights, `${prefix}adaLN_modulation.1`),
    attention: attentionLayers[projections].map((name) => linearWeights(weights, prefix + name)),
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

function embed(spec: DitSpec, weights: Tensors, { x, t, prompt }: Query): State {
  const patches = patchTokens(spec, x, linearWeights(weights, 'x_embedder.proj'));
  const hidden = tf.add<tf.Tensor3D>(patches, places(spec, weights));
  const asked = { waves: timestepEmbedding(t, timeFrequencies, spec.timeShift), labels: labelsIn(prompt) };
  const isShared = spec.embedders === 'shared';
  // The last layer takes what the first block embeds.
  const condition = conditionOf(weights, isShared ? '' : 'blocks.0.', asked);
  return { hidden, condition, ...(isShared ? {} : { asked }) };
}

/** [1, N, D] */
function places(spec: DitSpec, weights: Tensors): tf.Tensor {
  switch (spec.positions) {
    case 'stored':
      return weightOf(weights, 'pos_embed');
    case 'computed':
      return tf.tensor3d(positions(spec), [1, spec.tokens, spec.width]);
    default:
      return unreachable(spec.positions);
  }
}

/** Embedded time and label after SiLU, [B, D]. */
function conditionOf(weights: Tensors, prefix: string, { waves, labels }: Asked): tf.Tensor2D {
  const wide = linear(waves, linearWeights(weights, `${prefix}t_embedder.mlp.0`));
  const time = linear(silu(wide), linearWeights(weights, `${prefix}t_embedder.mlp.2`));
  const label = tf.gather(weightOf(weights, `${prefix}y_embedder.embedding_table.weight`), labels);
  return silu(tf.add<tf.Tensor2D>(time, label));
}

function runBlock(spec: DitSpec, weights: Tensors, state: State, k: number): State {
  const prefix = `blocks.${k - 1}.`;
  const own = blockWeights(spec.projections, weights, prefix);
  const { asked, condition } = state;
  // The first block's condition is also that of the last layer, so it stays in the state.
  const ownCondition = asked && k > 1 ? conditionOf(weights, prefix, asked) : condition;
  return { ...state, hidden: block(spec, own, state.hidden, ownCondition) };
}

function block(
  spec: DitSpec,
  weights: BlockWeights,
  hidden: tf.Tensor3D,
  condition: tf.Tensor2D,
): tf.Tensor3D {
  const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(condition, weights.modulation, 6);
  if (!shift1 || !scale1 || !gate1 || !shift2 || !scale2 || !gate2)
    throw new Error('a block has six vectors');
  const [q, k, v] = projected(modulate(layerNorm(hidden), shift1, scale1), weights.attention);
  if (!q || !k || !v) throw new Error('attention has three inputs');
  const attended = linear(multiHeadAttention(q, k, v, spec.heads), weights.proj);
  const middle = tf.add<tf.Tensor3D>(hidden, tf.mul(gate1, attended));
  const wide = geluTanh(
    linear(modulate(layerNorm(middle, spec.mlpNormEpsilon), shift2, scale2), weights.fc1),
  );
  return tf.add(middle, tf.mul(gate2, linear(wide, weights.fc2)));
}

/** Query, key and value, [B, N, D] each. */
function projected(x: tf.Tensor3D, layers: readonly Linear[]): tf.Tensor3D[] {
  const [joined, ...others] = layers.map((layer) => linear(x, layer));
  if (!joined) throw new Error('attention has layers');
  return others.length === 0 ? tf.split<tf.Tensor3D>(joined, 3, -1) : [joined, ...others];
}

function last(
  spec: DitSpec,
  weights: LastWeights,
  { hidden, condition }: State,
  more?: tf.Tensor2D,
): tf.Tensor4D {
  const [shift, scale] = modulation(condition, weights.modulation, 2, more);
  if (!shift || !scale) throw new Error('the last layer has two vectors');
  return unpatchify(spec, linear(modulate(layerNorm(hidden), shift, scale), weights.linear));
}

function linearShapes(name: string, inputs: number, outputs: number): Shapes {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

function blockShapes({ width, mlpRatio }: DitSpec, projections: Projections): Shapes {
  const wide = Math.trunc(width * mlpRatio);
  const layers = attentionLayers[projections];
  const attention = layers.map((name) => linearShapes(name, width, (3 / layers.length) * width));
  return {
    ...Object.fromEntries(attention.flatMap((layer) => Object.entries(layer))),
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

function embedderShapes({ width, classes }: DitSpec): Shapes {
  return {
    ...linearShapes('t_embedder.mlp.0', timeFrequencies, width),
    ...linearShapes('t_embedder.mlp.2', width, width),
    // One row more than classes: the null class of guidance, the only one of an unconditional DiT.
    'y_embedder.embedding_table.weight': [classes + 1, width],
  };
}

function prefixed(shapes: Shapes, prefix: string): Shapes {
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
}

function shapes(spec: DitSpec): Shapes {
  const { channels, patch, width, tokens, depth, projections, embedders } = spec;
  const ofBlock = {
    ...blockShapes(spec, projections),
    ...(embedders === 'per-block' && embedderShapes(spec)),
  };
  const blocks = Array.from({ length: depth }, (_, i) => prefixed(ofBlock, `blocks.${i}.`));
  return {
    ...(spec.positions === 'stored' && { pos_embed: [1, tokens, width] }),
    'x_embedder.proj.weight': [width, channels, patch, patch],
    'x_embedder.proj.bias': [width],
    ...(embedders === 'shared' && embedderShapes(spec)),
    ...Object.fromEntries(blocks.flatMap((block) => Object.entries(block))),
    ...prefixed(lastShapes(spec), 'final_layer.'),
  };
}

function bind(spec: DitSpec, weights: Tensors): Backbone {
  return {
    spec,
    embed: (query) => embed(spec, weights, query),
    block: (state, k) => runBlock(spec, weights, state, k),
    leave: (state) => state,
    finish: (state, more) => last(spec, lastWeights(weights, 'final_layer.'), state, more),
  };
}

export const dit: BackboneFamily<DitSpec> = {
  family: 'dit',
  shapes,
  hasElsewhere: (name) => /^(pos_embed$|(blocks\.\d+\.)?([ty]_embedder|attn\.(qkv|[qkv]))\.)/.test(name),
  bind,
  firstExit: () => 1,
  last: {
    shapes: lastShapes,
    official: (name) => `final_layer.${name}`,
    run: (spec, weights, state) => last(spec, lastWeights(weights, ''), state),
  },
  extraBlock: {
    // A new block has no checkpoint whose layers it would have to keep apart.
    shapes: (spec) => blockShapes(spec, 'joined'),
    // With zero gates the block adds nothing.
    start: (name) => (name.startsWith('adaLN_modulation.') || name.endsWith('.bias') ? 'zero' : 'random'),
    run: (spec, weights, state) => ({
      ...state,
      hidden: block(spec, blockWeights('joined', weights, ''), state.hidden, state.condition),
    }),
  },
};
