// What is this DiT, in numbers? Its options as the official class has them, and its published sizes.
import { z } from 'zod';
import { predictionKinds } from '../diffusion/prediction.js';
import type { DitSpec } from './backbone.js';
import { checkedOptions, commonFits, count, type Fit } from './specOptions.js';

/** The options of the official DiT class, plus time steps and prediction, and what other code computes differently. */
const optionsSchema = z.object({
  family: z.literal('dit').default('dit'),
  /** Side of the input: latents or pixels. */
  input_size: count(4096),
  patch_size: count(256),
  in_channels: count(1024),
  hidden_size: count(65536),
  depth: count(1000),
  num_heads: count(1024),
  mlp_ratio: z.number().min(0.25).max(64),
  /** 0 is an unconditional DiT: its label table holds the null class alone. */
  num_classes: z.int().min(0).max(1_000_000),
  learn_sigma: z.boolean(),
  time_steps: count(100_000).default(1000),
  prediction: z.enum(predictionKinds).default('epsilon'),
  /** The official code has the defaults; what each means says `DitSpec`. */
  time_shift: z.union([z.literal(0), z.literal(1)]).default(0),
  mlp_norm_eps: z.number().gt(0).max(1).default(1e-6),
  qkv: z.enum(['joined', 'split']).default('joined'),
  embedders: z.enum(['shared', 'per-block']).default('shared'),
  positions: z.enum(['stored', 'computed']).default('stored'),
});

type Options = z.output<typeof optionsSchema>;

/** Official names and meanings, such as `{ input_size: 32, patch_size: 2, in_channels: 4, ... }`. */
export type DitOptions = z.input<typeof optionsSchema>;

/**
 * The spec of a DiT.
 * @param path where the options come from, for messages
 * @throws UserError naming every option that is missing or out of range, or what does not fit together
 */
export function ditSpec(options: DitOptions, path = 'backbone'): DitSpec {
  return readDitSpec(options, path);
}

/**
 * Reads a parsed config.json. Other keys are left alone, since published files carry more than this needs.
 * @throws UserError naming the file and all that is wrong in it
 */
export function readDitSpec(json: unknown, path: string): DitSpec {
  const options = checkedOptions(optionsSchema, json, { path, noun: 'DiT', rules: fitsOf });
  return {
    family: 'dit',
    conditioning: 'classes',
    size: sizeName(options),
    depth: options.depth,
    tokens: (options.input_size / options.patch_size) ** 2,
    width: options.hidden_size,
    heads: options.num_heads,
    mlpRatio: options.mlp_ratio,
    patch: options.patch_size,
    channels: options.in_channels,
    imageSize: options.input_size,
    outChannels: options.learn_sigma ? 2 * options.in_channels : options.in_channels,
    classes: options.num_classes,
    nullClass: options.num_classes > 0,
    timeSteps: options.time_steps,
    timeAxis: 'steps',
    prediction: options.prediction,
    timeShift: options.time_shift,
    mlpNormEpsilon: options.mlp_norm_eps,
    projections: options.qkv,
    embedders: options.embedders,
    positions: options.positions,
  };
}

/** What config.json holds; `readDitSpec` of it gives the same spec. */
export function ditJson(spec: DitSpec): Required<DitOptions> {
  return {
    family: spec.family,
    input_size: spec.imageSize,
    patch_size: spec.patch,
    in_channels: spec.channels,
    hidden_size: spec.width,
    depth: spec.depth,
    num_heads: spec.heads,
    mlp_ratio: spec.mlpRatio,
    num_classes: spec.classes,
    learn_sigma: spec.outChannels === 2 * spec.channels,
    time_steps: spec.timeSteps,
    prediction: spec.prediction,
    time_shift: spec.timeShift,
    mlp_norm_eps: spec.mlpNormEpsilon,
    qkv: spec.projections,
    embedders: spec.embedders,
    positions: spec.positions,
  };
}

interface Published {
  readonly depth: number;
  readonly hidden_size: number;
  readonly num_heads: number;
}

/** Table 1 of the DiT paper, each with patches of 2, 4 and 8; `tiny` is ours, for tests and for trying things. */
const published: Readonly<Record<string, Published>> = {
  tiny: { depth: 6, hidden_size: 48, num_heads: 4 },
  S: { depth: 12, hidden_size: 384, num_heads: 6 },
  B: { depth: 12, hidden_size: 768, num_heads: 12 },
  L: { depth: 24, hidden_size: 1024, num_heads: 16 },
  XL: { depth: 28, hidden_size: 1152, num_heads: 16 },
};
const publishedPatches: readonly number[] = [2, 4, 8];

/** What a published size leaves open; unless said, what ImageNet at 256 px has: 32 x 32 x 4 latents, 1000 classes. */
export type DitData = Partial<
  Pick<DitOptions, 'input_size' | 'in_channels' | 'num_classes' | 'learn_sigma' | 'time_steps'>
>;

/** The spec of a published size such as `DiT-XL/2`; undefined if there is no such size. */
export function publishedDit(name: string, data: DitData = {}): DitSpec | undefined {
  const [, letter = '', patch = ''] = /^DiT-(\w+)\/(\d+)$/.exec(name) ?? [];
  const size = Object.hasOwn(published, letter) ? published[letter] : undefined;
  if (!size || !publishedPatches.includes(Number(patch))) return undefined;
  const given = { input_size: 32, in_channels: 4, num_classes: 1000, learn_sigma: true, ...data };
  return ditSpec({ ...given, ...size, patch_size: Number(patch), mlp_ratio: 4 }, name);
}

/** DiT-tiny/2 to DiT-XL/8. */
export function publishedDits(): string[] {
  return Object.keys(published).flatMap((letter) =>
    publishedPatches.map((patch) => `DiT-${letter}/${patch}`),
  );
}

/** Attention heads of the published size with that depth and width. */
export function publishedDitHeads(depth: number, width: number): number | undefined {
  return Object.values(published).find((size) => size.depth === depth && size.hidden_size === width)
    ?.num_heads;
}

/** The published name, or one made of depth, width and patch. */
function sizeName({ depth, hidden_size, num_heads, mlp_ratio, patch_size }: Options): string {
  const known = Object.entries(published).find(
    ([, size]) =>
      size.depth === depth &&
      size.hidden_size === hidden_size &&
      size.num_heads === num_heads &&
      mlp_ratio === 4 &&
      publishedPatches.includes(patch_size),
  );
  return `DiT-${known ? known[0] : `${depth}x${hidden_size}`}/${patch_size}`;
}

function fitsOf({ input_size, patch_size, hidden_size, num_heads, mlp_ratio }: Options): readonly Fit[] {
  const width = ['hidden_size', hidden_size] as const;
  return [
    ...commonFits(['input_size', input_size], patch_size, width, num_heads, mlp_ratio),
    [
      hidden_size % 4 === 0,
      `hidden_size ${hidden_size} is not a multiple of 4, which the position table of sines and cosines needs`,
    ],
  ];
}
