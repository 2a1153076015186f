// How do the numbers of a tensor get out of a file? By offset: raw bytes, or widened to 32-bit floats.
import { open } from 'node:fs/promises';
import type { HostTensor, HostTensors, StoredFloat, StoredTensor } from '../engine/tensors.js';
import { messageOf, unreachable, UserError } from '../errors.js';
import { widenBrain, widenHalf } from './half.js';

export const bytesPer: Readonly<Record<StoredFloat, number>> = { F32: 4, F16: 2, BF16: 2 };

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

export async function readTensors(stored: Readonly<Record<string, StoredTensor>>): Promise<HostTensors> {
  const read: (readonly [string, HostTensor])[] = [];
  for (const [name, tensor] of Object.entries(stored)) read.push([name, await readTensor(tensor)]);
  // Not by assignment: a name in a file may be __proto__.
  return Object.fromEntries(read);
}

function changed(path: string, error: unknown): UserError {
  return new UserError(
    `${path} cannot be read any more (${messageOf(error)}). Was it changed while in use? Start again.`,
  );
}
