// What is this U-ViT, in numbers? Its options as the official class has them, and its published sizes.
import { z } from 'zod';
import { predictionKinds } from '../diffusion/prediction.js';
import type { UvitSpec } from './backbone.js';
import { checkedOptions, commonFits, count, type Fit } from './specOptions.js';

/** The options of the official UViT class, plus what its programs know and it does not. */
const optionsSchema = z.object({
  family: z.literal('uvit').default('uvit'),
  /** Side of the input: latents or pixels. */
  img_size: count(4096),
  patch_size: count(256),
  in_chans: count(1024).default(3),
  embed_dim: count(65536),
  /** Encoder and decoder blocks together; the middle block comes on top. */
  depth: z.int().min(2).max(998),
  num_heads: count(1024),
  mlp_ratio: z.number().min(0.25).max(64).default(4),
  qkv_bias: z
    .literal(false, 'expected false: a U-ViT with biases of queries, keys and values is not known')
    .default(false),
  mlp_time_embed: z.boolean().default(false),
  /** Rows of the label table, a null class included; 0 or less is an unconditional U-ViT. */
  num_classes: z.int().min(-1).max(1_000_000).default(-1),
  conv: z.boolean().default(true),
  skip: z.literal(true, 'expected true: a U-ViT without long skips is not known').default(true),
  time_steps: count(100_000).default(1000),
  prediction: z.enum(predictionKinds).default('epsilon'),
  /** Unless given, what official models of such data have: see `usualTimeAxis`. */
  time_axis: z.enum(['steps', 'steps-from-1', 'continuous']).optional(),
  /** Whether the last row of the label table is the null class; unless given, see `usualNullClass`. */
  null_class: z.boolean().optional(),
  exit_rule: z.enum(['skips', 'plain']).default('skips'),
});

type Options = z.output<typeof optionsSchema>;

/** Official names and meanings, such as `{ img_size: 32, patch_size: 2, embed_dim: 512, ... }`. */
export type UvitOptions = z.input<typeof optionsSchema>;

/**
 * The spec of a U-ViT.
 * @param path where the options come from, for messages
 * @throws UserError naming every option that is missing or out of range, or what does not fit together
 */
export function uvitSpec(options: UvitOptions, path = 'backbone'): UvitSpec {
  return readUvitSpec(options, path);
}

/**
 * Reads a parsed config.json. Other keys are left alone, since published files carry more than this needs.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readUvitSpec(json: unknown, path: string): UvitSpec {
  const options = checkedOptions(optionsSchema, json, { path, noun: 'U-ViT', rules: fitsOf });
  const rows = Math.max(0, options.num_classes);
  const nullClass = hasNullClass(options);
  return {
    family: 'uvit',
    conditioning: 'classes',
    size: sizeName(options),
    depth: options.depth + 1,
    tokens: (options.img_size / options.patch_size) ** 2 + (rows > 0 ? 2 : 1),
    width: options.embed_dim,
    heads: options.num_heads,
    mlpRatio: options.mlp_ratio,
    patch: options.patch_size,
    channels: options.in_chans,
    imageSize: options.img_size,
    outChannels: options.in_chans,
    classes: rows - Number(nullClass),
    nullClass,
    timeSteps: options.time_steps,
    timeAxis: options.time_axis ?? usualTimeAxis(options),
    prediction: options.prediction,
    timeMlp: options.mlp_time_embed,
    finalConvolution: options.conv,
    exitRule: options.exit_rule,
  };
}

/** What config.json holds; `readUvitSpec` of it gives the same spec. */
export function uvitJson(spec: UvitSpec): Required<UvitOptions> {
  return {
    family: spec.family,
    img_size: spec.imageSize,
    patch_size: spec.patch,
    in_chans: spec.channels,
    embed_dim: spec.width,
    depth: spec.depth - 1,
    num_heads: spec.heads,
    mlp_ratio: spec.mlpRatio,
    qkv_bias: false,
    mlp_time_embed: spec.timeMlp,
    num_classes: spec.classes > 0 ? spec.classes + Number(spec.nullClass) : -1,
    conv: spec.finalConvolution,
    skip: true,
    time_steps: spec.timeSteps,
    prediction: spec.prediction,
    time_axis: spec.timeAxis,
    null_class: spec.nullClass,
    exit_rule: spec.exitRule,
  };
}

/** The official programs train on pixels in continuous time, and on latents with whole numbers from 1. */
function usualTimeAxis({ in_chans }: Options): UvitSpec['timeAxis'] {
  return in_chans <= 3 ? 'continuous' : 'steps-from-1';
}

/** Official label tables have a row for no class, but those of ImageNet at 64 px with their 1000 rows. */
function usualNullClass({ num_classes }: Options): boolean {
  return num_classes !== 1000;
}

function hasNullClass(options: Options): boolean {
  return options.num_classes > 0 && (options.null_class ?? usualNullClass(options));
}

interface Published {
  readonly depth: number;
  readonly embed_dim: number;
  readonly num_heads: number;
}

/** Table 1 of the U-ViT paper; `tiny` is ours, for tests and for trying things. */
const published: Readonly<Record<string, Published>> = {
  tiny: { depth: 4, embed_dim: 48, num_heads: 4 },
  S: { depth: 12, embed_dim: 512, num_heads: 8 },
  M: { depth: 16, embed_dim: 768, num_heads: 12 },
  L: { depth: 20, embed_dim: 1024, num_heads: 16 },
  H: { depth: 28, embed_dim: 1152, num_heads: 16 },
};

type Data = Pick<UvitOptions, 'img_size' | 'in_chans' | 'num_classes' | 'conv'>;

const imageNet64: Data = { img_size: 64, in_chans: 3, num_classes: 1000 };
const imageNetLatents: Data = { in_chans: 4, num_classes: 1001, img_size: 32 };

/** What each published checkpoint was trained on. */
const publishedData: Readonly<Record<string, Data>> = {
  'tiny/2': { img_size: 16, in_chans: 3, num_classes: -1 },
  // CIFAR-10
  'S/2': { img_size: 32, in_chans: 3, num_classes: -1 },
  // CelebA
  'S/4': { img_size: 64, in_chans: 3, num_classes: -1 },
  'M/4': imageNet64,
  'L/4': imageNet64,
  'L/2': imageNetLatents,
  'H/2': { ...imageNetLatents, conv: false },
  'H/4': { ...imageNetLatents, img_size: 64, conv: false },
};

/**
 * The spec of a published size such as `U-ViT-L/2`; undefined if there is no such size.
 * @param data what differs from the published checkpoint
 */
export function publishedUvit(name: string, data: Partial<UvitOptions> = {}): UvitSpec | undefined {
  const [, key = '', letter = '', patch = ''] = /^U-ViT-((tiny|[SMLH])\/(\d))$/.exec(name) ?? [];
  const [size, trained] = [published[letter], publishedData[key]];
  if (!size || !trained) return undefined;
  return uvitSpec({ ...trained, ...size, patch_size: Number(patch), ...data }, name);
}

/** U-ViT-tiny/2 to U-ViT-H/4. */
export function publishedUvits(): string[] {
  return Object.keys(publishedData).map((key) => `U-ViT-${key}`);
}

/** Attention heads of the published size with that depth and width. */
export function publishedUvitHeads(depth: number, width: number): number | undefined {
  return Object.values(published).find((size) => size.depth === depth && size.embed_dim === width)?.num_heads;
}

/** The published name, or one made of depth, width and patch. */
function sizeName({ depth, embed_dim, num_heads, mlp_ratio, patch_size }: Options): string {
  const known = Object.entries(published).find(
    ([, size]) =>
      size.depth === depth && size.embed_dim === embed_dim && size.num_heads === num_heads && mlp_ratio === 4,
  );
  return `U-ViT-${known ? known[0] : `${depth}x${embed_dim}`}/${patch_size}`;
}

function fitsOf(options: Options): readonly Fit[] {
  const { img_size, patch_size, embed_dim, num_heads, mlp_ratio, depth, num_classes } = options;
  return [
    ...commonFits(['img_size', img_size], patch_size, ['embed_dim', embed_dim], num_heads, mlp_ratio),
    [depth % 2 === 0, `depth ${depth} is odd, so encoder and decoder are not as deep as each other`],
    [embed_dim % 2 === 0, `embed_dim ${embed_dim} is odd, so sines and cosines of the time do not fit`],
    [
      !(num_classes === 1 && hasNullClass(options)),
      'num_classes 1 is the null class alone; set it to -1 for an unconditional U-ViT, or null_class to false',
    ],
  ];
}
