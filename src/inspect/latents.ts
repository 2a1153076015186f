// Which latents are stored in a folder?
import { openLatents } from '../data/latents.js';
import type { LatentsIndex } from '../data/latentsIndex.js';
import { bytesAt } from './bytes.js';

export interface LatentsFacts {
  readonly kind: 'latents';
  readonly path: string;
  readonly bytes: number;
  readonly index: LatentsIndex;
}

/** @throws UserError if the index or a shard is not sound, or the two do not say the same */
export async function latentsFacts(path: string): Promise<LatentsFacts> {
  const { index } = await openLatents(path, { flip: false });
  return { kind: 'latents', path, bytes: await bytesAt(path), index };
}
