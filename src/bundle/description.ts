// What does bundle.json say? Its schema, and its reading and writing.
import { z } from 'zod';
import type { BackboneSpec } from '../backbones/backbone.js';
import { labelsSchema } from '../backbones/labels.js';
import { readSpec } from '../backbones/spec.js';
import { betaKinds } from '../diffusion/betas.js';
import { predictionKinds } from '../diffusion/prediction.js';
import { frozenPrecisions } from '../engine/tensors.js';
import {
  checkedPlans,
  headKinds,
  headPlan,
  sizeOfKind,
  type HeadPlan,
  type HeadSizes,
} from '../exits/heads.js';
import { UserError } from '../errors.js';
import { fingerprintSchema } from '../schedules/errorTable.js';
import { jsonFormat } from '../files/jsonFile.js';

/** A file of the bundle: a path with / that stays inside the folder. */
const innerPathSchema = z
  .string()
  .regex(
    /^(?!\.{1,2}(\/|$))[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*$/,
    'must be a path inside the bundle, such as heads.safetensors',
  );

/** The backbone's weights, where they lie in the bundle. */
export const backboneFile = 'backbone.safetensors';

const sizeSchema = z.int().min(1).max(65536);

const headSchema = z.object({
  exit: z.int().min(1).max(1000).describe('leave after this block, counted from 1'),
  kind: z.enum(headKinds).describe('what stands between the block and the prediction'),
  bottleneck: sizeSchema.optional().describe('width of an adapter or a memory; they alone have it'),
  rank: sizeSchema.optional().describe('rank of what low-rank adds; it alone has it'),
  variance: z
    .literal('shared')
    .optional()
    .describe(
      "shared: channels of a learned variance are those of the backbone's own last layer on the state there",
    ),
  macs: z.int().positive().describe('multiply-adds of one sample up to and with this head'),
});

const diffusionSchema = z.object({
  prediction: z.enum(predictionKinds).describe('what the model predicts'),
  betas: z
    .enum(betaKinds)
    .describe(
      'what grows linearly from betaStart to betaEnd: betas, or with scaled-linear their square roots',
    ),
  betaStart: z.number().gt(0).lt(1),
  betaEnd: z.number().gt(0).lt(1),
  steps: z.int().min(1).max(100_000).describe('number of diffusion steps, T'),
  timeAxis: z.literal('discrete').describe('native t is a whole number 0..T-1, 0 the least noisy'),
  guidance: z.number().min(0).describe('classifier-free guidance scale to sample with; 1 is unguided'),
  guidanceChannels: z
    .union([z.literal('all'), z.int().min(1).max(1024)])
    .optional()
    .describe('how many channels guidance moves, from the first; all that are denoised unless given'),
  guidanceInterval: z
    .array(z.number().min(0))
    .length(2)
    .optional()
    .describe('native t from and to which guidance is on; elsewhere the scale is 1; always on unless given'),
  clip: z.boolean().describe('keep predicted images within -1..1: for pixels, not for latents'),
});

/** How the backbone was trained to denoise, and the guidance to sample with. */
export type BundleDiffusion = Readonly<z.output<typeof diffusionSchema>>;

const descriptionSchema = z
  .object({
    format: z.literal('exithead-bundle'),
    version: z.literal(1),
    backbone: z.object({
      family: z.enum(['dit', 'uvit', 'pixart'] as const satisfies readonly BackboneSpec['family'][]),
      size: z.string().max(200).describe('such as DiT-XL/2'),
      source: z
        .string()
        .max(4096)
        .describe(
          'where its weights are, seen from this folder: in it, as backbone.safetensors, or elsewhere',
        ),
      labels: labelsSchema.optional(),
      fingerprint: fingerprintSchema.describe('the backbone given when sampling must have the same'),
      spec: z
        .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
        .describe('options of the official model class, as in config.json'),
      conditioning: z
        .enum(['classes', 'captions'] as const satisfies readonly BackboneSpec['conditioning'][])
        .optional()
        .describe(
          'what it is told: class labels, or captions as a text encoder embeds them (caption_channels and caption_tokens in spec); classes unless given',
        ),
      frozenPrecision: z
        .enum(frozenPrecisions)
        .optional()
        .describe('what it computed in when the heads were trained; fp32 unless given'),
    }),
    diffusion: diffusionSchema,
    vae: z
      .object({
        source: z.string().max(4096).describe('where it is; its weights are not in the bundle'),
        fingerprint: fingerprintSchema,
        tile: z.int().min(2).max(4096).optional().describe('side of the tiles to decode in, in latents'),
      })
      .optional()
      .describe('autoencoder that makes pictures of what is drawn; pixels need none'),
    heads: z.array(headSchema).max(1000).describe('ascending exits'),
    fullMacs: z.int().positive().describe('multiply-adds of one sample through the whole backbone'),
    headsFingerprint: fingerprintSchema.describe('the schedule was solved for heads of this fingerprint'),
    headsFile: innerPathSchema.describe(
      'safetensors with exits.<exit>.<part>.<name>, linear layers [out, in]',
    ),
    schedule: innerPathSchema.describe('schedule.json: which exit each native t runs'),
    run: z
      .string()
      .max(4096)
      .optional()
      .describe('folder of the run that it was exported from, whose config names the data'),
  })
  .superRefine(({ heads, diffusion }, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    if (diffusion.betaStart > diffusion.betaEnd)
      refuse(['diffusion', 'betaEnd'], `is ${diffusion.betaEnd}, less than betaStart`);
    const [from = 0, to = 0] = diffusion.guidanceInterval ?? [];
    if (from > to)
      refuse(['diffusion', 'guidanceInterval'], `goes from ${from} to ${to}, the wrong way round`);
    heads.forEach(({ kind, ...sizes }, i) => {
      for (const name of ['bottleneck', 'rank'] as const satisfies (keyof HeadSizes)[]) {
        const needed = sizeOfKind(kind) === name;
        if (needed !== (sizes[name] !== undefined))
          refuse(['heads', i, name], needed ? 'is missing' : `does not go with ${kind}`);
      }
    });
  });

export type BundleDescription = Readonly<z.output<typeof descriptionSchema>>;

export const bundleFormat = jsonFormat<BundleDescription>({
  schema: descriptionSchema,
  noun: 'a bundle description',
  remedy: 'Give a folder that `exithead export` writes.',
});

/**
 * Plans of the heads that bundle.json lists.
 * @param path of bundle.json, for messages
 * @throws UserError if they do not fit the backbone
 */
export function plansOf(spec: BackboneSpec, { heads }: BundleDescription, path: string): readonly HeadPlan[] {
  const plans = heads.map(({ exit, kind, ...options }) => headPlan(kind, exit, options));
  try {
    return checkedPlans(spec, plans);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: ${error.message}. ${bundleFormat.remedy}`);
  }
}

/**
 * The backbone that bundle.json describes.
 * @param path of bundle.json, for messages
 * @throws UserError if there is no such backbone, or it does not go with the diffusion settings
 */
export function specOf({ backbone, diffusion }: BundleDescription, path: string): BackboneSpec {
  const spec = readSpec(backbone.spec, path);
  if (spec.timeSteps !== diffusion.steps)
    throw new UserError(
      `${path}: the backbone knows ${spec.timeSteps} diffusion steps, but diffusion.steps is ${diffusion.steps}. ` +
        bundleFormat.remedy,
    );
  if (spec.prediction !== diffusion.prediction)
    throw new UserError(
      `${path}: the backbone predicts ${spec.prediction}, but diffusion.prediction is ${diffusion.prediction}. ${bundleFormat.remedy}`,
    );
  return spec;
}
