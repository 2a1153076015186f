// How is a file written so that a crash leaves the old one or the new one, and never half of it?
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { UserError } from '../errors.js';
import { isCode, makeFolder, writing } from './disk.js';

/** What a file will hold; several pieces follow each other, and may be made or read while the file is written. */
export type Content = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file whole or not at all: a temporary file in the same folder, synced, then renamed.
 * @throws UserError if the disk refuses it; the file that was there before is untouched then
 */
export async function writeFileAtomic(path: string, content: Content): Promise<void> {
  const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
  const temporary = temporaryBeside(path);
  await writing(path, async () => {
    try {
      const file = await open(temporary, 'wx');
      try {
        for await (const piece of pieces) await file.appendFile(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  });
}

/**
 * Writes a folder whole or not at all. A folder that is there already is replaced if it holds nothing but files of
 * the same names, such as an earlier export; anything else in it is not ours to delete.
 * @param fill writes the files into the folder that it is given
 * @param isOurs whether what an earlier writing may have left there goes, too, by its path in the folder
 * @throws UserError if the disk refuses it, or the folder holds other files
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  isOurs: (name: string) => boolean = () => false,
): Promise<void> {
  const target = resolve(path);
  const temporary = temporaryBeside(target);
  const isEmpty = (await namesIn(target).catch(() => undefined))?.length === 0;
  if (isEmpty) return fillEmpty(target, fill);
  if (target === process.cwd())
    throw new UserError(`${path} is the folder that you are in, and would be replaced. Give another folder.`);
  await writing(path, async () => {
    await makeFolder(dirname(target));
    await mkdir(temporary);
    try {
      await fill(temporary);
      const before = await namesIn(target);
      if (before === undefined) return await rename(temporary, target);
      const ours = new Set(await namesIn(temporary));
      const strangers = before.filter((name) => !ours.has(name) && !isOurs(name));
      if (strangers.length > 0)
        throw new UserError(
          `${path} holds other files (${strangers.slice(0, 3).join(', ')}), so it is not replaced. ` +
            'Give another folder, or move them away.',
        );
      const old = temporaryBeside(target);
      await rename(target, old);
      await rename(temporary, target);
      await rm(old, { recursive: true });
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  });
  await syncFolder(dirname(target));
}

/** A folder that is there and empty stays the same folder: somebody may be in it, and it may be a mount. */
async function fillEmpty(folder: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const temporary = temporaryBeside(join(folder, 'files'));
  await writing(folder, async () => {
    await mkdir(temporary);
    try {
      await fill(temporary);
      for (const name of await readdir(temporary)) await rename(join(temporary, name), join(folder, name));
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
  await syncFolder(folder);
}

function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}.tmp`);
}

async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    const names = await readdir(folder, { recursive: true });
    return names.map((name) => name.replaceAll(sep, '/'));
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A rename is on disk once its folder is; where folders cannot be opened (Windows) the file system sees to it. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL'].some((code) => isCode(error, code))) throw error;
  }
}
