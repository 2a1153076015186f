// What was made before need not be made again: how is it kept in the cache, and remade when it broke?
import { createHash } from 'node:crypto';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { isFile } from './disk.js';
import { withLock } from './lock.js';

/** Something that is dear to make. */
export interface Kept<T> {
  /** Its file in a folder of its kind; the name says all that the content follows from (`keyOf`). */
  readonly path: string;
  /** @throws UserError if the file is not sound, or not of this kind */
  readonly read: (path: string) => Promise<T>;
  readonly make: () => Promise<T>;
  /** Writes it whole or not at all. */
  readonly write: (path: string, value: T) => Promise<void>;
  /** What files of the same ending may take in the folder. */
  readonly mostBytes: number;
}

/** Who waits, and hears of it. */
export interface Asker {
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** A name for what follows from these alone. */
export function keyOf(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/**
 * Reads what was kept, or makes and keeps it. Of several processes one makes it, and the others wait. A file that broke
 * is made anew, and the user hears of it, as of a disk that refuses the file. What was not used for longest goes when
 * the folder has become too large.
 * @throws Interrupted if `signal` aborts while it waits
 */
export async function cached<T>(kept: Kept<T>, { signal, say, warn }: Asker): Promise<T> {
  const { path, read, make, write } = kept;
  const found = async (isLoud: boolean): Promise<{ value: T } | undefined> => {
    if (!(await isFile(path))) return undefined;
    try {
      const value = await read(path);
      await touch(path);
      return { value };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (isLoud) warn(`${error.message} It is made anew.`);
      return undefined;
    }
  };
  const before = await found(true);
  if (before) return before.value;
  const onWait = (holder: string): void => say(`waiting for ${holder}, which makes ${path}`);
  return withLock(`${path}.lock`, { signal, onWait }, async () => {
    const meanwhile = await found(false);
    if (meanwhile) return meanwhile.value;
    const value = await make();
    try {
      await write(path, value);
      await makeRoom(kept);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      warn(`${messageOf(error)}. It is not kept, and made anew next time.`);
    }
    return value;
  });
}

async function makeRoom<T>({ path, mostBytes }: Kept<T>): Promise<void> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => extname(name) === extname(path));
  const files = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      const entry = await stat(file).catch(() => undefined);
      return { file, bytes: entry?.size ?? 0, used: entry?.mtimeMs ?? 0 };
    }),
  );
  let left = files.reduce((sum, { bytes }) => sum + bytes, 0) - mostBytes;
  for (const { file, bytes } of files.toSorted((a, b) => a.used - b.used)) {
    if (left <= 0) return;
    if (file === path) continue;
    await rm(file, { force: true });
    left -= bytes;
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
