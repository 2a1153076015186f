// Which captions are there, and what does a text encoder make of them? A folder of embeddings, read by offset.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CaptionedSpec } from '../backbones/backbone.js';
import { openSafetensors } from '../checkpoints/safetensors.js';
import { readTensor } from '../checkpoints/stored.js';
import { sizeOf, type StoredTensor } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { CaptionBatch, Captions } from '../exits/prompts.js';
import { keyOf } from '../files/cached.js';
import { jsonFormat, readJsonFile } from '../files/jsonFile.js';

/** The index, in the folder of the store. */
export const captionsFile = 'captions.json';

const shardFile = z
  .string()
  .regex(
    /^[A-Za-z0-9_][\w.-]{0,199}\.safetensors$/,
    'must be the name of a .safetensors file beside the index',
  );

const indexSchema = z
  .object({
    format: z.literal('exithead-captions'),
    version: z.literal(1),
    encoder: z
      .string()
      .max(200)
      .describe('text encoder that made the embeddings, such as google/t5-v1_1-xxl'),
    channels: z.int().min(1).max(65536).describe('numbers per embedded token'),
    tokens: z.int().min(1).max(4096).describe('tokens of the longest caption of all files'),
    count: z.int().min(1).max(1_000_000_000).describe('number of captions, without the null caption'),
    shards: z
      .array(z.object({ file: shardFile, count: z.int().min(1).max(1_000_000) }))
      .min(1)
      .max(100_000)
      .describe(
        'files with `tokens` [count, length, channels] and `mask` [count, length], in the order of the captions',
      ),
    nullCaption: shardFile.describe('file with the same of one caption: the empty text'),
    texts: z
      .string()
      .regex(/^[A-Za-z0-9_][\w.-]{0,199}$/, 'must be the name of a file beside the index')
      .optional()
      .describe('the captions themselves, one a line'),
  })
  .superRefine(({ count, shards, nullCaption }, context) => {
    const refuse = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const held = shards.reduce((sum, shard) => sum + shard.count, 0);
    if (held !== count) refuse(['count'], `is ${count}, but the shards hold ${held}`);
    const files = [...shards.map(({ file }) => file), nullCaption];
    const twice = files.find((file, i) => files.indexOf(file) < i);
    if (twice !== undefined) refuse(['shards'], `name ${twice} twice`);
  });

/** What the index of a store says. */
export type CaptionsIndex = Readonly<z.output<typeof indexSchema>>;

export const captionsFormat = jsonFormat<CaptionsIndex>({
  schema: indexSchema,
  noun: 'the index of captions',
  remedy: 'Give a folder of embedded captions (docs/captions.md).',
});

/** Where captions lie: `from` is the number of the first. */
interface Shard {
  readonly path: string;
  readonly from: number;
  readonly count: number;
  /** Tokens of each, l. */
  readonly length: number;
  /** [count, l, C] */
  readonly tokens: StoredTensor;
  /** [count, l] */
  readonly mask: StoredTensor;
}

/** What of a backbone decides whether it can read the captions of a store. */
type CaptionReader = Pick<CaptionedSpec, 'size' | 'captionChannels' | 'captionTokens'>;

/**
 * Opens a store. Of its files the headers alone are read; a batch reads the captions that it asks for.
 * @param folder of the store
 * @param spec whose captions they shall be
 * @throws UserError if the store is not sound, or the backbone takes other captions
 */
export async function openCaptions(folder: string, spec: CaptionReader): Promise<Captions> {
  const index = await readJsonFile(join(folder, captionsFile), captionsFormat);
  requireFit(folder, index, spec);
  const shards: Shard[] = [];
  let from = 0;
  for (const { file, count } of [...index.shards, { file: index.nullCaption, count: 1 }]) {
    shards.push(await openShard(join(folder, file), index, from, count));
    from += count;
  }
  const { captionTokens, captionChannels } = spec;
  return {
    count: index.count,
    fingerprint: await fingerprintOf(index, shards),
    async read(numbers) {
      const tokens = new Float32Array(numbers.length * captionTokens * captionChannels);
      const mask = new Float32Array(numbers.length * captionTokens);
      for (const [i, number] of numbers.entries()) {
        const one = await readCaption(folder, shards, number, index.count);
        tokens.set(one.tokens, i * captionTokens * captionChannels);
        mask.set(one.mask, i * captionTokens);
      }
      return { tokens, mask };
    },
  };
}

/** Embeddings may fill a disk, so they are known by the sizes of their files and when those changed. */
async function fingerprintOf(index: CaptionsIndex, shards: readonly Shard[]): Promise<string> {
  const files = await Promise.all(shards.map(({ path }) => stat(path)));
  return keyOf(JSON.stringify(index), ...files.flatMap(({ size, mtimeMs }) => [size, mtimeMs]));
}

function requireFit(folder: string, { encoder, channels, tokens }: CaptionsIndex, spec: CaptionReader): void {
  const { size, captionChannels, captionTokens } = spec;
  if (channels !== captionChannels)
    throw new UserError(
      `${folder} holds captions of ${channels} channels (from ${JSON.stringify(encoder)}), but ${size} reads captions of ` +
        `${captionChannels}. Embed them with the text encoder that it was trained with.`,
    );
  if (tokens > captionTokens)
    throw new UserError(
      `${folder} holds captions of up to ${tokens} tokens, but ${size} reads ${captionTokens}. Embed them with at most ` +
        `${captionTokens}, or set caption_tokens in the config.json of the backbone.`,
    );
}

async function openShard(
  path: string,
  { channels, tokens: most }: CaptionsIndex,
  from: number,
  count: number,
): Promise<Shard> {
  const { tensors } = await openSafetensors(path);
  const { tokens, mask } = tensors;
  if (!tokens || !mask)
    throw unsound(path, `it has no ${tokens ? 'mask' : 'tokens'} of type F32, F16 or BF16`);
  const [, length = 0] = tokens.shape;
  const expected: readonly (readonly [string, StoredTensor, readonly number[]])[] = [
    ['tokens', tokens, [count, length, channels]],
    ['mask', mask, [count, length]],
  ];
  for (const [name, { shape }, wanted] of expected)
    if (shape.join() !== wanted.join())
      throw unsound(path, `${name} is [${shape.join(', ')}], expected [${wanted.join(', ')}]`);
  if (length < 1 || length > most)
    throw unsound(path, `its captions have ${length} tokens, expected 1 to ${most} as ${captionsFile} says`);
  return { path, from, count, length, tokens, mask };
}

async function readCaption(
  folder: string,
  shards: readonly Shard[],
  number: number,
  count: number,
): Promise<CaptionBatch> {
  const shard = shardOf(shards, number);
  if (!shard)
    throw new UserError(
      `${folder} holds captions 0 to ${count - 1}, and number ${number} was asked for. Give the captions of these data.`,
    );
  const row = number - shard.from;
  const tokens = await readRow(shard.tokens, row);
  const mask = await readRow(shard.mask, row);
  if (tokens.some((value) => !Number.isFinite(value)))
    throw unsound(shard.path, `the embedding in row ${row} is not finite`);
  if (mask.some((value) => value !== 0 && value !== 1) || !mask.includes(1))
    throw unsound(shard.path, `the mask in row ${row} is not made of 0 and 1, at least one of them 1`);
  return { tokens, mask };
}

function shardOf(shards: readonly Shard[], number: number): Shard | undefined {
  let [low, high] = [0, shards.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const shard = shards[middle];
    if (!shard) return undefined;
    if (number < shard.from) high = middle - 1;
    else if (number >= shard.from + shard.count) low = middle + 1;
    else return shard;
  }
  return undefined;
}

/** One row of the first axis, flat. */
async function readRow(
  { shape, offset, bytes, ...stored }: StoredTensor,
  row: number,
): Promise<Float32Array> {
  const [rows = 1, ...rest] = shape;
  const each = bytes / rows;
  const { data } = await readTensor({ ...stored, shape: rest, offset: offset + row * each, bytes: each });
  if (!(data instanceof Float32Array) || data.length !== sizeOf(rest))
    throw new Error('a row is made of floats');
  return data;
}

function unsound(path: string, what: string): UserError {
  return new UserError(`${path} is no sound file of captions: ${what}. Embed the captions again.`);
}
