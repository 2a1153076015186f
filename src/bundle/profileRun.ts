// How is a run measured? On what its config says, whole or in parts; the error table goes into its folder.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { requireChannels, requireGuidable } from '../backbones/guidance.js';
import { openData } from '../data/open.js';
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import { UserError } from '../errors.js';
import { channelsOf, requireAlike } from '../exits/guided.js';
import { remembers } from '../exits/heads.js';
import { modelIn } from '../exits/precision.js';
import { isFile } from '../files/disk.js';
import { mergedTable, readErrorPart, writeErrorPart, type ErrorPart } from '../schedules/errorParts.js';
import { writeErrorTable, type ErrorTable } from '../schedules/errorTable.js';
import type { Shard } from '../schedules/heldOut.js';
import { profilePart, type ProfileOptions } from '../schedules/profile.js';
import { scheduledTimes } from '../schedules/scheduledTimes.js';
import { binsOf, type TimeBin } from '../schedules/timeBins.js';
import type { Work } from '../training/fit.js';
import type { Trained } from '../training/openTrained.js';
import type { Run } from '../training/runFolder.js';
import { errorTablePath } from './export.js';

/** Where a run keeps a part of its error table, or all that was measured of one that was stopped. */
export function errorPartPath(run: Run, shard?: Shard): string {
  return join(
    run.path,
    shard ? `error-table.${shard.index}-of-${shard.of}.json` : 'error-table.partial.json',
  );
}
const partName = /^error-table\.\d+-of-\d+\.json$/;

export interface ProfileRunOptions {
  /** The part to measure; all unless given. */
  readonly shard?: Shard | undefined;
  /** Go on with one that was stopped. */
  readonly resume?: boolean;
}

/**
 * Measures a run and writes its error table.
 * @throws UserError if there is nothing to resume, or that is another measurement
 * @throws Interrupted after the signal; what was measured is kept
 */
export async function profileRun(
  trained: Trained,
  work: Work,
  { resume = false }: Pick<ProfileRunOptions, 'resume'> = {},
): Promise<ErrorTable> {
  const { run, config } = trained;
  const part = await measuredPart(trained, work, { resume });
  const table = mergedTable([part], diffusion(config.diffusion));
  await writeErrorTable(errorTablePath(run), table);
  await rm(errorPartPath(run), { force: true });
  return table;
}

/** Measures one of several parts and writes it; otherwise as `profileRun`. */
export async function profileShard(
  trained: Trained,
  work: Work,
  { shard, resume = false }: { readonly shard: Shard; readonly resume?: boolean },
): Promise<ErrorPart> {
  const part = await measuredPart(trained, work, { shard, resume });
  await writeErrorPart(errorPartPath(trained.run, shard), part);
  return part;
}

/**
 * Writes the error table of all parts in the run's folder.
 * @throws UserError if one is missing, not finished, of other heads, or of another measurement
 */
export async function mergeShards({ run, config, backbone, heads }: Trained): Promise<ErrorTable> {
  const names = (await readdir(run.path)).filter((name) => partName.test(name));
  const parts: ErrorPart[] = [];
  for (const name of names) {
    const part = await readErrorPart(join(run.path, name));
    if (part.measured.backbone !== backbone.fingerprint || part.measured.heads !== heads.fingerprint)
      throw new UserError(
        `${join(run.path, name)} is of another backbone or other heads than the run now holds. Measure it again.`,
      );
    parts.push(part);
  }
  const table = mergedTable(parts, diffusion(config.diffusion));
  await writeErrorTable(errorTablePath(run), table);
  return table;
}

async function measuredPart(
  trained: Trained,
  { engine, signal, progress }: Work,
  { shard, resume }: ProfileRunOptions,
): Promise<ErrorPart> {
  const { run, config, backbone, heads, model } = trained;
  const { samples, batch, binning, guidance, standardError } = config.profile;
  const { guidanceInterval } = config.sample;
  const guidedChannels = channelsOf(config.sample);
  requireGuidable(backbone.spec, guidance);
  requireChannels(backbone.spec, guidedChannels);
  if (model.plans.some(({ kind }) => remembers(kind))) requireAlike({ guidance, guidanceInterval });
  const path = errorPartPath(run, shard);
  if (resume && !(await isFile(path)))
    throw new UserError(`there is no ${path} to go on from. Leave out --resume to start anew.`);
  const options: ProfileOptions = {
    ...{ engine, signal, progress, samples, batch, binning, standardError },
    guidance: { guidance, guidanceInterval },
    dataset: await openData(config.data, 'test', backbone.spec),
    prompts: await openPrompts(backbone.spec, config.data.captions, 'data.captions'),
    model: { ...(await modelIn(model, config.engine.frozenPrecision)), guidedChannels },
    fingerprints: { backbone: backbone.fingerprint, heads: heads.fingerprint },
    diffusion: diffusion(config.diffusion),
    bins: profileBins(config),
    ages: config.heads.memory,
    seed: config.seed,
    ...(shard && { shard }),
    ...(resume && { from: await readErrorPart(path) }),
    keep: (part) => writeErrorPart(path, part),
  };
  return profilePart(options);
}

/** The time bins that `profile.binning` asks for. */
export function profileBins(
  config: Pick<Trained['config'], 'profile' | 'schedule' | 'diffusion'>,
): TimeBin[] {
  const { binning, bins } = config.profile;
  return binsOf(binning, diffusion(config.diffusion), { count: bins, timesteps: scheduledTimes(config) });
}
