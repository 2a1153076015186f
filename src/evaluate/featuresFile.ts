// How are images shown to a network, and which of its outputs are features? The file beside an ONNX file says so.
import { z } from 'zod';
import { readJsonFile, jsonFormat } from '../files/jsonFile.js';

const name = z.string().min(1).max(1000);
const perChannel = (meaning: string): z.ZodArray<z.ZodNumber> =>
  z
    .array(z.number().min(-1000).max(1000))
    .min(1)
    .max(3)
    .describe(`${meaning}; one number, or one for each channel in the order of the network`);

export const filters = ['none', 'box', 'bilinear', 'bicubic'] as const;

const featuresSchema = z
  .strictObject({
    format: z.literal('exithead-features'),
    version: z.literal(1),
    input: z.strictObject({
      name: name.describe('of the input that takes images'),
      layout: z.enum(['NCHW', 'NHWC']).describe('order of its dimensions: batch, channels, height, width'),
      size: z.int().min(1).max(4096).describe('height and width of the images it takes, in pixels'),
      channels: z
        .enum(['grey', 'RGB', 'BGR'])
        .describe('which channels, in which order; grey images are repeated for a network of colours'),
    }),
    resize: z
      .enum(filters)
      .describe('how images of another size are brought to it, as Pillow does in 8 bits; none refuses them'),
    mean: perChannel('subtracted from pixels, which go from 0 to 1'),
    std: perChannel('that is then divided by'),
    features: name.describe(
      'output that sets of images are compared in, [batch, width] or with dimensions of 1 behind',
    ),
    decision: z
      .strictObject({
        output: name.describe('what it takes images for, [batch, classes]'),
        holds: z.enum(['logits', 'probabilities']).describe('whether its softmax is still to be taken'),
      })
      .optional()
      .describe('for Inception Scores; unless given there are none'),
  })
  .superRefine(({ input, mean, std }, context) => {
    const channels = input.channels === 'grey' ? 1 : 3;
    for (const [key, values] of Object.entries({ mean, std }))
      if (values.length !== 1 && values.length !== channels)
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `has ${values.length} numbers, expected 1 or the ${channels} of ${input.channels}`,
        });
    if (std.some((value) => value <= 0))
      context.addIssue({ code: 'custom', path: ['std'], message: 'must be above 0' });
  });

export type FeaturesFile = Readonly<z.output<typeof featuresSchema>>;

export const featuresFormat = jsonFormat<FeaturesFile>({
  schema: featuresSchema,
  noun: 'a description of features',
  remedy: 'docs/evaluate.md says what stands in it.',
});

/** Where the description of a network lies: beside it, with the ending .json. */
export function featuresPath(onnx: string): string {
  return `${onnx.replace(/\.onnx$/i, '')}.json`;
}

/** @throws UserError naming the file and what is wrong in it */
export function readFeaturesFile(path: string): Promise<FeaturesFile> {
  return readJsonFile(path, featuresFormat);
}
