// What is this PixArt, in numbers? Its options as PixArtTransformer2DModel of diffusers has them, and its published size.
import { z } from 'zod';
import { predictionKinds } from '../diffusion/prediction.js';
import type { PixartSpec } from './backbone.js';
import { checkedOptions, count, type Fit } from './specOptions.js';

/** Until 2024 the class was part of another one, which also did other things; the published files still name that. */
const classNames = ['PixArtTransformer2DModel', 'Transformer2DModel'] as const;
const normType = 'ada_norm_single';

const mlpRatio = 4;
/** Parts that embed the size of the image, side by side: height, width and shape. */
export const sizeParts = 3;
/** Tokens of a caption in the pipeline of PixArt-alpha. */
const usualCaptionTokens = 120;
/** Latents of 1024 px: where the class embeds the size of the image unless told otherwise. */
const largestLatents = 128;

/** What other models of the class could have, and none of these has. */
const always = <T extends string | number | boolean>(value: T): z.ZodOptional<z.ZodLiteral<T>> =>
  z.literal(value, `expected ${String(value)}, as every PixArt-alpha has it`).optional();

/** The options of the class, each with its own default, and the keys of ours that it does not know. */
const optionsSchema = z.object({
  _class_name: z.enum(classNames),
  num_attention_heads: count(1024).default(16),
  attention_head_dim: count(1024).default(72),
  in_channels: count(1024).default(4),
  out_channels: count(2048).nullish().default(8),
  num_layers: count(1000).default(28),
  cross_attention_dim: count(65536).nullish().default(1152),
  attention_bias: always(true),
  sample_size: count(4096).default(largestLatents),
  patch_size: count(256).default(2),
  activation_fn: always('gelu-approximate'),
  norm_type: always(normType),
  norm_elementwise_affine: always(false),
  norm_eps: always(1e-6),
  interpolation_scale: z.number().gt(0).max(1024).nullish(),
  use_additional_conditions: z.boolean().nullish(),
  caption_channels: count(65536).nullish(),
  attention_type: z.literal('default', 'expected default, as every PixArt-alpha has it').nullish(),
  /** Ours: diffusion steps, what is predicted, and tokens of a caption, which the pipeline knows. */
  time_steps: count(100_000).default(1000),
  prediction: z.enum(predictionKinds).default('epsilon'),
  caption_tokens: count(4096).default(usualCaptionTokens),
});

type Options = z.output<typeof optionsSchema>;

/** Names and meanings of diffusers, such as `{ num_layers: 28, sample_size: 64, caption_channels: 4096, ... }`. */
export type PixartOptions = Omit<z.input<typeof optionsSchema>, '_class_name'>;

/**
 * The spec of a PixArt.
 * @param path where the options come from, for messages
 * @throws UserError naming every option that is missing or out of range, or what does not fit together
 */
export function pixartSpec(options: PixartOptions, path = 'backbone'): PixartSpec {
  return readPixartSpec({ ...options, _class_name: classNames[0] }, path);
}

/** Whether a config.json of diffusers is that of a PixArt. */
export function isPixartConfig(json: {
  readonly _class_name: unknown;
  readonly norm_type?: unknown;
}): boolean {
  const { _class_name, norm_type } = json;
  return _class_name === classNames[0] || (_class_name === classNames[1] && norm_type === normType);
}

/**
 * Reads a parsed config.json. Other keys are left alone, since published files carry more than this needs.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readPixartSpec(json: unknown, path: string): PixartSpec {
  const options = checkedOptions(optionsSchema, json, { path, noun: 'PixArt', rules: fitsOf });
  const { sample_size, patch_size, in_channels } = options;
  return {
    family: 'pixart',
    conditioning: 'captions',
    size: sizeName(options),
    depth: options.num_layers,
    tokens: (sample_size / patch_size) ** 2,
    width: widthOf(options),
    heads: options.num_attention_heads,
    mlpRatio,
    patch: patch_size,
    channels: in_channels,
    imageSize: sample_size,
    outChannels: options.out_channels ?? in_channels,
    captionChannels: options.caption_channels ?? 0,
    captionTokens: options.caption_tokens,
    timeSteps: options.time_steps,
    timeAxis: 'steps',
    prediction: options.prediction,
    // The class computes both where they are not given.
    interpolation: options.interpolation_scale ?? Math.max(1, Math.floor(sample_size / 64)),
    sizeConditions: options.use_additional_conditions ?? sample_size === largestLatents,
  };
}

/** What config.json holds, for diffusers, too; `readPixartSpec` of it gives the same spec. */
export function pixartJson(spec: PixartSpec): Readonly<Record<string, string | number | boolean>> {
  return {
    _class_name: classNames[0],
    activation_fn: 'gelu-approximate',
    attention_bias: true,
    attention_head_dim: spec.width / spec.heads,
    caption_channels: spec.captionChannels,
    cross_attention_dim: spec.width,
    in_channels: spec.channels,
    interpolation_scale: spec.interpolation,
    norm_elementwise_affine: false,
    norm_eps: 1e-6,
    norm_type: normType,
    num_attention_heads: spec.heads,
    num_layers: spec.depth,
    out_channels: spec.outChannels,
    patch_size: spec.patch,
    sample_size: spec.imageSize,
    use_additional_conditions: spec.sizeConditions,
    time_steps: spec.timeSteps,
    caption_tokens: spec.captionTokens,
    ...(spec.prediction !== 'epsilon' && { prediction: spec.prediction }),
  };
}

/** Section 3.1 of the PixArt-alpha paper: the blocks of DiT-XL/2, with cross attention. */
const published = {
  num_layers: 28,
  num_attention_heads: 16,
  attention_head_dim: 72,
  patch_size: 2,
} as const satisfies PixartOptions;
const publishedName = 'PixArt-XL/2';
/** What the T5 of the published checkpoints gives. */
const publishedChannels = 4096;

/** The spec of PixArt-XL/2; undefined for another name. @param data what differs from latents of 256 px */
export function publishedPixart(name: string, data: PixartOptions = {}): PixartSpec | undefined {
  if (name !== publishedName) return undefined;
  return pixartSpec({ sample_size: 32, caption_channels: publishedChannels, ...published, ...data }, name);
}

export function publishedPixarts(): string[] {
  return [publishedName];
}

function widthOf({ num_attention_heads, attention_head_dim }: Options): number {
  return num_attention_heads * attention_head_dim;
}

/** The published name, or one made of depth, width and patch. */
function sizeName(options: Options): string {
  const { num_layers, patch_size } = options;
  const isPublished = Object.entries(published).every(
    ([name, value]) => options[name as keyof typeof published] === value,
  );
  return isPublished ? publishedName : `PixArt-${num_layers}x${widthOf(options)}/${patch_size}`;
}

function fitsOf(options: Options): readonly Fit[] {
  const { sample_size, patch_size, in_channels, out_channels, cross_attention_dim, caption_channels } =
    options;
  const { num_attention_heads, attention_head_dim, use_additional_conditions } = options;
  const width = widthOf(options);
  const embedsSize = use_additional_conditions ?? sample_size === largestLatents;
  const outputs = [undefined, null, in_channels, 2 * in_channels];
  const said = `num_attention_heads ${num_attention_heads} times attention_head_dim ${attention_head_dim} is ${width}`;
  return [
    [
      sample_size % patch_size === 0,
      `patch_size ${patch_size} does not divide sample_size ${sample_size}; choose one that does`,
    ],
    [
      outputs.includes(out_channels),
      `out_channels ${out_channels} is neither in_channels ${in_channels} nor twice that`,
    ],
    [width % 4 === 0, `${said}, no multiple of 4, which the position table needs`],
    [
      !embedsSize || width % sizeParts === 0,
      `${said}, no multiple of ${sizeParts}, which embedding the size needs`,
    ],
    [
      cross_attention_dim === width,
      `cross_attention_dim is ${cross_attention_dim}, but ${said}; they are alike in every PixArt-alpha`,
    ],
    [
      typeof caption_channels === 'number',
      'caption_channels is missing; it is how many numbers the text encoder gives for a token (4096 for T5 v1.1 XXL)',
    ],
  ];
}
