// How do the numbers of a tensor get out of a file? By offset: raw bytes, or widened to 32-bit floats.
import { open } from 'node:fs/promises';
import type { HostTensor, HostTensors, StoredFloat, StoredTensor } from '../engine/tensors.js';
import { messageOf, unreachable, UserError } from '../errors.js';
import { widenBrain, widenHalf } from './half.js';

export const bytesPer: Readonly<Record<StoredFloat, number>> = { F32: 4, F16: 2, BF16: 2 };

/** @throws UserError if the file is gone or has become shorter */
export async function readBytes({ path, offset, bytes }: StoredTensor): Promise<Uint8Array<ArrayBuffer>> {
  const data = new Uint8Array(bytes);
  try {
    const file = await open(path, 'r');
    try {
      for (let done = 0; done < bytes;) {
        const { bytesRead } = await file.read(data, done, bytes - done, offset + done);
        if (bytesRead === 0) throw new Error(`it ends at byte ${offset + done}`);
        done += bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UserError(
      `${path} cannot be read any more (${messageOf(error)}). Was it changed while in use? Start again.`,
    );
  }
  return data;
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
  const read: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(stored)) read[name] = await readTensor(tensor);
  return read;
}
