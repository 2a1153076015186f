// Which embedded captions are stored in a folder?
import { join } from 'node:path';
import { captionsFile, captionsFormat, openCaptions, type CaptionsIndex } from '../data/captions.js';
import { readJsonFile } from '../files/jsonFile.js';
import { bytesAt } from './bytes.js';

export interface CaptionsFacts {
  readonly kind: 'captions';
  readonly path: string;
  readonly bytes: number;
  readonly index: CaptionsIndex;
}

/** @throws UserError if the index or a shard is not sound, or the two do not say the same */
export async function captionsFacts(path: string): Promise<CaptionsFacts> {
  const index = await readJsonFile(join(path, captionsFile), captionsFormat);
  const { channels, tokens } = index;
  await openCaptions(path, { size: 'a backbone', captionChannels: channels, captionTokens: tokens });
  return { kind: 'captions', path, bytes: await bytesAt(path), index };
}
