// What does a PixArt compute? (Chen et al., "PixArt-alpha: Fast Training of Diffusion Transformer for Photorealistic
// Text-to-Image Synthesis", ICLR 2024.) Names are those of PixArtTransformer2DModel in diffusers.
import { tf } from '../engine/tf.js';
import type { Tensors } from '../engine/engine.js';
import type { Shapes } from '../engine/tensors.js';
import { crossAttention, multiHeadAttention } from './attention.js';
import type { Backbone, BackboneFamily, PixartSpec, Query, Shared, State } from './backbone.js';
import {
  geluTanh,
  layerNorm,
  linear,
  linearWeights,
  modulate,
  silu,
  timeFrequencies,
  timestepEmbedding,
  weightOf,
  type Linear,
} from './layers.js';
import { patchTokens, unpatchify } from './patches.js';
import { sizeParts } from './pixartSpec.js';
import { positions } from './positions.js';
import { captionIn } from './prompt.js';

/** What is added to the score of a token of the caption that does not count. */
const masked = -10000;

/** Pixels on one side of the image per number on one side of its latents: that of the autoencoder PixArt works on. */
const pixelsPerLatent = 8;

interface AttentionWeights {
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly out: Linear;
}

interface BlockWeights {
  /** Added to what all blocks share: shift, scale and gate of the attention, then of the MLP, [6, D]. */
  readonly table: tf.Tensor;
  readonly self: AttentionWeights;
  readonly cross: AttentionWeights;
  readonly fc1: Linear;
  readonly fc2: Linear;
}

function blockWeights(weights: Tensors, prefix: string): BlockWeights {
  const attention = (name: string): AttentionWeights => ({
    q: linearWeights(weights, `${prefix}${name}.to_q`),
    k: linearWeights(weights, `${prefix}${name}.to_k`),
    v: linearWeights(weights, `${prefix}${name}.to_v`),
    out: linearWeights(weights, `${prefix}${name}.to_out.0`),
  });
  return {
    table: weightOf(weights, `${prefix}scale_shift_table`),
    self: attention('attn1'),
    cross: attention('attn2'),
    fc1: linearWeights(weights, `${prefix}ff.net.0.proj`),
    fc2: linearWeights(weights, `${prefix}ff.net.2`),
  };
}

function embed(spec: PixartSpec, weights: Tensors, { x, t, prompt }: Query): State {
  const { tokens, width, interpolation } = spec;
  const patches = patchTokens(spec, x, linearWeights(weights, 'pos_embed.proj'));
  const places = tf.tensor3d(positions(spec, interpolation), [1, tokens, width]);
  const condition = embeddedTime(spec, weights, t);
  const six = linear(silu(condition), linearWeights(weights, 'adaln_single.linear'));
  const caption = captionIn(prompt);
  return {
    hidden: tf.add(patches, places),
    condition,
    shared: {
      adaptive: tf.reshape(six, [-1, 6, width]),
      caption: projected(weights, caption.tokens),
      bias: tf.reshape(tf.mul(tf.sub(1, caption.mask), masked), [-1, 1, 1, spec.captionTokens]),
    },
  };
}

/** Time, and where the spec says so the size of the image, [B, D]. */
function embeddedTime(spec: PixartSpec, weights: Tensors, t: tf.Tensor1D): tf.Tensor2D {
  const time = mlp(weights, 'adaln_single.emb.timestep_embedder', timestepEmbedding(t));
  if (!spec.sizeConditions) return time;
  const side = spec.imageSize * pixelsPerLatent;
  const part = (name: string, value: number): tf.Tensor2D =>
    mlp(weights, `adaln_single.emb.${name}`, timestepEmbedding(tf.tensor1d([value])));
  const resolution = part('resolution_embedder', side);
  // Images are square, so height and width are alike, and their ratio is 1.
  const size = tf.concat2d([resolution, resolution, part('aspect_ratio_embedder', 1)], 1);
  return tf.add(time, size);
}

function mlp(weights: Tensors, name: string, waves: tf.Tensor2D): tf.Tensor2D {
  const wide = silu(linear(waves, linearWeights(weights, `${name}.linear_1`)));
  return linear(wide, linearWeights(weights, `${name}.linear_2`));
}

/** [B, L, C] -> [B, L, D] */
function projected(weights: Tensors, tokens: tf.Tensor3D): tf.Tensor3D {
  const wide = geluTanh(linear(tokens, linearWeights(weights, 'caption_projection.linear_1')));
  return linear(wide, linearWeights(weights, 'caption_projection.linear_2'));
}

function block(spec: PixartSpec, weights: BlockWeights, state: State): tf.Tensor3D {
  const { hidden } = state;
  const { adaptive, caption, bias } = sharedOf(state);
  const six = tf.split(tf.add<tf.Tensor3D>(adaptive, weights.table), 6, 1);
  const [shift1, scale1, gate1, shift2, scale2, gate2] = six;
  if (!shift1 || !scale1 || !gate1 || !shift2 || !scale2 || !gate2)
    throw new Error('a block has six vectors');
  const { self, cross } = weights;
  const normal = modulate(layerNorm(hidden), shift1, scale1);
  const seen = multiHeadAttention(
    linear(normal, self.q),
    linear(normal, self.k),
    linear(normal, self.v),
    spec.heads,
  );
  const among = tf.add<tf.Tensor3D>(hidden, tf.mul(gate1, linear(seen, self.out)));
  // Neither normalised nor gated.
  const read = crossAttention(
    linear(among, cross.q),
    linear(caption, cross.k),
    linear(caption, cross.v),
    spec.heads,
    bias,
  );
  const told = tf.add<tf.Tensor3D>(among, linear(read, cross.out));
  const wide = geluTanh(linear(modulate(layerNorm(told), shift2, scale2), weights.fc1));
  return tf.add(told, tf.mul(gate2, linear(wide, weights.fc2)));
}

function sharedOf({ shared }: State): Shared {
  if (!shared) throw new Error('a state of PixArt holds what its blocks share');
  return shared;
}

function last(
  spec: PixartSpec,
  weights: Tensors,
  { hidden, condition }: State,
  more?: tf.Tensor2D,
): tf.Tensor4D {
  const time = tf.reshape(condition, [-1, 1, spec.width]);
  const table = tf.add<tf.Tensor3D>(time, weightOf(weights, 'scale_shift_table'));
  const both = more ? tf.add<tf.Tensor3D>(table, tf.reshape(more, [-1, 2, spec.width])) : table;
  const [shift, scale] = tf.split(both, 2, 1);
  if (!shift || !scale) throw new Error('the last layer has two vectors');
  return unpatchify(
    spec,
    linear(modulate(layerNorm(hidden), shift, scale), linearWeights(weights, 'proj_out')),
  );
}

function linearShapes(name: string, inputs: number, outputs: number): Shapes {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

function mlpShapes(name: string, width: number): Shapes {
  return {
    ...linearShapes(`${name}.linear_1`, timeFrequencies, width),
    ...linearShapes(`${name}.linear_2`, width, width),
  };
}

function blockShapes({ width, mlpRatio }: PixartSpec): Shapes {
  const wide = width * mlpRatio;
  const layers = ['to_q', 'to_k', 'to_v', 'to_out.0'];
  const attention = (name: string): [string, readonly number[]][] =>
    layers.flatMap((layer) => Object.entries(linearShapes(`${name}.${layer}`, width, width)));
  return {
    scale_shift_table: [6, width],
    ...Object.fromEntries([...attention('attn1'), ...attention('attn2')]),
    ...linearShapes('ff.net.0.proj', width, wide),
    ...linearShapes('ff.net.2', wide, width),
  };
}

function lastShapes({ width, patch, outChannels }: PixartSpec): Shapes {
  return { scale_shift_table: [2, width], ...linearShapes('proj_out', width, patch * patch * outChannels) };
}

function blockName(k: number): string {
  return `transformer_blocks.${k - 1}.`;
}

function shapes(spec: PixartSpec): Shapes {
  const { channels, patch, width, depth, captionChannels, sizeConditions } = spec;
  const ofBlock = Object.entries(blockShapes(spec));
  const blocks = Array.from({ length: depth }, (_, i) =>
    ofBlock.map(([name, shape]) => [blockName(i + 1) + name, shape] as const),
  );
  return {
    'pos_embed.proj.weight': [width, channels, patch, patch],
    'pos_embed.proj.bias': [width],
    ...mlpShapes('adaln_single.emb.timestep_embedder', width),
    ...(sizeConditions && {
      ...mlpShapes('adaln_single.emb.resolution_embedder', width / sizeParts),
      ...mlpShapes('adaln_single.emb.aspect_ratio_embedder', width / sizeParts),
    }),
    ...linearShapes('adaln_single.linear', width, 6 * width),
    ...linearShapes('caption_projection.linear_1', captionChannels, width),
    ...linearShapes('caption_projection.linear_2', width, width),
    ...Object.fromEntries(blocks.flat()),
    ...lastShapes(spec),
  };
}

function bind(spec: PixartSpec, weights: Tensors): Backbone {
  return {
    spec,
    embed: (query) => embed(spec, weights, query),
    block: (state, k) => ({
      ...state,
      hidden: block(spec, blockWeights(weights, blockName(k)), state),
    }),
    leave: (state) => state,
    finish: (state, more) => last(spec, weights, state, more),
  };
}

export const pixart: BackboneFamily<PixartSpec> = {
  family: 'pixart',
  shapes,
  hasElsewhere: (name) => /^adaln_single\.emb\.(resolution|aspect_ratio)_embedder\./.test(name),
  bind,
  firstExit: () => 1,
  last: {
    shapes: lastShapes,
    official: (name) => name,
    run: (spec, weights, state) => last(spec, weights, state),
  },
  extraBlock: {
    shapes: blockShapes,
    // The gates are shared, so what attentions and MLP add must be zero in the layers that it passes last.
    start: (name) =>
      /^(attn[12]\.to_out\.0|ff\.net\.2)\.|^scale_shift_table$|\.bias$/.test(name) ? 'zero' : 'random',
    run: (spec, weights, state) => ({ ...state, hidden: block(spec, blockWeights(weights, ''), state) }),
  },
};
