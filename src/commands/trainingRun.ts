// Which run does a training command work in, and what would it take?
import { join } from 'node:path';
import { loadConfig, type Loaded } from '../config/load.js';
import type { ConfigOf } from '../config/schema.js';
import { UserError } from '../errors.js';
import { isFolder } from '../files/disk.js';
import type { Rehearsal } from '../training/fit.js';
import { openRun, type Run } from '../training/runFolder.js';
import { startRun } from '../training/startRun.js';
import { duration } from './progress.js';
import type { Terminal } from './terminal.js';
import type { Call } from './verb.js';

type Kind = 'pretrain' | 'train';

export interface TrainingRun<K extends Kind> {
  readonly loaded: Loaded<K>;
  /** Folder of the run to go on with, where that is what the user gave. */
  readonly folder?: string;
  /** Makes or finds the run folder. @param config what a new run keeps as its config */
  readonly start: (config: ConfigOf[K]) => Promise<Run>;
}

/** Reads what the user gave: a config, or the folder of a run to go on with. */
export async function trainingRun<K extends Kind>(kind: K, call: Call): Promise<TrainingRun<K>> {
  const { config: path, set, resume, out } = call;
  if (path === undefined || !(await isFolder(path))) {
    const loaded = await loadConfig(path, { kind, set });
    return { loaded, start: (config) => startRun({ ...loaded, config }, { root: out ?? 'runs', resume }) };
  }
  if (!resume)
    throw new UserError(`${path} is a folder. Add --resume to go on with that run, or give a config.`);
  const [first] = set;
  if (first !== undefined)
    throw new UserError(
      `${path} goes on with the config that it began with, so ${first.from} cannot change it. Leave it out, or start a new run.`,
    );
  await openRun(path);
  const loaded = await loadConfig(join(path, 'config.yaml'), { kind });
  return { loaded, folder: path, start: () => openRun(path) };
}

/** Shows what a training would take. @returns the same for --json */
export function showRehearsal(
  rehearsal: Rehearsal,
  { batch, steps }: { readonly batch: number; readonly steps: number },
  terminal: Terminal,
): Readonly<Record<string, unknown>> {
  const { trainable, macs, secondsPerStep, peakBytes } = rehearsal;
  const seconds = secondsPerStep * rehearsal.steps;
  terminal.line(`weights to train   ${trainable.toLocaleString('en')}`);
  terminal.line(`steps              ${rehearsal.steps === 0 ? 0 : steps} of ${batch} images`);
  terminal.line(`multiply-adds      ${((macs * batch * rehearsal.steps) / 1e12).toPrecision(3)} T`);
  terminal.line(
    `time               about ${duration(seconds * 1000)} (${secondsPerStep.toFixed(2)} s a step, measured now)`,
  );
  terminal.line(`memory             ${(peakBytes / 1e9).toPrecision(2)} GB at most (measured now)`);
  terminal.line('Nothing was written.');
  return { dryRun: true, ...rehearsal, seconds };
}
