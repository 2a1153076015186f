// Where does a run keep its things? A folder runs/<nnn>-<name>/ of fixed layout, made whole or not at all.
import { createHash } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { isCode, makeFolder, writing } from '../files/disk.js';

/** Paths of a run folder. */
export interface Run {
  readonly path: string;
  /** The resolved config. */
  readonly config: string;
  /** SHA-256 of the config file, in hexadecimal: what a checkpoint belongs to. */
  readonly configHash: string;
  readonly log: string;
  /** The truth about what was measured, a JSON object per line. */
  readonly metrics: string;
  readonly tensorboard: string;
  readonly checkpoints: string;
  readonly samples: string;
}

/**
 * Makes the folder of a new run under the next free number. Several processes may do so at the same time.
 * @param root folder of all runs, made if it is missing
 * @param configText gives the resolved config as YAML, for a file in this folder
 * @throws UserError if the folder cannot be made
 */
export async function createRun(
  root: string,
  name: string,
  configText: (folder: string) => string,
): Promise<Run> {
  await makeFolder(root);
  for (;;) {
    const number = 1 + Math.max(0, ...(await numbersIn(root)));
    const label = String(number).padStart(3, '0');
    // Filled under a hidden name first. The hidden folder also holds the number while others look for a free one.
    const hidden = join(root, `.${label}`);
    try {
      await writing(hidden, () => mkdir(hidden));
    } catch (error) {
      if (isCode(error, 'EEXIST')) continue;
      throw error;
    }
    if ((await numbersIn(root)).filter((n) => n === number).length > 1) {
      // Somebody else finished with this number between the listing and the mkdir.
      await rmdir(hidden);
      continue;
    }
    const path = join(root, `${label}-${name}`);
    try {
      const text = configText(path);
      const run = layout(path, hashOf(text));
      await writing(path, async () => {
        const { config, log, metrics, tensorboard, checkpoints, samples } = layout(hidden, run.configHash);
        for (const folder of [tensorboard, checkpoints, samples]) await mkdir(folder);
        await writeFile(config, text);
        for (const file of [log, metrics]) await writeFile(file, '');
        await rename(hidden, path);
      });
      return run;
    } catch (error) {
      await rm(hidden, { recursive: true, force: true });
      throw error;
    }
  }
}

/**
 * Finds the folder of an earlier run; nothing in it is changed.
 * @throws UserError if it is missing or no run folder
 */
export async function openRun(path: string): Promise<Run> {
  const remedy = 'Give a folder that `exithead train` or `exithead pretrain` made, such as runs/001-mnist.';
  const { config } = layout(path, '');
  try {
    const entry = await stat(path);
    if (!entry.isDirectory()) throw new UserError(`${path} is a file, expected a run folder. ${remedy}`);
    // A pipe would wait for ever.
    if (!(await stat(config)).isFile())
      throw new UserError(`${config} is not a file, expected the config of a run. ${remedy}`);
    return layout(path, hashOf(await readFile(config)));
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (isCode(error, 'ENOENT')) {
      const missing = await stat(path).then(
        () => `has no ${config.slice(path.length + 1)}, so it is no run folder`,
        () => 'does not exist, expected a run folder',
      );
      throw new UserError(`${path} ${missing}. ${remedy}`);
    }
    throw new UserError(`${path} cannot be read (${messageOf(error)}). ${remedy}`);
  }
}

/** Paths of all runs of that name, oldest first. @param root folder of all runs; it may be missing */
export async function runsIn(root: string, name: string): Promise<string[]> {
  const names = await readdir(root).catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  });
  const number = (folder: string): number => Number(folder.slice(0, folder.indexOf('-')));
  return names
    .filter((folder) => /^\d{3,9}-/.test(folder) && folder.slice(folder.indexOf('-') + 1) === name)
    .sort((a, b) => number(a) - number(b))
    .map((folder) => join(root, folder));
}

/** Appends a line to log.txt, with the time. */
export function logLine(run: Run, text: string): Promise<void> {
  return writing(run.log, () => appendFile(run.log, `${new Date().toISOString()} ${text}\n`));
}

function layout(path: string, configHash: string): Run {
  return {
    path,
    config: join(path, 'config.yaml'),
    configHash,
    log: join(path, 'log.txt'),
    metrics: join(path, 'metrics.jsonl'),
    tensorboard: join(path, 'tensorboard'),
    checkpoints: join(path, 'checkpoints'),
    samples: join(path, 'samples'),
  };
}

/** Numbers that are taken, by finished folders and by those in the making. */
async function numbersIn(root: string): Promise<number[]> {
  const names = await writing(root, () => readdir(root));
  return names.flatMap((name) => {
    const digits = /^(?:\.(\d{3,9})|(\d{3,9})-.+)$/.exec(name);
    return digits ? [Number(digits[1] ?? digits[2])] : [];
  });
}

function hashOf(config: string | Uint8Array): string {
  return createHash('sha256').update(config).digest('hex');
}
