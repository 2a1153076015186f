// From where does a run go on? The newest training checkpoint that is whole: all the state there is, in one file.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readTensors } from '../checkpoints/stored.js';
import type { HostTensors, Shapes } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { isCode, writing } from '../files/disk.js';
import type { Run } from './runFolder.js';

export interface Checkpoint {
  readonly path: string;
  /** Number of steps done. */
  readonly step: number;
  readonly state: HostTensors;
}

const format = 'exithead-checkpoint';
const version = '1';
/** How many checkpoints a run keeps unless told: should the newest be damaged, the one before it still serves. */
const keptByDefault = 2;

export interface SaveOptions {
  /** What the run builds on, such as the fingerprint of a frozen backbone. */
  readonly origin?: string;
  /** Digest of what the run weighs times by: files that the config names say some of it. */
  readonly times?: string;
  /** How many checkpoints stay, this one included. */
  readonly keep?: number;
}

/**
 * Writes checkpoints/step-<n>.safetensors whole or not at all, then removes older ones.
 * @param state layout of training/state.ts; its `step` is the number of steps done
 * @throws UserError if it cannot be written; the checkpoints before it are still there
 */
export async function saveCheckpoint(
  run: Run,
  state: HostTensors,
  { origin = '', times, keep: kept = keptByDefault }: SaveOptions = {},
): Promise<Checkpoint> {
  const step = stepOf(state);
  const path = checkpointPath(run, step);
  await writing(run.checkpoints, () => mkdir(run.checkpoints, { recursive: true }));
  await writeSafetensors(path, state, {
    metadata: {
      format,
      version,
      step: String(step),
      config: run.configHash,
      origin,
      ...(times !== undefined && { times }),
      digest: digestOf(state),
    },
  });
  const others = (await checkpointSteps(run)).filter((n) => n !== step);
  // What lies ahead stems from a session that this one has replaced.
  const older = others.filter((n) => n < step);
  const keep = new Set(older.slice(0, kept - 1));
  for (const n of others) if (!keep.has(n)) await rm(checkpointPath(run, n), { force: true });
  return { path, step, state };
}

/**
 * The newest checkpoint of a run that is whole, if it has any.
 * @param shapes of the state that the run is about to train
 * @param origin what the run builds on, and what it weighs times by, as they were saved
 * @param warn hears about every damaged one that is passed over
 * @throws UserError if it belongs to another config, backbone or model, or if all checkpoints are damaged
 */
export async function latestCheckpoint(
  run: Run,
  shapes: Shapes,
  { origin = '', times }: Pick<SaveOptions, 'origin' | 'times'>,
  warn: (message: string) => void,
): Promise<Checkpoint | undefined> {
  const damages: string[] = [];
  for (const step of await checkpointSteps(run)) {
    const path = checkpointPath(run, step);
    const file = await open(path);
    if ('damage' in file || file.step !== step) {
      damages.push('damage' in file ? file.damage : notAsWritten(path));
      continue;
    }
    requireSameRun(run, path, file, shapes, { origin, times });
    for (const damage of damages) warn(`${damage} Going on from ${path}.`);
    return { path, step, state: file.state };
  }
  if (damages.length === 0) return undefined;
  throw new UserError(
    `no checkpoint in ${run.checkpoints} can be read:\n${damages.map((text) => `  ${text}`).join('\n')}\n` +
      'Restore one from a backup, or start a new run.',
  );
}

export interface CheckpointFile {
  readonly step: number;
  readonly state: HostTensors;
  /** SHA-256 of the config of its run. */
  readonly config: string | undefined;
  /** What its run builds on, such as the fingerprint of a frozen backbone; empty if nothing. */
  readonly origin: string;
  /** Digest of what its run weighs times by; older checkpoints do not say it. */
  readonly times: string | undefined;
}

/** Whether the metadata of a file says that it is a training checkpoint. */
export function isCheckpointFile(metadata: Readonly<Record<string, string>>): boolean {
  return metadata['format'] === format;
}

/** @throws UserError saying what is wrong with it */
export async function readCheckpoint(path: string): Promise<CheckpointFile> {
  const file = await open(path);
  if ('damage' in file) throw new UserError(`${file.damage} Take an earlier one.`);
  return file;
}

/** What is in the file, or what is wrong with it. */
async function open(path: string): Promise<CheckpointFile | { readonly damage: string }> {
  try {
    const { tensors, metadata } = await openSafetensors(path);
    if (!isCheckpointFile(metadata))
      return {
        damage: `${path} is no training checkpoint of exithead: its metadata has no format "${format}".`,
      };
    if (metadata['version'] !== version)
      return {
        damage: `${path} has version ${metadata['version']}; this exithead reads version ${version}.`,
      };
    const state = await readTensors(tensors);
    const step = state['step']?.data[0];
    if (metadata['digest'] !== digestOf(state) || step === undefined) return { damage: notAsWritten(path) };
    const { config, origin = '', times } = metadata;
    return { step, state, config, origin, times };
  } catch (error) {
    if (error instanceof UserError) return { damage: error.message };
    throw error;
  }
}

function notAsWritten(path: string): string {
  return `${path} is damaged: its tensors are not those that were written.`;
}

function requireSameRun(
  run: Run,
  path: string,
  { state, config, origin, times }: CheckpointFile,
  shapes: Shapes,
  expected: { readonly origin: string; readonly times: string | undefined },
): void {
  if (config !== run.configHash)
    throw new UserError(
      `${run.config} has changed since ${path} was written, so the run cannot go on as it began. ` +
        'Undo the change, or start a new run with the new config.',
    );
  if (origin !== expected.origin)
    throw new UserError(
      `${path} belongs to a run on the backbone with fingerprint ${origin}, but this backbone has ${expected.origin}. ` +
        'Resume with the backbone that the run began with, or start a new run.',
    );
  if (times !== undefined && expected.times !== undefined && times !== expected.times)
    throw new UserError(
      `a file that ${run.config} names has changed since ${path} was written (loss.table, loss.errorTable, loss.sensitivity or ` +
        'finetune.schedule), so the run cannot go on as it began. Restore it, or start a new run.',
    );
  const wanted = Object.entries(shapes).map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  const found = new Set(Object.entries(state).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`));
  const missing = wanted.find((entry) => !found.has(entry));
  if (missing !== undefined || found.size !== wanted.length)
    throw new UserError(
      `${path} holds another state than this run trains: ${found.size} tensors, expected ${wanted.length}` +
        `${missing === undefined ? '' : `, among them ${missing}`}. ` +
        'Resume with the backbone and the version of exithead that the run began with.',
    );
}

function stepOf(state: HostTensors): number {
  const step = state['step']?.data[0];
  if (step === undefined) throw new Error('a training state without its step');
  return step;
}

/** Where the checkpoint of a step is kept. */
export function checkpointPath(run: Pick<Run, 'checkpoints'>, step: number): string {
  return join(run.checkpoints, `step-${step}.safetensors`);
}

/** Steps of all checkpoints, newest first. */
export async function checkpointSteps(run: Pick<Run, 'checkpoints'>): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(run.checkpoints);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    throw error;
  }
  return names
    .flatMap((name) => /^step-(\d{1,15})\.safetensors$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

/** SHA-256 of all numbers, in the order of their names: the format itself has no checksum. */
export function digestOf(state: HostTensors): string {
  const hash = createHash('sha256');
  for (const [name, { shape, data }] of Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} [${shape.join()}] `);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}
