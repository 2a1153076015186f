// Which keys does every config have, and which backbone does it name?
import { z } from 'zod';
import type { BackboneSpec, ExitRule } from '../../backbones/backbone.js';
import { labelsSchema } from '../../backbones/labels.js';
import { count, file, from0 } from './values.js';

/** Heads and weights are loaded with the libraries they need; their names are repeated here so that reading a config loads none. */
const families = ['dit', 'uvit'] as const satisfies readonly BackboneSpec['family'][];
const exitRules = ['skips', 'plain'] as const satisfies readonly ExitRule[];

export const nameSection = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/)
  .default('run')
  .meta({
    description: 'name of the run, part of its folder runs/<nnn>-<name>',
    expected: 'letters, digits, dots, hyphens and underscores, at most 80, starting with a letter or digit',
  });

export const seedSection = from0(2 ** 31 - 1)
  .default(0)
  .describe('all random numbers of a run follow from it');

/** A backbone that exists: train, profile, export. */
export const backboneFileSection = z
  .strictObject({
    path: file(
      'the checkpoint: a .safetensors, .pt or .pth file, or a folder with config.json and weights, of official code or diffusers; or hf://owner/name[@revision][/file-or-folder]',
    ),
    weights: z
      .enum(['auto', 'ema', 'model'])
      .default('auto')
      .describe('which weights of a .pt file: auto takes the averaged ones (ema) where there are some'),
    config: file('path of its config.json, when the checkpoint stands alone').optional(),
    size: z
      .string()
      .regex(/^(DiT-(tiny|S|B|L|XL)\/[248]|U-ViT-(tiny\/2|S\/[24]|M\/4|[LH]\/[24])|PixArt-XL\/2)$/)
      .meta({
        description:
          'published size, when the checkpoint stands alone and its tensors do not show what it is',
        expected: 'a published size such as DiT-XL/2 or U-ViT-H/2',
      })
      .optional(),
    imageSize: count(4096)
      .describe(
        'with `size`: side of the input; unless given, 32 for a DiT and a PixArt (latents of 256 px) and what was published for a U-ViT',
      )
      .optional(),
    exitRule: z
      .enum(exitRules)
      .describe(
        'what an early exit of a U-ViT still runs: skips, the layers that join long skips; plain, nothing; skips unless set here or in config.json',
      )
      .optional(),
    labels: labelsSchema.optional(),
  })
  .describe('the pretrained backbone, which stays as it is');

/** A backbone to make: pretrain. */
export const backboneNewSection = z
  .strictObject({
    family: z.enum(families).default('dit').describe('kind of diffusion transformer'),
    imageSize: count(4096).describe('side of the square input'),
    channels: count(1024).describe('channels of the input'),
    patch: count(256).describe('side of the square patch that becomes one token; divides imageSize'),
    depth: count(1000).describe(
      'number of transformer blocks; odd in a U-ViT: a middle one between as many encoders as decoders',
    ),
    width: count(65536).describe('numbers per token; a multiple of heads, and of 4 in a DiT'),
    heads: count(1024).describe('attention heads'),
    mlpRatio: z.number().min(0.25).max(64).default(4).describe('hidden width of the MLP over width'),
    classes: from0(1_000_000).describe(
      'number of class labels; the null class of guidance comes on top; 0 makes an unconditional backbone',
    ),
    store: z
      .enum(['F32', 'F16'])
      .default('F32')
      .describe('how the finished weights are stored; F16 halves the file and rounds every number'),
  })
  .describe('the backbone to make');
