// How does a run become a bundle? Heads, schedule and a reference to the backbone, checked to belong together.
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { isFile } from '../files/disk.js';
import { calibrationPath, readCalibration } from '../schedules/calibrationFile.js';
import { readErrorTable, type ErrorTable } from '../schedules/errorTable.js';
import { readSchedule, type Schedule } from '../schedules/schedule.js';
import type { Trained } from '../training/openTrained.js';
import { uncertaintyIn } from '../training/trainUncertainty.js';
import type { Run } from '../training/runFolder.js';
import { openPictureVae } from '../vae/pictures.js';
import { writeBundle, type Additions } from './bundle.js';
import { fromFolder } from './place.js';

/** Where a run keeps what `profile` and `schedule` write. */
export const errorTablePath = (run: Run): string => join(run.path, 'error-table.json');
export const sensitivityPath = (run: Run): string => join(run.path, 'sensitivity.json');
export const trajectoriesPath = (run: Run): string => join(run.path, 'trajectories.json');
export const schedulePath = (run: Run): string => join(run.path, 'schedule.json');

/** What was measured of a run, if it was. @throws UserError if that was of other heads than the run now holds */
export async function errorTableOf(trained: Trained): Promise<ErrorTable | undefined> {
  const path = errorTablePath(trained.run);
  if (!(await isFile(path))) return undefined;
  const table = await readErrorTable(path);
  requireSameHeads(trained, { ...table, path, verb: 'profile' });
  return table;
}

/** What was solved for a run, if it was. @throws UserError if that was for other heads than the run now holds */
export async function scheduleOf(trained: Trained): Promise<Schedule | undefined> {
  const path = schedulePath(trained.run);
  if (!(await isFile(path))) return undefined;
  const schedule = await readSchedule(path);
  requireSameHeads(trained, { ...schedule, exits: schedule.available, path, verb: 'schedule' });
  return schedule;
}

/** The list of exits counts, too: shared heads have no weights, so all of them have the same fingerprint. */
function requireSameHeads(
  { run, backbone, heads }: Trained,
  found: Pick<ErrorTable, 'backbone' | 'heads' | 'exits'> & { readonly path: string; readonly verb: string },
): void {
  const expected = [...heads.plans, { exit: backbone.spec.depth, kind: 'backbone' }];
  const shown = (exits: readonly { readonly exit: number; readonly kind: string }[]): string =>
    exits.map(({ exit, kind }) => `${exit} ${kind}`).join();
  if (
    found.backbone === backbone.fingerprint &&
    found.heads === heads.fingerprint &&
    shown(found.exits) === shown(expected)
  )
    return;
  throw new UserError(
    `${found.path} belongs to another backbone or other heads than ${run.path} now holds. ` +
      `Run \`exithead ${found.verb} ${run.path}\` again.`,
  );
}

/**
 * Writes the bundle of a run.
 * @param out folder of the bundle
 * @returns the schedule in it
 * @throws UserError if there is no schedule, it was solved for other heads, or the folder cannot be written
 */
export async function exportBundle(
  trained: Trained,
  out: string,
  additions: Omit<Additions, 'weights'> = { withBackbone: false, withOnnx: false },
): Promise<Schedule> {
  const { run, config, backbone, heads } = trained;
  const { betas, betaStart, betaEnd, steps, prediction } = config.diffusion;
  const schedule = await scheduleOf(trained);
  if (!schedule)
    throw new UserError(`${run.path} has no schedule.json. Run \`exithead schedule ${run.path}\` first.`);
  const uncertainty = await uncertaintyIn(trained);
  const pictures = await openPictureVae(backbone.spec, config.vae);
  await writeBundle(out, {
    backbone: {
      spec: backbone.spec,
      source: fromFolder(out, backbone.source),
      labels: backbone.labels,
      fingerprint: backbone.fingerprint,
      frozenPrecision: config.engine.frozenPrecision,
    },
    vae: pictures && {
      source: fromFolder(out, pictures.vae.source),
      fingerprint: pictures.vae.fingerprint,
      tile: pictures.tile,
    },
    diffusion: {
      ...{ prediction, betas, betaStart, betaEnd, steps },
      timeAxis: 'discrete',
      guidance: config.sample.guidance,
      ...(config.sample.guidanceChannels !== 'all' && { guidanceChannels: config.sample.guidanceChannels }),
      ...(config.sample.guidanceInterval && { guidanceInterval: [...config.sample.guidanceInterval] }),
      clip: config.sample.clip,
    },
    plans: heads.plans,
    heads: heads.weights,
    schedule,
    additions: { ...additions, weights: backbone.weights },
    judges: uncertainty && { uncertainty, calibration: await readCalibration(calibrationPath(run.path)) },
    run: fromFolder(out, run.path),
  });
  return schedule;
}
