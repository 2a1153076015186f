// How does a file of the hub get into the cache? In pieces that survive a broken connection, whole and checked, or not.
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.js';
import { makeFolder, writing } from '../files/disk.js';
import { withLock } from '../files/lock.js';
import { freeBytes, megabytes } from '../files/room.js';
import { sizeOf, type RepositoryCache } from './cache.js';
import { hasChecksum } from './checksum.js';
import type { HubFile } from './client.js';
import type { DownloadListener } from './listener.js';
import { causeOf, HubRefusal, HubUnreachable, pauseFor, stopped, type Requests } from './requests.js';

export interface Download {
  readonly file: HubFile;
  readonly url: string;
  readonly cache: RepositoryCache;
  readonly requests: Requests;
  readonly listener: DownloadListener;
}

/** In a row, without a byte between them. */
const mostBreaks = 5;
/** Smaller files are there at once. */
const worthShowing = 2e6;

/**
 * Fetches a file unless it is there. What is there of it from an earlier time stays, and another process that fetches
 * the same file is waited for.
 * @returns path of the blob
 * @throws UserError where the disk is full, or what came is not the file
 * @throws HubUnreachable, HubRefusal, Interrupted
 */
export async function download(options: Download): Promise<string> {
  const { file, cache, listener } = options;
  const { hex } = file.checksum;
  const blob = cache.blob(hex);
  if ((await sizeOf(blob)) === file.bytes) return blob;
  await makeFolder(dirname(blob));
  const onWait = (holder: string): void =>
    listener.say(`${file.path} is being fetched by ${holder}; waiting for it`);
  await withLock(cache.lock(hex), { signal: listener.signal, onWait }, async () => {
    if ((await sizeOf(blob)) === file.bytes) return;
    const partial = cache.partial(hex);
    await fetchInto(partial, options);
    await requireChecksum(partial, options);
    await writing(blob, () => rename(partial, blob));
  });
  return blob;
}

async function fetchInto(partial: string, options: Download): Promise<void> {
  const { file, listener } = options;
  const before = (await sizeOf(partial)) ?? 0;
  // Longer than the file is: not a part of it.
  const kept = before > file.bytes ? 0 : before;
  await requireRoom(partial, file.bytes - kept);
  const shown = file.bytes >= worthShowing ? listener.progress(`fetch ${file.name}, MB`) : undefined;
  const onBytes = (bytes: number): void =>
    shown?.update(Math.floor(bytes / 1e6), Math.ceil(file.bytes / 1e6), {});
  await writing(partial, async () => {
    const handle = await open(partial, before === 0 ? 'w' : 'r+');
    try {
      if (kept !== before) await handle.truncate(0);
      await fetchRest(handle, kept, options, onBytes);
      await handle.sync();
    } finally {
      await handle.close();
      shown?.end();
    }
  });
}

/** Asks for what is missing until all is there. Whatever more comes than the file is, makes it another file. */
async function fetchRest(
  handle: FileHandle,
  kept: number,
  options: Download,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { file, listener } = options;
  let [have, breaks] = [kept, 0];
  onBytes(have);
  while (have < file.bytes) {
    const start = have;
    try {
      for await (const piece of rest(have, options)) {
        if (piece === 'from the start') {
          await disk(() => handle.truncate(0));
          have = 0;
          continue;
        }
        if (have + piece.byteLength > file.bytes) return;
        await disk(() => write(handle, piece, have));
        have += piece.byteLength;
        onBytes(have);
      }
      if (have < file.bytes) throw new Error('the connection ended early');
    } catch (error) {
      if (listener.signal.aborted) throw stopped();
      if (error instanceof DiskRefused) throw error.cause;
      if (error instanceof HubRefusal || error instanceof HubUnreachable || error instanceof UserError)
        throw error;
      breaks = have > start ? 1 : breaks + 1;
      if (breaks === mostBreaks)
        throw new HubUnreachable(
          `${file.path} broke off ${mostBreaks} times (${causeOf(error)}); what came of it is kept`,
        );
      if (breaks > 1) listener.say(`${file.path} broke off (${causeOf(error)}); going on where it was`);
      await pauseFor(250 * 2 ** (breaks - 1), listener.signal);
    }
  }
}

/** What is missing, as it comes; first `from the start` where the server cannot go on in the middle. */
async function* rest(
  have: number,
  { url, requests }: Download,
): AsyncGenerator<Uint8Array | 'from the start'> {
  // Packed bytes would not be those of a range.
  const plain = { 'accept-encoding': 'identity' };
  const answer =
    have === 0
      ? await requests.open(url, plain)
      : await requests.open(url, { ...plain, range: `bytes=${have}-` }).catch((error: unknown) => {
          if (error instanceof HubRefusal && error.status === 416) return requests.open(url, plain);
          throw error;
        });
  const { response } = answer;
  try {
    const range = response.headers.get('content-range') ?? '';
    if (have > 0 && !(response.status === 206 && range.startsWith(`bytes ${have}-`))) yield 'from the start';
    yield* answer.pieces;
  } finally {
    answer.done();
  }
}

async function write(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < piece.byteLength) {
    const { bytesWritten } = await handle.write(
      piece,
      written,
      piece.byteLength - written,
      position + written,
    );
    written += bytesWritten;
  }
}

/** The disk refused; asking the hub again does not help. */
class DiskRefused extends Error {}

async function disk(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new DiskRefused('the disk refused', { cause });
  }
}

async function requireRoom(path: string, bytes: number): Promise<void> {
  const free = await freeBytes(path);
  if (free >= bytes) return;
  throw new UserError(
    `${dirname(path)} has ${megabytes(free)} of free space, and ${megabytes(bytes)} are to be fetched. Free some, or set ` +
      'HF_HOME to a folder on another disk.',
  );
}

async function requireChecksum(partial: string, { file, url, listener }: Download): Promise<void> {
  const { bytes, checksum } = file;
  const isRight = await hasChecksum(partial, bytes, checksum, listener.signal).catch((error: unknown) => {
    if (listener.signal.aborted) throw stopped();
    throw error;
  });
  if (isRight) return;
  await rm(partial, { force: true });
  throw new UserError(
    `what came of ${file.path} is not the file that the hub lists: its checksum is not ${checksum.hex}. It was removed. ` +
      `Fetch it again; if that does not help, something between you and ${new URL(url).host} changes it.`,
  );
}
