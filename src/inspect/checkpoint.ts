// How far had a run come when it wrote this checkpoint?
import { dirname, join } from 'node:path';
import { countOf } from '../engine/tensors.js';
import { isFile } from '../files/disk.js';
import { readCheckpoint } from '../training/checkpoints.js';
import { openRun } from '../training/runFolder.js';
import { part } from '../training/state.js';
import { bytesAt } from './bytes.js';

export interface CheckpointFacts {
  readonly kind: 'training checkpoint';
  readonly path: string;
  readonly bytes: number;
  /** Steps done. */
  readonly step: number;
  /** Weights that are trained; the state holds them, two moments and the average of each. */
  readonly parameters: number;
  readonly tensors: number;
  /** What the run builds on, such as the fingerprint of a frozen backbone. */
  readonly origin: string | undefined;
  /** The run it lies in, if any. */
  readonly run: string | undefined;
  readonly problems: readonly string[];
}

/** @throws UserError if it is damaged */
export async function checkpointFacts(path: string): Promise<CheckpointFacts> {
  const { step, state, config, origin } = await readCheckpoint(path);
  const folder = dirname(dirname(path));
  const run = (await isFile(join(folder, 'config.yaml'))) ? await openRun(folder) : undefined;
  return {
    kind: 'training checkpoint',
    path,
    bytes: await bytesAt(path),
    step,
    parameters: countOf(part(state, 'w')),
    tensors: Object.keys(state).length,
    origin: origin === '' ? undefined : origin,
    run: run?.path,
    problems:
      run === undefined || run.configHash === config
        ? []
        : [
            `${run.config} has changed since ${path} was written, so the run cannot go on as it began. Undo the change.`,
          ],
  };
}
