// How does a folder of embedded captions come about in this language? One shard after the other, the index last.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors, type WriteOptions } from '../checkpoints/safetensors.js';
import { writing } from '../files/disk.js';
import { writeFileAtomic } from '../files/write.js';
import { writeJsonFile } from '../files/jsonFile.js';
import { captionsFile, captionsFormat } from './captions.js';

/** Embedded captions of one length. */
export interface EmbeddedCaptions {
  readonly count: number;
  /** Tokens of each, l. */
  readonly length: number;
  /** [count, l, C] */
  readonly tokens: Float32Array;
  /** [count, l]: 1 where a token counts, else 0. */
  readonly mask: Float32Array;
}

export interface CaptionStoreOptions {
  /** Name of the text encoder. */
  readonly encoder: string;
  /** Numbers per token, C. */
  readonly channels: number;
  /** Embedding of the empty text. */
  readonly nullCaption: EmbeddedCaptions;
  /** The captions themselves, in their order. */
  readonly texts?: readonly string[];
  /** F16 halves the files and rounds every number. */
  readonly dtype?: NonNullable<WriteOptions['dtype']>;
}

const textsFile = 'captions.txt';

/**
 * Writes a store. Without its index, which comes last, a folder is no store.
 * @param shards in the order of the captions; a list, or made one after the other
 * @throws UserError if the disk refuses
 */
export async function writeCaptions(
  folder: string,
  shards: Iterable<EmbeddedCaptions> | AsyncIterable<EmbeddedCaptions>,
  { encoder, channels, nullCaption, texts, dtype = 'F16' }: CaptionStoreOptions,
): Promise<void> {
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const write = async (file: string, captions: EmbeddedCaptions): Promise<number> => {
    const { count, length, tokens, mask } = captions;
    const tensors = {
      tokens: { shape: [count, length, channels], data: tokens },
      mask: { shape: [count, length], data: mask },
    };
    await writeSafetensors(join(folder, file), tensors, { dtype });
    return length;
  };
  const nullFile = 'null.safetensors';
  let longest = await write(nullFile, nullCaption);
  const written: { file: string; count: number }[] = [];
  for await (const shard of shards) {
    const file = `captions-${String(written.length).padStart(5, '0')}.safetensors`;
    longest = Math.max(longest, await write(file, shard));
    written.push({ file, count: shard.count });
  }
  if (texts) await writeFileAtomic(join(folder, textsFile), texts.map((text) => `${text}\n`).join(''));
  await writeJsonFile(join(folder, captionsFile), captionsFormat, {
    format: 'exithead-captions',
    version: 1,
    encoder,
    channels,
    tokens: longest,
    count: written.reduce((sum, { count }) => sum + count, 0),
    shards: written,
    nullCaption: nullFile,
    ...(texts && { texts: textsFile }),
  });
}
