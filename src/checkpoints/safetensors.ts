// Which tensors does a .safetensors file hold, and how is one written? Nothing is read but the header until asked.
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import {
  isStored,
  sizeOf,
  type HostTensors,
  type Shapes,
  type StoredFloat,
  type StoredTensor,
  type Weights,
} from '../engine/tensors.js';
import { messageOf, UserError } from '../errors.js';
import { writeFileAtomic } from '../files/write.js';
import { narrowHalf } from './half.js';
import {
  bytesPer,
  integerBytes,
  piecesOf,
  typeBytes,
  type StoredIntegers,
  type TensorEntry,
} from './stored.js';

export interface SafetensorsFile {
  /** Floating-point tensors that can be weights. */
  readonly tensors: Readonly<Record<string, StoredTensor>>;
  /** Tensors of other types, such as counters: name and type. */
  readonly others: Readonly<Record<string, string>>;
  /** Those of them that can be read as whole numbers, such as labels. */
  readonly integers: Readonly<Record<string, StoredIntegers>>;
  /** All of both, as they lie in the file. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** The reference library's limit for the header. */
const mostHeaderBytes = 100_000_000;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const headerSchema = z.record(z.string(), z.unknown());
const metadataSchema = z.record(z.string(), z.string());

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly from: number;
  readonly to: number;
}

/**
 * Reads and checks the header: types, sizes, and that every byte of data belongs to one tensor.
 * @throws UserError saying what is wrong with the file
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const { header, start, dataBytes } = await readHeader(path);
  const { __metadata__: metadata = {}, ...rest } = header;
  const entries = Object.entries(rest).map(([name, entry]) => readEntry(path, name, entry));
  requireWhole(path, entries, dataBytes);
  const place = ({ shape, from, to }: Entry): Omit<StoredTensor, 'dtype'> => ({
    ...{ shape, path: resolve(path), offset: start + from, bytes: to - from },
  });
  const stored = entries.flatMap((entry) =>
    isFloat(entry.dtype) ? [[entry.name, { ...place(entry), dtype: entry.dtype }] as const] : [],
  );
  const integers = entries.flatMap((entry) =>
    isInteger(entry.dtype) ? [[entry.name, { ...place(entry), dtype: entry.dtype }] as const] : [],
  );
  const others = entries.flatMap(({ name, dtype }) => (isFloat(dtype) ? [] : [[name, dtype] as const]));
  const known = metadataSchema.safeParse(metadata);
  if (!known.success) throw damaged(path, 'its __metadata__ is not a map of texts');
  return {
    tensors: Object.fromEntries(stored),
    others: Object.fromEntries(others),
    integers: Object.fromEntries(integers),
    entries: entries.map(({ name, dtype, shape, from, to }) => ({ name, dtype, shape, bytes: to - from })),
    metadata: known.data,
  };
}

export interface WriteOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Of floats; whole numbers are I32. F16 halves the file and rounds every number. */
  readonly dtype?: 'F32' | 'F16';
}

/** Writes tensors in the order given, whole or not at all. @throws UserError if the disk refuses it */
export function writeSafetensors(
  path: string,
  tensors: HostTensors,
  { metadata = {}, dtype = 'F32' }: WriteOptions = {},
): Promise<void> {
  const coming = Object.entries(tensors).map(([name, { shape, data }]): Coming => {
    const type = data instanceof Int32Array ? 'I32' : dtype;
    return { name, shape, dtype: type, pieces: () => [stored({ name, shape, dtype: type }, data)] };
  });
  return write(path, coming, metadata);
}

/**
 * Writes tensors that are made one after the other, so that a model larger than the memory can be written.
 * @param dataOf the numbers of a tensor, asked for once each in the order of `shapes`
 * @throws UserError if the disk refuses it
 */
export async function streamSafetensors(
  path: string,
  shapes: Shapes,
  dataOf: (name: string) => Float32Array,
  { metadata = {}, dtype = 'F32' }: WriteOptions = {},
): Promise<void> {
  const coming = Object.entries(shapes).map(([name, shape]): Coming => ({
    ...{ name, shape, dtype },
    // Asked for when the turn of this tensor comes.
    *pieces() {
      yield stored({ name, shape, dtype }, dataOf(name));
    },
  }));
  await write(path, coming, metadata);
}

/**
 * Writes weights as they are stored, wherever they lie, in the order given; those in memory become F32. The file has the
 * fingerprint that they have.
 * @throws UserError if a file of theirs has changed, or the disk refuses it
 */
export function copySafetensors(
  path: string,
  weights: Weights,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const coming = Object.entries(weights).map(([name, weight]): Coming => ({
    ...{ name, shape: weight.shape, dtype: isStored(weight) ? weight.dtype : 'F32' },
    pieces: () => piecesOf(name, weight),
  }));
  return write(path, coming, metadata);
}

/** A tensor whose bytes are asked for when its turn comes. */
interface Coming {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: StoredFloat | 'I32';
  pieces(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

async function write(
  path: string,
  tensors: readonly Coming[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, shape, dtype } of tensors) {
    const bytes = (typeBytes[dtype] ?? NaN) * sizeOf(shape);
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  await writeFileAtomic(path, pieces(header, tensors));
}

async function* pieces(
  header: Readonly<Record<string, unknown>>,
  tensors: readonly Coming[],
): AsyncGenerator<Uint8Array> {
  yield* headerBytes(header);
  for (const tensor of tensors) yield* tensor.pieces();
}

/** Numbers in memory as the bytes of a file. */
function stored(
  { name, shape, dtype }: Pick<Coming, 'name' | 'shape' | 'dtype'>,
  data: Float32Array | Int32Array,
): Uint8Array {
  if (data.length !== sizeOf(shape))
    throw new Error(`tensor ${name} has ${data.length} numbers, expected [${shape.join(', ')}]`);
  const numbers = dtype === 'F16' && data instanceof Float32Array ? narrowHalf(data) : data;
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** What a file begins with: the length of the header in 8 bytes, then the header itself. */
export function headerBytes(header: Readonly<Record<string, unknown>>): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header));
  // Spaces at the end of the header align the data to 8 bytes.
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return [length, padded];
}

interface Header {
  readonly header: Readonly<Record<string, unknown>>;
  /** Where the data begins in the file. */
  readonly start: number;
  readonly dataBytes: number;
}

async function readHeader(path: string): Promise<Header> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new UserError(
      `${path} cannot be read (${messageOf(error)}). Give the path of a .safetensors file.`,
    );
  });
  try {
    const entry = await file.stat();
    if (!entry.isFile()) throw new UserError(`${path} is not a file. Give the path of a .safetensors file.`);
    const { size } = entry;
    if (size < 8) throw damaged(path, `it has ${size} bytes, fewer than the 8 that give the header's length`);
    const length = (await file.read(Buffer.alloc(8), 0, 8, 0)).buffer.readBigUInt64LE();
    const most = Math.min(size - 8, mostHeaderBytes);
    if (length > BigInt(most))
      throw damaged(path, `it announces a header of ${length} bytes, at most ${most} are possible`);
    const bytes = Number(length);
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 8);
    return { header: parsed(path, buffer), start: 8 + bytes, dataBytes: size - 8 - bytes };
  } finally {
    await file.close();
  }
}

function parsed(path: string, bytes: Buffer): Readonly<Record<string, unknown>> {
  try {
    return headerSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw damaged(path, 'its header is not a JSON object');
  }
}

function readEntry(path: string, name: string, value: unknown): Entry {
  const entry = entrySchema.safeParse(value);
  if (!entry.success) throw damaged(path, `the entry of tensor ${name} is not dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets } = entry.data;
  const [from, to] = data_offsets;
  const bytes = Object.hasOwn(typeBytes, dtype) ? typeBytes[dtype] : undefined;
  if (bytes === undefined)
    throw damaged(path, `tensor ${name} has type ${dtype}, expected ${Object.keys(typeBytes).join(', ')}`);
  const needed = bytes * sizeOf(shape);
  if (!Number.isSafeInteger(needed) || to - from !== needed)
    throw damaged(
      path,
      `tensor ${name} ([${shape.join(', ')}] of ${dtype}) has ${to - from} bytes, expected ${needed}`,
    );
  return { name, dtype, shape, from, to };
}

/** Tensors follow each other without gap or overlap, and the data ends with the last one. */
function requireWhole(path: string, entries: readonly Entry[], dataBytes: number): void {
  let end = 0;
  let before = 'the header';
  for (const { name, from, to } of entries.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from < end) throw damaged(path, `tensors ${before} and ${name} share bytes ${from} to ${end - 1}`);
    if (from > end) throw damaged(path, `bytes ${end} to ${from - 1} before tensor ${name} belong to none`);
    [end, before] = [to, name];
  }
  if (end > dataBytes)
    throw damaged(path, `its tensors take ${end} bytes but only ${dataBytes} are there: it is cut short`);
  if (end < dataBytes) throw damaged(path, `${dataBytes - end} bytes after the last tensor belong to none`);
}

function isFloat(dtype: string): dtype is keyof typeof bytesPer {
  return Object.hasOwn(bytesPer, dtype);
}

function isInteger(dtype: string): dtype is keyof typeof integerBytes {
  return Object.hasOwn(integerBytes, dtype);
}

function damaged(path: string, what: string): UserError {
  return new UserError(`${path} is no sound .safetensors file: ${what}. Fetch or write it again.`);
}
