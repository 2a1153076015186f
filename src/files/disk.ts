// What does the user hear when the disk refuses what exithead writes?
import { randomUUID } from 'node:crypto';
import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { messageOf, UserError } from '../errors.js';

/** What these mean is the same wherever they come from. */
const causes: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left; free some',
  EDQUOT: 'your disk quota is used up; free some space',
  EACCES: 'permission was denied; choose a folder that you may write to',
  EPERM: 'permission was denied; choose a folder that you may write to',
  EROFS: 'the file system is read-only; choose another folder',
  ENOTDIR: 'part of the path is a file, not a folder; choose another folder',
  ENOENT: 'its folder is gone; restore it',
  EBUSY: 'it is in use, such as by a mount; choose a folder inside it',
  EISDIR: 'it is a folder, expected a file; remove it',
  ENAMETOOLONG: 'the path is too long; choose a shorter one',
};

/**
 * Runs what writes to `path`.
 * @throws UserError when the cause lies outside the program; other errors pass
 */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cause = Object.entries(causes).find(([code]) => isCode(error, code))?.[1];
    if (cause === undefined) throw error;
    throw new UserError(`cannot write ${path}: ${cause} (${messageOf(error)})`);
  }
}

/**
 * Makes a folder and those above it; one that is there already stays.
 * @returns path of the first that was made, if any was
 * @throws UserError if the disk refuses it
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await writing(path, () => mkdir(resolve(path), { recursive: true }));
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    throw new UserError(`${path} is a file, expected a folder to write to. Give another place.`);
  }
}

/** Makes a folder, tries to write in it, and leaves things as they were. @throws UserError if the disk refuses it */
export async function requireWritable(folder: string): Promise<void> {
  const first = await makeFolder(folder);
  const probe = join(folder, `.${randomUUID()}.tmp`);
  await writing(folder, async () => {
    await writeFile(probe, '');
    await rm(probe);
    if (first === undefined) return;
    for (let made = resolve(folder); made.length >= first.length; made = dirname(made)) await rmdir(made);
  });
}

/** Whether a system call failed for this reason. */
export function isCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** Whether there is a plain file at that path. */
export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

/** Whether there is a folder at that path. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}
