// How do the settings of a variant become a model and its error table? Trained once, kept in a run folder.
import { join } from 'node:path';
import { errorTableOf, trajectoriesPath } from '../../src/bundle/export.js';
import { profileRun } from '../../src/bundle/profileRun.js';
import { stepCountsOf } from '../../src/bundle/scheduleRun.js';
import { profileTrajectories } from '../../src/commands/profileTrajectories.js';
import type { Terminal } from '../../src/commands/terminal.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { withTuning } from '../../src/config/tuning.js';
import type { Model } from '../../src/exits/model.js';
import { isFile } from '../../src/files/disk.js';
import { readTrajectories } from '../../src/schedules/trajectories.js';
import type { StepCount } from '../../src/schedules/overSteps.js';
import type { Work } from '../../src/training/fit.js';
import { trainRun } from '../../src/training/modes.js';
import { openFrozen, openTrained, type Trained } from '../../src/training/openTrained.js';
import { openRun, runsIn } from '../../src/training/runFolder.js';
import { startRun } from '../../src/training/startRun.js';
import { headsPath } from '../../src/training/trainHeads.js';
import type { Trial, Variant } from './plan.js';

export const configPath = join(import.meta.dirname, '../../configs/mnist/ablation.yaml');

export interface Prepared {
  readonly trained: Trained;
  /** The backbone as it was published: what every variant is compared with, whether it moved the backbone or not. */
  readonly base: Model;
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
  if (!(await errorTableOf(trained))) await profileRun(trained, work);
  const { spec, weights } = backbone;
  return {
    trained,
    base: { spec, backbone: weights, plans: [], heads: {} },
  };
}

/** What schedules for a trial are solved from: how far exits move unguided samples is measured where it is not yet. */
export async function countsFor(
  { trained: { run } }: Prepared,
  { solver, steps, counts }: Trial,
  call: { readonly dryRun: boolean; readonly signal: AbortSignal },
  terminal: Terminal,
): Promise<readonly StepCount[]> {
  const asked = [
    ...['sample.guidance=1', 'sample.clip=false', `sample.solver=${solver}`],
    ...['schedule.weights=trajectories', `schedule.steps=[${counts.join()}]`],
    ...['profile.trajectories=32', 'profile.batch=32', 'profile.pairs=32'],
  ];
  const trained = await openTrained(run.path, asked.map(parseSetting));
  const path = trajectoriesPath(run);
  const known = (await isFile(path)) ? await readTrajectories(path) : undefined;
  if (
    known?.solver !== solver ||
    known.timesteps.length !== steps ||
    known.backbone !== trained.backbone.fingerprint
  )
    await profileTrajectories(await withOneExit(trained, asked), call, terminal);
  return stepCountsOf(trained);
}

/** Following every exit takes long; the one in the middle speaks for all. */
function withOneExit({ run, heads }: Trained, asked: readonly string[]): Promise<Trained> {
  const middle = heads.plans[Math.floor((heads.plans.length - 1) / 2)]?.exit;
  return openTrained(run.path, [...asked, `schedule.exits=[${middle}]`].map(parseSetting));
}
