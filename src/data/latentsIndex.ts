// What does index.json of stored latents say? Its schema, and its reading and writing.
import { join } from 'node:path';
import { z } from 'zod';
import { fingerprintSchema } from '../schedules/errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';

/** How the numbers of latents may be stored. */
export const latentDtypes = ['F16', 'F32'] as const;
export type LatentDtype = (typeof latentDtypes)[number];

const vaeSchema = z.object({
  source: z.string().max(4096).optional().describe('where the VAE came from; it is not needed to train'),
  fingerprint: fingerprintSchema
    .optional()
    .describe('the VAE given when pictures are made must have the same'),
  scalingFactor: z
    .number()
    .positive()
    .describe('diffusion sees (z - shiftFactor) scalingFactor, where z is drawn from mean and logvar'),
  shiftFactor: z.number().default(0).describe('0 unless given'),
});

const shardSchema = z.object({
  file: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/, 'must be the name of a .safetensors file beside it')
    .describe('safetensors beside index.json'),
  count: z.int().min(1).max(100_000_000).describe('examples in it'),
});

const indexSchema = z
  .object({
    format: z.literal('exithead-latents'),
    version: z.literal(1),
    vae: vaeSchema.describe('what made the latents'),
    channels: z.int().min(1).max(1024).describe('C, channels of a latent'),
    size: z.int().min(1).max(4096).describe('s, height and width of a latent'),
    dtype: z.enum(latentDtypes).describe('type of the numbers in every shard'),
    flipped: z.boolean().describe('whether the latents of the mirrored images are there, too'),
    classes: z.int().min(1).max(100_000_000).describe('number of labels: they are 0 to classes - 1'),
    classNames: z.array(z.string().max(1024)).optional().describe('what each label means'),
    count: z.int().min(1).max(1_000_000_000).describe('examples in all shards'),
    shards: z.array(shardSchema).min(1).max(1_000_000).describe('examples are counted in this order'),
  })
  .superRefine(({ count, shards, classes, classNames }, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const sum = shards.reduce((before, shard) => before + shard.count, 0);
    if (sum !== count) refuse(['count'], `is ${count}, but the shards have ${sum}`);
    if (new Set(shards.map(({ file }) => file)).size !== shards.length)
      refuse(['shards'], 'names a file twice');
    if (classNames && classNames.length !== classes)
      refuse(['classNames'], `has ${classNames.length} names for ${classes} classes`);
  });

export type LatentsIndex = Readonly<z.output<typeof indexSchema>>;

export const latentsFormat = jsonFormat<LatentsIndex>({
  schema: indexSchema,
  noun: 'an index of latents',
  remedy: 'Give a folder that `exithead encode` writes.',
});

/** Where the index of a folder of latents is. */
export function latentsIndexPath(folder: string): string {
  return join(folder, 'index.json');
}

/** @param folder of stored latents @throws UserError naming the file and what is wrong in it */
export function readLatentsIndex(folder: string): Promise<LatentsIndex> {
  return readJsonFile(latentsIndexPath(folder), latentsFormat);
}

/** The last file to be written: a folder without it is not finished. */
export function writeLatentsIndex(folder: string, index: LatentsIndex): Promise<void> {
  return writeJsonFile(latentsIndexPath(folder), latentsFormat, index);
}
