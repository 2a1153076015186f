// How does a run become a bundle? Heads, schedule and a reference to the backbone, checked to belong together.
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { readSchedule, type Schedule } from '../schedules/schedule.js';
import type { Trained } from '../training/openTrained.js';
import type { Run } from '../training/runFolder.js';
import { writeBundle } from './bundle.js';

/** Where a run keeps what `profile` and `schedule` write. */
export const errorTablePath = (run: Run): string => join(run.path, 'error-table.json');
export const schedulePath = (run: Run): string => join(run.path, 'schedule.json');

/**
 * Writes the bundle of a run.
 * @param out folder of the bundle
 * @returns the schedule in it
 * @throws UserError if the schedule was solved for other heads, or the folder cannot be written
 */
export async function exportBundle(trained: Trained, out: string): Promise<Schedule> {
  const { run, config, backbone, heads } = trained;
  const { betas, betaStart, betaEnd, steps, prediction } = config.diffusion;
  const schedule = await readSchedule(schedulePath(run));
  await writeBundle(out, {
    backbone: {
      spec: backbone.spec,
      source: fromFolder(out, backbone.source),
      fingerprint: backbone.fingerprint,
    },
    diffusion: {
      ...{ prediction, betas, betaStart, betaEnd, steps },
      timeAxis: 'discrete',
      guidance: config.sample.guidance,
      clip: config.sample.clip,
    },
    plans: heads.plans,
    heads: heads.weights,
    schedule,
  });
  return schedule;
}

/** A path as seen from a folder, so that both can be moved together; absolute ones stay. */
function fromFolder(folder: string, path: string): string {
  return isAbsolute(path) ? path : relative(resolve(folder), resolve(path)).split(sep).join('/');
}
