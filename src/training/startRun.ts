// Which run folder does a command work in? A new one, or with --resume the one that its config began.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configYaml, type Loaded } from '../config/load.js';
import { UserError } from '../errors.js';
import { createRun, openRun, runsIn, type Run } from './runFolder.js';

export interface StartOptions {
  /** Folder of all runs. */
  readonly root: string;
  readonly resume: boolean;
}

/**
 * @throws UserError if there is no run of that name to resume, or its config is another one
 */
export async function startRun<Kind extends 'pretrain' | 'train'>(
  loaded: Loaded<Kind>,
  { root, resume }: StartOptions,
): Promise<Run> {
  const { name } = loaded.config;
  if (!resume) return createRun(root, name, (folder) => configYaml(loaded, folder));
  const newest = (await runsIn(root, name)).at(-1);
  if (newest === undefined)
    throw new UserError(
      `there is no run ${join(root, `...-${name}`)} to resume. Start one without --resume, or give the folder of all runs with --out.`,
    );
  const run = await openRun(newest);
  if ((await readFile(run.config, 'utf8')) !== configYaml(loaded, newest))
    throw new UserError(
      `${newest} was started with another config than this one. Undo the change, give ${newest} itself to go on as it ` +
        'began, or start a new run without --resume.',
    );
  return run;
}
