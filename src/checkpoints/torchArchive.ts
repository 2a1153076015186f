// What lies in a PyTorch file: the description of its tensors, and where their numbers are. Zip form and the older one.
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf, unreachable, UserError } from '../errors.js';
import { isKind, unpickle, type Pickled, type Unpickled } from './pickle.js';
import { readBytes, typeBytes, type Stretch } from './stored.js';
import { readStorage, tensorGlobals } from './torchTensor.js';
import { unsoundTorch } from './unsound.js';
import { openZip } from './zip.js';

export interface TorchArchive {
  /** What was given to torch.save, as data. */
  readonly top: Pickled;
  /** Where the numbers of a storage lie, if it is there. */
  readonly storage: (key: string) => Stretch | undefined;
  /** Bytes of all storages. */
  readonly bytes: number;
}

/** A training checkpoint also holds its options. */
const globals: ReadonlySet<string> = new Set([...tensorGlobals, 'argparse.Namespace']);
const mostPickleBytes = 16 * 2 ** 20;
const mostStorages = 200_000;

/**
 * Opens what torch.save wrote. The numbers stay in the file.
 * @throws UserError if the file is damaged, is older than what torch wrote from 2017 on, or asks for anything but plain
 * data
 */
export async function openArchive(path: string): Promise<TorchArchive> {
  const format = torchFormat(await readStart(path));
  switch (format) {
    case 'zip':
      return openZipForm(path);
    case 'legacy':
      return openLegacyForm(path);
    case 'tar':
      throw new UserError(
        `${path} has the old format that torch wrote before version 0.1.10, a tar archive; expected a zip archive or a row of ` +
          'pickles. With a current torch, save it again: torch.save(torch.load(old, map_location="cpu", weights_only=False), new).',
      );
    case undefined:
      throw unsoundTorch(path, 'it is not a zip archive');
    default:
      return unreachable(format);
  }
}

export type TorchFormat = 'zip' | 'legacy' | 'tar';

/** What the beginning of a file says about it, if it is one of torch's. @param start its first 512 bytes or more */
export function torchFormat(start: Uint8Array): TorchFormat | undefined {
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return 'zip';
  // What torch wrote until version 1.6, and what it wrote at first.
  if (text.startsWith('\x80\x02')) return 'legacy';
  return text.slice(257, 262) === 'ustar' ? 'tar' : undefined;
}

/** The beginning of a file, enough to tell its format. @throws UserError if it cannot be read */
export async function readStart(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(512), 0, 512, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UserError(`${path} cannot be read (${messageOf(error)}). Give the path of a checkpoint.`);
  }
}

async function openZipForm(path: string): Promise<TorchArchive> {
  const members = await openZip(resolve(path));
  const { root, pickle } = pickleOf(path, members);
  const order = members.get(`${root}/byteorder`);
  if (order && Buffer.from(await small(path, order)).toString() !== 'little') throw bigEndian(path);
  return {
    top: unpickle(path, await small(path, pickle), globals).value,
    storage: (key) => members.get(`${root}/data/${key}`),
    bytes: [...members.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** torch puts everything into one folder of the archive. */
function pickleOf(
  path: string,
  members: ReadonlyMap<string, Stretch>,
): { readonly root: string; readonly pickle: Stretch } {
  const found = [...members].filter(([name]) => /^[^/]+\/data\.pkl$/.test(name));
  const [first] = found;
  if (!first || found.length > 1)
    throw unsoundTorch(path, `it has ${found.length} members named <folder>/data.pkl, expected one`);
  return { root: first[0].slice(0, -'/data.pkl'.length), pickle: first[1] };
}

async function small(path: string, member: Stretch): Promise<Uint8Array> {
  if (member.bytes > mostPickleBytes)
    throw unsoundTorch(
      path,
      `the description of its tensors has ${member.bytes} bytes, at most ${mostPickleBytes} are read`,
    );
  return readBytes(member);
}

/** The first pickle of the older form; beyond 2^53, so as near as a number gets. */
const magic = Number(0x1950a86a20f9469cfc6cn);
const legacyVersion = 1001;

/**
 * Five pickles in a row: a magic number, a version, what the machine was like, the object, and the names of its
 * storages. Then the storages in that order, each its count in 8 bytes and its numbers.
 */
async function openLegacyForm(path: string): Promise<TorchArchive> {
  const { size } = await stat(path);
  const bytes = await readBytes({ path, offset: 0, bytes: Math.min(size, mostPickleBytes) });
  let end = 0;
  const next = (): Unpickled => {
    const read = unpickle(path, bytes, globals, end);
    end = read.end;
    return read;
  };
  if (next().value !== magic || next().value !== legacyVersion)
    throw unsoundTorch(path, 'it is a pickle, but not one that torch wrote');
  const machine = next().value;
  if (!isKind(machine, 'dict') || machine.entries.get('little_endian') !== true) throw bigEndian(path);
  const object = next();
  const keys = next().value;
  if (!isKind(keys, 'sequence')) throw unsoundTorch(path, 'it does not name its storages');
  const places = await storagesIn(path, keys.items, object, { from: end, size });
  const total = [...places.values()].reduce((sum, place) => sum + place.bytes, 0);
  return { top: object.value, storage: (key) => places.get(key), bytes: total };
}

/** Storages follow each other, so the type of each must be known to find the next. */
async function storagesIn(
  path: string,
  keys: readonly Pickled[],
  { references }: Unpickled,
  { from, size }: { readonly from: number; readonly size: number },
): Promise<ReadonlyMap<string, Stretch>> {
  const widths = new Map<string, number>();
  for (const reference of references) {
    const storage = readStorage(reference);
    if (!storage) throw unsoundTorch(path, 'it refers to something that is no storage of its own');
    widths.set(storage.key, typeBytes[storage.dtype] ?? NaN);
  }
  if (keys.length > mostStorages) throw unsoundTorch(path, `it has more than ${mostStorages} storages`);
  const places = new Map<string, Stretch>();
  const file = await open(path, 'r');
  try {
    let at = from;
    for (const key of keys) {
      const width = typeof key === 'string' ? widths.get(key) : undefined;
      if (typeof key !== 'string' || width === undefined || places.has(key))
        throw unsoundTorch(path, 'it names a storage that none of its tensors has, or one twice');
      const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, at);
      const count = buffer.readBigInt64LE();
      const left = size - at - 8;
      if (bytesRead < 8 || count < 0n || count * BigInt(width) > BigInt(left))
        throw unsoundTorch(path, `storage ${key} does not fit into it: it is cut short`);
      const bytes = Number(count) * width;
      places.set(key, { path: resolve(path), offset: at + 8, bytes });
      at += 8 + bytes;
    }
    if (at !== size) throw unsoundTorch(path, `${size - at} bytes after the last storage belong to none`);
  } finally {
    await file.close();
  }
  return places;
}

function bigEndian(path: string): UserError {
  return new UserError(`${path} holds big-endian numbers. Save it again on a little-endian machine.`);
}
