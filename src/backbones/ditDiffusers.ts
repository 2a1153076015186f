// What do diffusers call the parts of a DiT, and what do they compute differently? DiTTransformer2DModel.
import { z } from 'zod';
import { predictionKinds } from '../diffusion/prediction.js';
import type { DitSpec } from './backbone.js';
import { ditSpec } from './ditSpec.js';
import { checkedOptions, count, type Fit } from './specOptions.js';

/** What is fixed in the class, whatever config.json says; `time_shift` is a key of ours that it does not know. */
export const inDiffusers = {
  timeShift: 1,
  projections: 'split',
  positions: 'computed',
} as const satisfies Partial<DitSpec>;

/** The class leaves this to its config.json. */
const usualEpsilon = 1e-5;
const mlpRatio = 4;

/** Until 2024 the class was part of another one, which also did other things. */
const classNames = ['DiTTransformer2DModel', 'Transformer2DModel'] as const;

const optionsSchema = z.object({
  _class_name: z.enum(
    classNames,
    `expected ${classNames[0]}, or PixArtTransformer2DModel: of the models of diffusers, DiT and PixArt-alpha are known`,
  ),
  num_attention_heads: count(1024).default(16),
  attention_head_dim: count(1024).default(72),
  in_channels: count(1024).default(4),
  out_channels: count(2048).nullish(),
  num_layers: count(1000).default(28),
  attention_bias: z.literal(true, 'expected true, as every DiT has it').default(true),
  sample_size: count(4096).default(32),
  patch_size: count(256).default(2),
  activation_fn: z
    .literal('gelu-approximate', 'expected gelu-approximate, as every DiT has it')
    .default('gelu-approximate'),
  num_embeds_ada_norm: z.int().min(0).max(1_000_000).default(1000),
  norm_type: z
    .literal('ada_norm_zero', 'expected ada_norm_zero, as every DiT has it')
    .default('ada_norm_zero'),
  norm_elementwise_affine: z.literal(false, 'expected false, as every DiT has it').default(false),
  norm_eps: z.number().gt(0).max(1).default(usualEpsilon),
  /** Ours: what the class does not say. */
  time_shift: z.union([z.literal(0), z.literal(1)]).default(inDiffusers.timeShift),
  time_steps: count(100_000).default(1000),
  prediction: z.enum(predictionKinds).default('epsilon'),
});

type Options = z.output<typeof optionsSchema>;

/** Whether a parsed config.json is one of diffusers: they write the name of the class. */
export function isDiffusersConfig(json: unknown): json is { readonly _class_name: unknown } {
  return typeof json === 'object' && json !== null && '_class_name' in json;
}

/**
 * Reads the config.json of a DiTTransformer2DModel. Whether the embedders of its blocks are equal, the weights say.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readDiffusersDit(json: unknown, path: string): DitSpec {
  const options = checkedOptions(optionsSchema, json, { path, noun: 'DiT of diffusers', rules: fitsOf });
  return ditSpec(
    {
      input_size: options.sample_size,
      patch_size: options.patch_size,
      in_channels: options.in_channels,
      hidden_size: options.num_attention_heads * options.attention_head_dim,
      depth: options.num_layers,
      num_heads: options.num_attention_heads,
      mlp_ratio: mlpRatio,
      num_classes: options.num_embeds_ada_norm,
      learn_sigma: options.out_channels === 2 * options.in_channels,
      time_steps: options.time_steps,
      prediction: options.prediction,
      time_shift: options.time_shift,
      mlp_norm_eps: options.norm_eps,
      qkv: inDiffusers.projections,
      embedders: 'per-block',
      positions: inDiffusers.positions,
    },
    path,
  );
}

function fitsOf(options: Options): readonly Fit[] {
  const { sample_size, patch_size, in_channels, out_channels, num_attention_heads, attention_head_dim } =
    options;
  const outputs = [undefined, null, in_channels, 2 * in_channels];
  const width = num_attention_heads * attention_head_dim;
  return [
    [
      sample_size % patch_size === 0,
      `patch_size ${patch_size} does not divide sample_size ${sample_size}; choose one that does`,
    ],
    [
      outputs.includes(out_channels),
      `out_channels ${out_channels} is neither in_channels ${in_channels} nor twice that`,
    ],
    [
      width % 4 === 0,
      `num_attention_heads times attention_head_dim is ${width}, no multiple of 4, which the position table needs`,
    ],
  ];
}

/** The same backbone as diffusers would have it, were its embedders copied into every block. */
export function asInDiffusers(spec: DitSpec): DitSpec {
  return { ...spec, ...inDiffusers, mlpNormEpsilon: usualEpsilon, embedders: 'per-block' };
}

/** What the config.json of a DiT says to diffusers, and under `time_shift` to us alone, where it differs from theirs. */
export function diffusersDitJson(spec: DitSpec): Readonly<Record<string, string | number | boolean>> {
  return {
    _class_name: classNames[0],
    activation_fn: 'gelu-approximate',
    attention_bias: true,
    attention_head_dim: spec.width / spec.heads,
    dropout: 0,
    in_channels: spec.channels,
    norm_elementwise_affine: false,
    norm_eps: spec.mlpNormEpsilon,
    norm_num_groups: 32,
    norm_type: 'ada_norm_zero',
    num_attention_heads: spec.heads,
    num_embeds_ada_norm: spec.classes,
    num_layers: spec.depth,
    out_channels: spec.outChannels,
    patch_size: spec.patch,
    sample_size: spec.imageSize,
    upcast_attention: false,
    ...(spec.timeShift !== inDiffusers.timeShift && { time_shift: spec.timeShift }),
    ...(spec.timeSteps !== 1000 && { time_steps: spec.timeSteps }),
    ...(spec.prediction !== 'epsilon' && { prediction: spec.prediction }),
  };
}

/** Layers of the whole model, then those of a block: ours, theirs. */
const layers: readonly (readonly [string, string])[] = [
  ['x_embedder.proj', 'pos_embed.proj'],
  ['final_layer.adaLN_modulation.1', 'proj_out_1'],
  ['final_layer.linear', 'proj_out_2'],
];
const blockLayers: readonly (readonly [string, string])[] = [
  ['attn.q', 'attn1.to_q'],
  ['attn.k', 'attn1.to_k'],
  ['attn.v', 'attn1.to_v'],
  ['attn.proj', 'attn1.to_out.0'],
  ['mlp.fc1', 'ff.net.0.proj'],
  ['mlp.fc2', 'ff.net.2'],
  ['adaLN_modulation.1', 'norm1.linear'],
  ['t_embedder.mlp.0', 'norm1.emb.timestep_embedder.linear_1'],
  ['t_embedder.mlp.2', 'norm1.emb.timestep_embedder.linear_2'],
  ['y_embedder.embedding_table', 'norm1.emb.class_embedder.embedding_table'],
];

const toTheirs = { layers: new Map(layers), blocks: new Map(blockLayers) };
const toOurs = {
  layers: new Map(layers.map(([ours, theirs]) => [theirs, ours])),
  blocks: new Map(blockLayers.map(([ours, theirs]) => [theirs, ours])),
};

/** Our name of a parameter of theirs; undefined if it is no parameter of a DiT. */
export function nameFromDiffusers(theirs: string): string | undefined {
  const [, k, layer = '', kind = ''] =
    /^(?:transformer_blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(theirs) ?? [];
  const ours = (k === undefined ? toOurs.layers : toOurs.blocks).get(layer);
  return ours && `${k === undefined ? '' : `blocks.${k}.`}${ours}.${kind}`;
}

/** Their name of a parameter of ours; undefined if they have none. */
export function nameInDiffusers(ours: string): string | undefined {
  const [, k, layer = '', kind = ''] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(ours) ?? [];
  const theirs = (k === undefined ? toTheirs.layers : toTheirs.blocks).get(layer);
  return theirs && `${k === undefined ? '' : `transformer_blocks.${k}.`}${theirs}.${kind}`;
}
