// How is a .safetensors file made of tensors that lie in others? Piece by piece: cut, joined, and never rounded.
import { isStored, sizeOf, type StoredFloat, type Weight } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { writeFileAtomic } from '../files/write.js';
import { headerBytes } from './safetensors.js';
import { bytesPer, readPieces } from './stored.js';

/** A tensor made of others, whose rows follow each other. */
export interface Assembled {
  readonly shape: readonly number[];
  readonly parts: readonly Weight[];
}

/** How much of a large tensor is in memory at once. */
const pieceBytes = 4 * 2 ** 20;

/** Bytes that these tensors take in a file. */
export function bytesOf(tensors: Readonly<Record<string, Assembled>>): number {
  return Object.entries(tensors).reduce(
    (sum, [name, tensor]) => sum + bytesPer[typeOf(name, tensor)] * sizeOf(tensor.shape),
    0,
  );
}

/**
 * Writes tensors in the order given, each in the type of its parts, whole or not at all.
 * @throws UserError if parts of one tensor have several types, a file is gone, or the disk refuses it
 */
export async function assembleSafetensors(
  path: string,
  tensors: Readonly<Record<string, Assembled>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const dtype = typeOf(name, tensor);
    const bytes = bytesPer[dtype] * sizeOf(tensor.shape);
    header[name] = { dtype, shape: tensor.shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  await writeFileAtomic(path, pieces(headerBytes(header), Object.entries(tensors)));
}

async function* pieces(
  header: readonly Uint8Array[],
  tensors: readonly (readonly [string, Assembled])[],
): AsyncGenerator<Uint8Array> {
  yield* header;
  for (const [name, { shape, parts }] of tensors) {
    const size = parts.reduce((sum, part) => sum + sizeOf(part.shape), 0);
    if (size !== sizeOf(shape))
      throw new Error(`the parts of ${name} have ${size} numbers, not those of its shape`);
    for (const part of parts) {
      if (isStored(part)) yield* readPieces(part, pieceBytes);
      else yield new Uint8Array(part.data.buffer, part.data.byteOffset, part.data.byteLength);
    }
  }
}

/** Weights in memory count as F32, see fingerprint.ts. */
function typeOf(name: string, { parts }: Assembled): StoredFloat {
  const [first = 'F32', ...others] = new Set(parts.map((part) => (isStored(part) ? part.dtype : 'F32')));
  if (others.length === 0) return first;
  throw new UserError(
    `the parts of ${name} are stored as ${[first, ...others].join(' and ')}, expected one type. Store them alike.`,
  );
}
