// What does a U-ViT compute? (Bao et al., "All are Worth Words: A ViT Backbone for Diffusion Models", CVPR 2023.)
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';
import { affineNorm, normWeights, type AffineNorm } from './affineNorm.js';
import { multiHeadAttention } from './attention.js';
import type { Backbone, BackboneFamily, Query, State, UvitSpec } from './backbone.js';
import { convolution } from './convolution.js';
import { gelu } from './gelu.js';
import {
  linear,
  linearWeights,
  modulate,
  silu,
  timestepEmbedding,
  vectorsOf,
  weightOf,
  type Linear,
} from './layers.js';
import { patchTokens, unpatchify } from './patches.js';
import { labelsIn } from './prompt.js';

interface BlockWeights {
  readonly norm1: AffineNorm;
  /** Query, key, value one after the other: [3 D, D], without bias. */
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly norm2: AffineNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;
}

function blockWeights(weights: Tensors, prefix: string): BlockWeights {
  return {
    norm1: normWeights(weights, `${prefix}norm1`),
    qkv: { weight: weightOf(weights, `${prefix}attn.qkv.weight`) },
    proj: linearWeights(weights, `${prefix}attn.proj`),
    norm2: normWeights(weights, `${prefix}norm2`),
    fc1: linearWeights(weights, `${prefix}mlp.fc1`),
    fc2: linearWeights(weights, `${prefix}mlp.fc2`),
  };
}

/** Blocks before the middle one, and as many after it: L = 2 n + 1. */
function encoderBlocks({ depth }: UvitSpec): number {
  return (depth - 1) / 2;
}

/** Official name of block k, with its dot. */
function blockName(spec: UvitSpec, k: number): string {
  const encoder = encoderBlocks(spec);
  if (k <= encoder) return `in_blocks.${k - 1}.`;
  return k === encoder + 1 ? 'mid_block.' : `out_blocks.${k - encoder - 2}.`;
}

/** Tokens before the patches: the label, if there is one, then the time. */
function extraTokens({ classes }: UvitSpec): number {
  return classes > 0 ? 2 : 1;
}

function embed(spec: UvitSpec, weights: Tensors, { x, t, prompt }: Query): State {
  const patches = patchTokens(spec, x, linearWeights(weights, 'patch_embed.proj'));
  const time = timeToken(spec, weights, t);
  const token = (vector: tf.Tensor): tf.Tensor3D => tf.reshape(vector, [-1, 1, spec.width]);
  const rows = (): tf.Tensor => tf.gather(weightOf(weights, 'label_emb.weight'), labelsIn(prompt));
  const label = spec.classes > 0 ? [token(rows())] : [];
  const hidden = tf.concat([...label, token(time), patches], 1);
  return { hidden: tf.add(hidden, weightOf(weights, 'pos_embed')), condition: time, skips: [] };
}

function timeToken({ width, timeMlp }: UvitSpec, weights: Tensors, t: tf.Tensor1D): tf.Tensor2D {
  const waves = timestepEmbedding(t, width);
  if (!timeMlp) return waves;
  return linear(
    silu(linear(waves, linearWeights(weights, 'time_embed.0'))),
    linearWeights(weights, 'time_embed.2'),
  );
}

function block(spec: UvitSpec, weights: BlockWeights, hidden: tf.Tensor3D): tf.Tensor3D {
  const qkv = linear(affineNorm(hidden, weights.norm1), weights.qkv);
  const [q, k, v] = tf.split<tf.Tensor3D>(qkv, 3, -1);
  if (!q || !k || !v) throw new Error('attention has three inputs');
  const attended = linear(multiHeadAttention(q, k, v, spec.heads), weights.proj);
  const middle = tf.add<tf.Tensor3D>(hidden, attended);
  const wide = gelu(linear(affineNorm(middle, weights.norm2), weights.fc1));
  return tf.add(middle, linear(wide, weights.fc2));
}

function runBlock(spec: UvitSpec, weights: Tensors, state: State, k: number): State {
  const own = blockWeights(weights, blockName(spec, k));
  const decodes = k > encoderBlocks(spec) + 1;
  const { hidden, skips = [] } = decodes ? joined(spec, weights, state, k) : state;
  const after = block(spec, own, hidden);
  return { ...state, hidden: after, skips: k <= encoderBlocks(spec) ? [...skips, after] : skips };
}

/** The first thing decoder block k does: its skip beside the hidden state, through a linear layer [D, 2 D]. */
function joined(spec: UvitSpec, weights: Tensors, state: State, k: number): State {
  // The last encoder block is joined first.
  const skip = state.skips?.[spec.depth - k];
  if (!skip) throw new Error(`block ${k} has no skip to join`);
  const layer = linearWeights(weights, `${blockName(spec, k)}skip_linear`);
  return { ...state, hidden: linear(tf.concat([state.hidden, skip], 2), layer) };
}

function leave(spec: UvitSpec, weights: Tensors, state: State, k: number): State {
  if (spec.exitRule === 'plain') return state;
  if (k < encoderBlocks(spec)) throw new Error(`exit ${k} is before the last skip, so it cannot join them`);
  let left = state;
  for (let next = Math.max(k, encoderBlocks(spec) + 1) + 1; next <= spec.depth; next++)
    left = joined(spec, weights, left, next);
  return left;
}

function last(spec: UvitSpec, weights: Tensors, { hidden }: State, more?: tf.Tensor2D): tf.Tensor4D {
  const extras = extraTokens(spec);
  const normal = affineNorm(tf.slice(hidden, [0, extras, 0], [-1, -1, -1]), normWeights(weights, 'norm'));
  const [shift, scale] = more ? vectorsOf(more, 2) : [];
  const moved = shift && scale ? modulate(normal, shift, scale) : normal;
  const image = unpatchify(spec, linear(moved, linearWeights(weights, 'decoder_pred')));
  if (!spec.finalConvolution) return image;
  const smooth = convolution(tf.transpose(image, [0, 2, 3, 1]), linearWeights(weights, 'final_layer'));
  return tf.transpose(smooth, [0, 3, 1, 2]);
}

function linearShapes(name: string, inputs: number, outputs: number): Shapes {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

function normShapes(name: string, width: number): Shapes {
  return { [`${name}.weight`]: [width], [`${name}.bias`]: [width] };
}

function blockShapes({ width, mlpRatio }: UvitSpec): Shapes {
  const wide = Math.trunc(width * mlpRatio);
  return {
    ...normShapes('norm1', width),
    'attn.qkv.weight': [3 * width, width],
    ...linearShapes('attn.proj', width, width),
    ...normShapes('norm2', width),
    ...linearShapes('mlp.fc1', width, wide),
    ...linearShapes('mlp.fc2', wide, width),
  };
}

function lastShapes({ width, patch, channels, finalConvolution }: UvitSpec): Shapes {
  return {
    ...normShapes('norm', width),
    ...linearShapes('decoder_pred', width, patch * patch * channels),
    ...(finalConvolution && {
      'final_layer.weight': [channels, channels, 3, 3],
      'final_layer.bias': [channels],
    }),
  };
}

function shapesOfBlock(spec: UvitSpec, k: number): Shapes {
  const decodes = k > encoderBlocks(spec) + 1;
  const all = {
    ...blockShapes(spec),
    ...(decodes && linearShapes('skip_linear', 2 * spec.width, spec.width)),
  };
  const prefix = blockName(spec, k);
  return Object.fromEntries(Object.entries(all).map(([name, shape]) => [prefix + name, shape]));
}

function shapes(spec: UvitSpec): Shapes {
  const { channels, patch, width, tokens, classes, nullClass, depth, timeMlp } = spec;
  const blocks = Array.from({ length: depth }, (_, i) => shapesOfBlock(spec, i + 1));
  return {
    pos_embed: [1, tokens, width],
    'patch_embed.proj.weight': [width, channels, patch, patch],
    'patch_embed.proj.bias': [width],
    ...(timeMlp && {
      ...linearShapes('time_embed.0', width, 4 * width),
      ...linearShapes('time_embed.2', 4 * width, width),
    }),
    ...(classes > 0 && { 'label_emb.weight': [classes + Number(nullClass), width] }),
    ...Object.fromEntries(blocks.flatMap((block) => Object.entries(block))),
    ...lastShapes(spec),
  };
}

function bind(spec: UvitSpec, weights: Tensors): Backbone {
  return {
    spec,
    embed: (query) => embed(spec, weights, query),
    block: (state, k) => runBlock(spec, weights, state, k),
    leave: (state, k) => leave(spec, weights, state, k),
    finish: (state, more) => last(spec, weights, state, more),
  };
}

export const uvit: BackboneFamily<UvitSpec> = {
  family: 'uvit',
  shapes,
  hasElsewhere: (name) =>
    /^(label_emb|time_embed|final_layer|context_embed)\.|\.(attn\.qkv\.bias|skip_linear\.\w+)$/.test(name),
  bind,
  // Before the last encoder block skips are missing.
  firstExit: (spec) => (spec.exitRule === 'plain' ? 1 : Math.max(1, encoderBlocks(spec))),
  last: {
    shapes: lastShapes,
    official: (name) => name,
    run: (spec, weights, state) => last(spec, weights, state),
  },
  extraBlock: {
    shapes: blockShapes,
    // What attention and MLP add passes through these layers last.
    start: (name) => {
      if (/^norm\d\.weight$/.test(name)) return 'one';
      return /^(attn\.proj|mlp\.fc2)\.|\.bias$/.test(name) ? 'zero' : 'random';
    },
    run: (spec, weights, { hidden, ...rest }) => ({
      ...rest,
      hidden: block(spec, blockWeights(weights, ''), hidden),
    }),
  },
};
