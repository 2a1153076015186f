// How does what is needed of a wheel get into a folder? Member by member, under the names that it has in the wheel.
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { messageOf, UserError } from '../../errors.js';
import { isCode, writing } from '../../files/disk.js';

/** Of TensorFlow: its two libraries, the headers of its C interface, and the licences. */
const tensorflowKept = [
  /^tensorflow\/libtensorflow_(cc|framework)\./,
  /^tensorflow\/include\/(tensorflow\/c|xla\/tsl\/c)\//,
  /^tensorflow\/include\/(tsl|tensorflow\/core)\/platform\/ctstring/,
  /^tensorflow\/(THIRD_PARTY_NOTICES|include\/LICENSE)/,
];
/** Of NVIDIA's wheels: all but headers, compilers and second variants of a library. */
const nvidiaDropped = /\/include\/|\.(h|hpp|py|a)$|libnvblas|\/crt\/|\.alt\./;

/** Whether a member of a wheel is needed. */
export function isKept(name: string): boolean {
  if (name.endsWith('/')) return false;
  if (name.startsWith('nvidia/')) return !nvidiaDropped.test(name);
  return /\.dist-info\/.*license/i.test(name) || tensorflowKept.some((pattern) => pattern.test(name));
}

/**
 * Unpacks a wheel whose hash was checked. A member that was there before is replaced whole.
 * @throws UserError if the archive cannot be read, or the disk refuses a file
 */
export async function unpackWheel(wheel: string, folder: string, signal: AbortSignal): Promise<void> {
  await writing(folder, async () => {
    try {
      const zip = await openPromise(wheel, { autoClose: false });
      try {
        for await (const entry of zip.eachEntry()) {
          if (!isKept(entry.fileName)) continue;
          const target = join(folder, entry.fileName);
          const temporary = `${target}.tmp`;
          await mkdir(dirname(target), { recursive: true });
          await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(temporary), { signal });
          // The upper half holds the mode that Unix archives give: one member is a program.
          const mode = (entry.externalFileAttributes >>> 16) & 0o777;
          await chmod(temporary, mode === 0 ? 0o644 : mode | 0o600);
          await rename(temporary, target);
        }
      } finally {
        zip.close();
      }
    } catch (error) {
      if (signal.aborted || isCode(error, 'ENOSPC') || !isArchiveError(error)) throw error;
      throw new UserError(`${wheel} cannot be unpacked (${messageOf(error)}). Remove it and install again.`);
    }
  });
}

/** Errors of the system have a code; those of the archive's reader have none. */
function isArchiveError(error: unknown): boolean {
  return error instanceof Error && !('syscall' in error);
}
