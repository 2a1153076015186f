// Which autoencoder is this? Its sizes, from the config.json of diffusers (AutoencoderKL) or from the shapes of its tensors.
import { z } from 'zod';
import { checkedOptions, count, type Fit } from '../backbones/specOptions.js';

/** An autoencoder of latent diffusion (Rombach et al., 2022; class AutoencoderKL), in numbers. */
export interface VaeSpec {
  /** Of images: 3 for RGB. */
  readonly imageChannels: number;
  readonly latentChannels: number;
  /** Channels at every resolution, the finest first; each but the last is followed by a halving. */
  readonly blockChannels: readonly number[];
  /** Residual blocks of the encoder at every resolution; the decoder has one more. */
  readonly layersPerBlock: number;
  /** Groups of channels that a norm takes together. */
  readonly groups: number;
  /** Whether pixels look at each other at the coarsest resolution. */
  readonly attention: boolean;
  /** Whether a convolution of 1 x 1 follows the encoder (`quant_conv`), and one precedes the decoder. */
  readonly afterEncoder: boolean;
  readonly beforeDecoder: boolean;
  /** Diffusion works on (latent - shift) * scalingFactor: what it sees varies by about 1. */
  readonly scalingFactor: number;
  readonly shift: number;
  /** Side of an image over that of its latent. */
  readonly downsampling: number;
  /** Side of the images that it was trained on, in pixels, where that is known. */
  readonly sampleSize?: number;
}

/** A spec, and where it is from, in words. */
export interface DescribedVae {
  readonly spec: VaeSpec;
  readonly reason: string;
}

const className = 'AutoencoderKL';
/** Of Stable Diffusion, whose autoencoder DiT and U-ViT use, too. */
const usual = { groups: 32, scalingFactor: 0.18215, latentChannels: 4 };
const mostResolutions = 12;

/** One number, or one for height and one for width. */
const side = z
  .union([count(65536), z.tuple([count(65536), count(65536)])])
  .transform((value) => (Array.isArray(value) ? Math.min(...value) : value));
const alike = (name: string): z.ZodType<string[]> =>
  z
    .array(z.literal(name, `expected ${name} alone: no other block is known`))
    .min(1)
    .max(mostResolutions);
const nothing = (what: string): z.ZodType<null | undefined> =>
  z.null(`expected null: ${what} of every channel are not known`).optional();

const optionsSchema = z.object({
  _class_name: z.literal(className, `expected ${className}: no other autoencoder is known`),
  in_channels: count(1024).default(3),
  out_channels: count(1024).default(3),
  down_block_types: alike('DownEncoderBlock2D'),
  up_block_types: alike('UpDecoderBlock2D'),
  block_out_channels: z.array(count(65536)).min(1).max(mostResolutions),
  layers_per_block: count(100).default(1),
  act_fn: z.literal('silu', 'expected silu, as every published one has it').default('silu'),
  latent_channels: count(1024).default(usual.latentChannels),
  norm_num_groups: count(65536).default(usual.groups),
  sample_size: side.optional(),
  scaling_factor: z.number().gt(0).max(1e6).default(usual.scalingFactor),
  shift_factor: z.number().min(-1e6).max(1e6).nullish(),
  latents_mean: nothing('means'),
  latents_std: nothing('deviations'),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
});
type Options = z.output<typeof optionsSchema>;

/** Whether a parsed config.json is that of such an autoencoder. */
export function isVaeConfig(json: unknown): boolean {
  return typeof json === 'object' && json !== null && '_class_name' in json && json._class_name === className;
}

/**
 * Reads the config.json of an AutoencoderKL.
 * @param path for messages
 * @throws UserError naming the file and all that is wrong in it
 */
export function readVaeSpec(json: unknown, path: string): VaeSpec {
  const options = checkedOptions(optionsSchema, json, { path, noun: className, rules: fitsOf });
  const { block_out_channels: blockChannels, sample_size: sampleSize } = options;
  return {
    imageChannels: options.in_channels,
    latentChannels: options.latent_channels,
    blockChannels,
    layersPerBlock: options.layers_per_block,
    groups: options.norm_num_groups,
    attention: options.mid_block_add_attention,
    afterEncoder: options.use_quant_conv,
    beforeDecoder: options.use_post_quant_conv,
    scalingFactor: options.scaling_factor,
    shift: options.shift_factor ?? 0,
    downsampling: 2 ** (blockChannels.length - 1),
    ...(sampleSize === undefined ? {} : { sampleSize }),
  };
}

function fitsOf(options: Options): readonly Fit[] {
  const { block_out_channels: channels, norm_num_groups: groups } = options;
  const odd = channels.filter((width) => width % groups !== 0);
  const types = [options.down_block_types, options.up_block_types];
  return [
    [
      odd.length === 0,
      `norm_num_groups ${groups} does not divide block_out_channels ${odd.join(', ')}; choose ones that it does`,
    ],
    [
      types.every(({ length }) => length === channels.length),
      `block_out_channels has ${channels.length} numbers, down_block_types ${types[0]?.length} and up_block_types ` +
        `${types[1]?.length}; give as many of each`,
    ],
    [
      options.in_channels === options.out_channels,
      `in_channels ${options.in_channels} and out_channels ${options.out_channels} differ; an image comes out as it went in`,
    ],
  ];
}

/**
 * What the shapes of the tensors show. The groups of its norms and its scaling factor leave no trace there, so they are
 * taken to be those of Stable Diffusion, whose latents have four channels.
 * @param shapeOf the shape of the tensor of that name, undefined if there is none
 * @returns the spec, or in words what is missing
 */
export function vaeFromShapes(
  shapeOf: (name: string) => readonly number[] | undefined,
): DescribedVae | string {
  const has = (name: string): boolean => shapeOf(name) !== undefined;
  const blockChannels = countUp(mostResolutions, (i) => shapeOf(block(i, 0))?.[0]);
  const layersPerBlock = countUp(100, (j) => shapeOf(block(0, j))?.[0]).length;
  const imageChannels = shapeOf('encoder.conv_in.weight')?.[1];
  const latentChannels = shapeOf('decoder.conv_in.weight')?.[1];
  if (blockChannels.length === 0 || imageChannels === undefined || latentChannels === undefined)
    return `its tensors are not those of an ${className}`;
  if (latentChannels !== usual.latentChannels)
    return `its latents have ${latentChannels} channels, and tensors do not show by what such latents are scaled`;
  if (blockChannels.some((width) => width % usual.groups !== 0))
    return `its layers have ${blockChannels.join(', ')} channels, which are no groups of ${usual.groups}, and tensors do not show others`;
  const spec: VaeSpec = {
    ...{ imageChannels, latentChannels, blockChannels, layersPerBlock, groups: usual.groups },
    attention: has('encoder.mid_block.attentions.0.to_q.weight'),
    afterEncoder: has('quant_conv.weight'),
    beforeDecoder: has('post_quant_conv.weight'),
    ...{ scalingFactor: usual.scalingFactor, shift: 0, downsampling: 2 ** (blockChannels.length - 1) },
  };
  return {
    spec,
    reason: `its tensors show it, except the scaling factor ${usual.scalingFactor} and norms of ${usual.groups} groups: those of Stable Diffusion`,
  };
}

const block = (i: number, j: number): string => `encoder.down_blocks.${i}.resnets.${j}.conv1.weight`;

/** Values at 0, 1, ... until there is none. */
function countUp(most: number, at: (i: number) => number | undefined): number[] {
  const found: number[] = [];
  for (let i = 0; i < most; i++) {
    const value = at(i);
    if (value === undefined) break;
    found.push(value);
  }
  return found;
}
