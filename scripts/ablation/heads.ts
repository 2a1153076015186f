// How do the settings of a variant become a model and its error table? Trained once, kept in a run folder.
import { join } from 'node:path';
import { errorTableOf, sensitivityPath } from '../../src/bundle/export.js';
import { profileRun } from '../../src/bundle/profileRun.js';
import { profileSensitivity } from '../../src/commands/profileSensitivity.js';
import type { Terminal } from '../../src/commands/terminal.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { withTuning } from '../../src/config/tuning.js';
import { remembers } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { isFile } from '../../src/files/disk.js';
import type { ErrorTable } from '../../src/schedules/errorTable.js';
import { readSensitivity, type Sensitivity } from '../../src/schedules/sensitivity.js';
import type { Work } from '../../src/training/fit.js';
import { trainRun } from '../../src/training/modes.js';
import { openFrozen, openTrained, type Trained } from '../../src/training/openTrained.js';
import { openRun, runsIn } from '../../src/training/runFolder.js';
import { startRun } from '../../src/training/startRun.js';
import { headsPath } from '../../src/training/trainHeads.js';
import type { Variant } from './plan.js';

export const configPath = join(import.meta.dirname, '../../configs/mnist/ablation.yaml');

export interface Prepared {
  readonly trained: Trained;
  /** The backbone as it was published: what every variant is compared with, whether it moved the backbone or not. */
  readonly base: Model;
  readonly table: ErrorTable;
}

/** Trains and measures what is not there yet; what was stopped goes on. @param root folder of the runs */
export async function prepare(variant: Variant, root: string, work: Work): Promise<Prepared> {
  const name = `ablation-${variant.name}`;
  const set = [...variant.set, `name=${name}`].map(parseSetting);
  const read = await loadConfig(configPath, { kind: 'train', set });
  const loaded = { ...read, config: withTuning(read.config) };
  const backbone = await openFrozen(loaded.config);
  const begun = (await runsIn(root, name)).at(-1);
  const run = await startRun(loaded, { root, resume: begun !== undefined });
  if (!(await isFile(headsPath(run)))) {
    work.say(`${variant.name}: training ${loaded.config.train.steps} steps`);
    await trainRun(run, loaded.config, backbone, work);
  }
  const trained = await openTrained((await openRun(run.path)).path);
  const { spec, weights } = backbone;
  return {
    trained,
    table: (await errorTableOf(trained)) ?? (await profileRun(trained, work)),
    base: { spec, backbone: weights, plans: [], heads: {} },
  };
}

/** How far mistakes at each step move unguided samples, measured once; none for heads that remember. */
export async function sensitivityOf(
  { trained: { run, heads } }: Prepared,
  call: { readonly dryRun: boolean; readonly signal: AbortSignal },
  terminal: Terminal,
): Promise<Sensitivity | undefined> {
  if (heads.plans.every(({ kind }) => remembers(kind))) return undefined;
  const path = sensitivityPath(run);
  if (!(await isFile(path))) {
    const unguided = ['sample.guidance=1', 'schedule.steps=25'].map(parseSetting);
    await profileSensitivity(await openTrained(run.path, unguided), call, terminal);
  }
  return readSensitivity(path);
}
