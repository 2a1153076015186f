// Are these the same weights? A hash of every name, shape, type and number, wherever they lie.
import { createHash } from 'node:crypto';
import { isStored, type StoredFloat, type Weights } from '../engine/tensors.js';
import { bytesPer, piecesOf } from './stored.js';

/** Consecutive numbers of one tensor, as they are stored; good until the next piece comes. */
export interface Piece {
  readonly name: string;
  readonly dtype: StoredFloat;
  /** Flat index of the first number. */
  readonly first: number;
  /** Little-endian. */
  readonly bytes: Uint8Array;
}

/**
 * SHA-256 in hex over names in ascending order, each with type, shape and bytes. Weights in memory count as F32, so
 * they have the fingerprint of the F32 file that is written from them. Files and their copies have the same one;
 * the same weights in another type have another.
 * @param see is shown every piece on the way, so that one pass over a large file serves several ends
 * @throws UserError if a file is gone or has become shorter; Error if a weight in memory is not made of floats
 */
export async function fingerprintOf(weights: Weights, see?: (piece: Piece) => void): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, weight] of Object.entries(weights).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const dtype = isStored(weight) ? weight.dtype : 'F32';
    hash.update(`${JSON.stringify([name, dtype, weight.shape])}\n`);
    let first = 0;
    for await (const bytes of piecesOf(name, weight)) {
      hash.update(bytes);
      see?.({ name, dtype, first, bytes });
      first += bytes.length / bytesPer[dtype];
    }
  }
  return hash.digest('hex');
}
