// Where do finished batches lie until all are done? One file each, under a name that follows from all that decides it.
import { createHash } from 'node:crypto';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readBytes, widen } from '../checkpoints/stored.js';
import { UserError } from '../errors.js';
import { isFile, isFolder, makeFolder } from '../files/disk.js';
import type { BatchKey, DrawnBatch, KeptBatches } from './evaluateWays.js';
import type { SamplingWay } from './ways.js';

export interface KeepOptions {
  /** What decides samples and seconds beside way, seed and number: models, solver, engine. Any JSON. */
  readonly decidedBy: unknown;
  /** Whether batches of an earlier call count; otherwise they are drawn anew. */
  readonly resume: boolean;
  readonly warn: (line: string) => void;
}

/** @param folder made when the first batch is written */
export function keptBatchesIn(
  folder: string,
  ways: readonly SamplingWay[],
  { decidedBy, resume, warn }: KeepOptions,
): KeptBatches {
  const names = new Map(ways.map((way) => [way.name, hashOf([decidedBy, decidedByWay(way)])]));
  const length = lengthOf(ways);
  const pathOf = ({ way, seed, from, count }: BatchKey): string =>
    join(folder, `${names.get(way) ?? ''}-${seed}-${from}-${count}.safetensors`);
  return {
    async read(key) {
      const path = pathOf(key);
      if (!resume || !(await isFile(path))) return undefined;
      try {
        return await batchIn(path, [key.count, length]);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        warn(`${error.message} These samples are drawn anew.`);
        return undefined;
      }
    },
    async write(key, { images, seconds }) {
      await makeFolder(folder);
      const shape = [key.count, images.length / key.count];
      const metadata = { way: key.way, seconds: String(seconds) };
      await writeSafetensors(pathOf(key), { images: { shape, data: images } }, { metadata });
    },
  };
}

/** What `pathOf` gives. */
const ownName = /^[0-9a-f]{16}(-\d+){3}\.safetensors$/;

/** Deletes all of them, and the folder if nothing else is in it. */
export async function forgetBatches(folder: string): Promise<void> {
  if (!(await isFolder(folder))) return;
  const names = await readdir(folder);
  const own = names.filter((name) => ownName.test(name));
  for (const name of own) await rm(join(folder, name), { force: true });
  if (own.length === names.length) await rmdir(folder);
}

/** Heads of exits that it does not use change nothing. Ways that draw the same have seconds of their own, so names count. */
function decidedByWay({ name, timesteps, exits, unconditional, model, follows }: SamplingWay): unknown {
  const used = [
    ...exits,
    ...(unconditional ?? []),
    ...(follows?.exits ?? []),
    ...(follows?.unconditional ?? []),
  ];
  return {
    ...{ name, timesteps, exits, unconditional, follows },
    heads: model.plans.filter(({ exit }) => used.includes(exit)),
  };
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Numbers in a sample. */
function lengthOf(ways: readonly SamplingWay[]): number {
  const [first] = ways;
  return first ? first.model.spec.channels * first.model.spec.imageSize ** 2 : NaN;
}

async function batchIn(path: string, shape: readonly number[]): Promise<DrawnBatch> {
  const { tensors, metadata } = await openSafetensors(path);
  const seconds = Number(metadata['seconds']);
  const { images } = tensors;
  if (!images || images.shape.join() !== shape.join() || !(seconds > 0))
    throw new UserError(`${path} does not hold ${shape.join(' x ')} numbers and the seconds they took.`);
  return { images: widen(images.dtype, await readBytes(images)), seconds };
}
