// How does an npm package get here, unpacked, hash checked, and with no script of it run?
import { createHash } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.js';
import { makeFolder } from '../../files/disk.js';
import type { PackagePin } from './pins.js';
import { lastWords, runProgram } from './program.js';

export interface PackagePlace {
  /** For the archive, until it is unpacked. */
  readonly downloads: string;
  /** The package lies in `node_modules` here. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** @throws UserError if npm fails, or the archive is not the pinned one */
export async function fetchPackage(pin: PackagePin, place: PackagePlace): Promise<void> {
  const { downloads, folder, signal } = place;
  const spec = `${pin.name}@${pin.version}`;
  const archive = join(downloads, `${pin.name.replace('@', '').replace('/', '-')}-${pin.version}.tgz`);
  await rm(archive, { force: true });
  const words = ['pack', spec, '--pack-destination', downloads, '--ignore-scripts', '--silent'];
  const packed = await runProgram('npm', words, { cwd: folder, signal });
  if (packed.code !== 0)
    throw new UserError(`npm could not fetch ${spec}. Look at what it said:\n${lastWords(packed)}`);
  const bytes = await readFile(archive);
  const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (found !== pin.integrity) {
    await rm(archive);
    throw new UserError(
      `${spec} is not the package that was pinned: its integrity is ${found}, expected ${pin.integrity}. ` +
        'Look at which registry npm uses (npm config get registry), and install again.',
    );
  }
  const target = join(folder, 'node_modules', pin.name);
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await makeFolder(temporary);
  const unpacked = await runProgram('tar', ['-xzf', archive, '-C', temporary, '--strip-components=1'], {
    signal,
  });
  if (unpacked.code !== 0)
    throw new UserError(`tar could not unpack ${archive}. Look at what it said:\n${lastWords(unpacked)}`);
  await makeFolder(dirname(target));
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
  await rm(archive);
}
