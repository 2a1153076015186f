// Which numbers does an idx file hold? The format of MNIST and its family: a header that gives the shape, then bytes.
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync } from 'node:zlib';
import { sizeOf } from '../engine/tensors.js';
import { messageOf, UserError } from '../errors.js';

/** Unsigned bytes, row-major. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const unsignedByte = 0x08;
const maximumBytes = 2 ** 31 - 1;
/** Enough compressed bytes to hold any header: 4 + 4 * 255 bytes, and gzip's own with a file name in it. */
const gzipStart = 8192;
const inflate = promisify(gunzip);

/**
 * Reads a whole idx file of unsigned bytes, gzip or not (the content decides, not the name).
 * @throws UserError if the file is missing, is no idx file, holds another type, or is shorter or longer than its header says
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const file = await readBytes(path);
  const zipped = file[0] === 0x1f && file[1] === 0x8b;
  const { shape, offset } = header(path, zipped ? inflatedStart(path, file) : file);
  const expected = offset + sizeOf(shape);
  if (expected > maximumBytes)
    throw new UserError(
      `${path}: declares ${shape.join(' x ')} bytes, more than the ${maximumBytes} that are read.`,
    );
  const bytes = zipped ? await inflated(path, file, expected) : file;
  if (bytes.length < expected)
    throw new UserError(
      `${path}: has ${bytes.length} bytes, its header asks for ${expected} (${shape.join(' x ')}). The file is cut short: fetch it again.`,
    );
  if (bytes.length > expected) throw longerThan(path, expected, shape);
  return { shape, data: bytes.subarray(offset) };
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    if ((await stat(path)).isFile()) return await readFile(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${messageOf(error)}). Give the path of an idx file.`);
  }
  throw new UserError(`${path}: is not a file. Give the path of an idx file.`);
}

function header(path: string, bytes: Uint8Array): { shape: number[]; offset: number } {
  const [first, second, type, rank] = bytes;
  if (type === undefined || rank === undefined || rank === 0 || first !== 0 || second !== 0)
    throw new UserError(
      `${path}: is not an idx file: it begins with ${hex(bytes.subarray(0, 4))}, expected 00 00 08 and the number of dimensions.`,
    );
  if (type !== unsignedByte)
    throw new UserError(
      `${path}: holds idx type 0x${type.toString(16).padStart(2, '0')}, expected 0x08 (unsigned bytes).`,
    );
  const offset = 4 + 4 * rank;
  if (bytes.length < offset)
    throw new UserError(
      `${path}: ends within its header (${bytes.length} of ${offset} bytes). The file is cut short: fetch it again.`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { shape: Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i)), offset };
}

/** The first inflated bytes: the header says how many may follow, so that a bomb is never unpacked. */
function inflatedStart(path: string, file: Uint8Array): Uint8Array {
  try {
    return gunzipSync(file.subarray(0, gzipStart), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw damaged(path, error);
  }
}

async function inflated(path: string, file: Uint8Array, expected: number): Promise<Uint8Array> {
  try {
    // One byte more than expected is enough to see that there are too many.
    return await inflate(file, { maxOutputLength: expected + 1 });
  } catch (error) {
    if (isTooLarge(error)) throw longerThan(path, expected);
    throw damaged(path, error);
  }
}

function isTooLarge(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
  );
}

function damaged(path: string, error: unknown): UserError {
  return new UserError(
    `${path}: cannot be unzipped (${messageOf(error)}). The file is damaged: fetch it again.`,
  );
}

function longerThan(path: string, expected: number, shape?: readonly number[]): UserError {
  const shown = shape ? ` (${shape.join(' x ')})` : '';
  return new UserError(
    `${path}: goes on after the ${expected} bytes its header asks for${shown}. Is it the right file?`,
  );
}

function hex(bytes: Uint8Array): string {
  return bytes.length === 0
    ? 'nothing'
    : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
