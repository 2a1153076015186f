// Is there room on the disk for what is to be written?
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isCode } from './disk.js';

/** Free bytes where a file or folder is or will be. */
export async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    if (!isCode(error, 'ENOENT') || dirname(path) === path) throw error;
    return freeBytes(dirname(path));
  }
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}
