// How do the settings of a variant become a model and its error table? Trained once, kept in a run folder.
import { join } from 'node:path';
import { errorTableOf, errorTablePath } from '../../src/bundle/export.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { openData } from '../../src/data/open.js';
import { diffusion } from '../../src/diffusion/betas.js';
import { isFile } from '../../src/files/disk.js';
import { writeErrorTable, type ErrorTable } from '../../src/schedules/errorTable.js';
import { profile } from '../../src/schedules/profile.js';
import type { Work } from '../../src/training/fit.js';
import { openFrozen, openTrained, type Trained } from '../../src/training/openTrained.js';
import { openRun, runsIn } from '../../src/training/runFolder.js';
import { startRun } from '../../src/training/startRun.js';
import { headsPath, trainHeads } from '../../src/training/trainHeads.js';
import type { Variant } from './plan.js';

export const configPath = join(import.meta.dirname, '../../configs/mnist/ablation.yaml');

export interface Prepared {
  readonly trained: Trained;
  readonly table: ErrorTable;
}

/** Trains and measures what is not there yet; what was stopped goes on. @param root folder of the runs */
export async function prepare(variant: Variant, root: string, work: Work): Promise<Prepared> {
  const name = `ablation-${variant.name}`;
  const set = [...variant.set, `name=${name}`].map(parseSetting);
  const loaded = await loadConfig(configPath, { kind: 'train', set });
  const begun = (await runsIn(root, name)).at(-1);
  const run = await startRun(loaded, { root, resume: begun !== undefined });
  if (!(await isFile(headsPath(run)))) {
    work.say(`${variant.name}: training ${loaded.config.train.steps} steps`);
    await trainHeads(run, loaded.config, await openFrozen(loaded.config), work);
  }
  const trained = await openTrained((await openRun(run.path)).path);
  return { trained, table: (await errorTableOf(trained)) ?? (await measure(trained, work)) };
}

async function measure(trained: Trained, work: Work): Promise<ErrorTable> {
  const { run, config, backbone, heads, model } = trained;
  const table = await profile({
    ...{ ...work, model, seed: config.seed, ...config.profile, diffusion: diffusion(config.diffusion) },
    dataset: await openData(config.data, 'test', model.spec),
    fingerprints: { backbone: backbone.fingerprint, heads: heads.fingerprint },
  });
  await writeErrorTable(errorTablePath(run), table);
  return table;
}
