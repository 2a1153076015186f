// How much of the disk does something take?
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of a file, or of all files below a folder; links are not followed. */
export async function bytesAt(path: string): Promise<number> {
  const entry = await stat(path);
  if (!entry.isDirectory()) return entry.size;
  const inside = await readdir(path, { recursive: true, withFileTypes: true });
  let sum = 0;
  for (const file of inside) if (file.isFile()) sum += (await stat(join(file.parentPath, file.name))).size;
  return sum;
}
