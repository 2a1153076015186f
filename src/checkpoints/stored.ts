// How do the numbers of a tensor get out of a file? By offset: raw bytes, or widened to 32-bit floats.
import { open } from 'node:fs/promises';
import {
  isStored,
  type HostTensor,
  type HostTensors,
  type StoredFloat,
  type StoredTensor,
  type Weight,
  type Weights,
} from '../engine/tensors.js';
import { messageOf, unreachable, UserError } from '../errors.js';
import { widenBrain, widenHalf } from './half.js';

export const bytesPer: Readonly<Record<StoredFloat, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Bytes of one number, for every type that a .safetensors file may have. */
export const typeBytes: Readonly<Record<string, number>> = {
  ...bytesPer,
  ...{
    F64: 8,
    I64: 8,
    U64: 8,
    I32: 4,
    U32: 4,
    I16: 2,
    U16: 2,
    I8: 1,
    U8: 1,
    BOOL: 1,
    F8_E4M3: 1,
    F8_E5M2: 1,
  },
};

/** A tensor as its file describes it. */
export interface TensorEntry {
  readonly name: string;
  /** As .safetensors files name it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Bytes of one whole number, by type. */
export const integerBytes = { I64: 8, I32: 4 } as const;

/** Row-major little-endian whole numbers that lie in a file at a byte offset. */
export type StoredIntegers = Omit<StoredTensor, 'dtype'> & { readonly dtype: keyof typeof integerBytes };

/** Where bytes lie in a file. */
export type Stretch = Pick<StoredTensor, 'path' | 'offset' | 'bytes'>;

/** @throws UserError if the file is gone or has become shorter */
export async function readBytes(stretch: Stretch): Promise<Uint8Array<ArrayBuffer>> {
  let data = new Uint8Array(0);
  // One piece, as long as the whole.
  for await (const piece of readPieces(stretch, stretch.bytes)) data = piece;
  return data;
}

/**
 * The bytes in pieces of `most` and a shorter last one, so that a large tensor is never in memory whole.
 * A piece is good until the next one is asked for.
 * @throws UserError if the file is gone or has become shorter
 */
export async function* readPieces(
  { path, offset, bytes }: Stretch,
  most: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(Math.min(bytes, most));
  const file = await open(path, 'r').catch((error: unknown) => {
    throw changed(path, error);
  });
  try {
    for (let start = 0; start < bytes; start += most) {
      const piece = buffer.subarray(0, Math.min(most, bytes - start));
      for (let done = 0; done < piece.length;) {
        const at = offset + start + done;
        const { bytesRead } = await file
          .read(piece, done, piece.length - done, at)
          .catch((error: unknown) => {
            throw changed(path, error);
          });
        if (bytesRead === 0) throw changed(path, new Error(`it ends at byte ${at}`));
        done += bytesRead;
      }
      yield piece;
    }
  } finally {
    await file.close();
  }
}

/** Large tensors are read in pieces of this many bytes, a whole number of numbers of any type. */
const pieceBytes = 4 * 2 ** 20;

/**
 * The bytes of a weight as it is stored, in memory as F32, in pieces; each is good until the next one is asked for.
 * @param name for messages
 * @throws UserError if the file is gone or has become shorter; Error if a weight in memory is not made of floats
 */
export async function* piecesOf(name: string, weight: Weight): AsyncGenerator<Uint8Array> {
  if (isStored(weight)) {
    yield* readPieces(weight, pieceBytes);
    return;
  }
  const { data } = weight;
  if (!(data instanceof Float32Array)) throw new Error(`weight ${name} is not made of floats`);
  yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Little-endian bytes as 32-bit floats. */
export function widen(dtype: StoredFloat, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    case 'F16':
      return widenHalf(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
    case 'BF16':
      return widenBrain(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2));
    default:
      return unreachable(dtype);
  }
}

/** The tensor in memory, in single precision. */
export async function readTensor(stored: StoredTensor): Promise<HostTensor> {
  return { shape: stored.shape, data: widen(stored.dtype, await readBytes(stored)) };
}

/** Weights that are in memory stay the arrays they are. */
export async function readTensors(weights: Weights): Promise<HostTensors> {
  const read: (readonly [string, HostTensor])[] = [];
  for (const [name, weight] of Object.entries(weights))
    read.push([name, isStored(weight) ? await readTensor(weight) : weight]);
  // Not by assignment: a name in a file may be __proto__.
  return Object.fromEntries(read);
}

/** Whole numbers in memory. @throws UserError if one does not fit into 32 bits, or the file has changed */
export async function readIntegers(stored: StoredIntegers): Promise<Int32Array> {
  const { buffer, byteOffset, length } = await readBytes(stored);
  switch (stored.dtype) {
    case 'I32':
      return new Int32Array(buffer, byteOffset, length / 4);
    case 'I64': {
      const long = new BigInt64Array(buffer, byteOffset, length / 8);
      const bad = long.findIndex((value) => BigInt.asIntN(32, value) !== value);
      if (bad >= 0)
        throw new UserError(
          `${stored.path} holds the whole number ${long[bad]}, expected numbers of 32 bits. Write it again.`,
        );
      return Int32Array.from(long, Number);
    }
    default:
      return unreachable(stored.dtype);
  }
}

function changed(path: string, error: unknown): UserError {
  return new UserError(
    `${path} cannot be read any more (${messageOf(error)}). Was it changed while in use? Start again.`,
  );
}
