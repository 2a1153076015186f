// What does one file of stored latents hold? Means, log-variances and labels of some examples, checked and read by number.
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { bytesPer, readBytes, readIntegers, widen } from '../checkpoints/stored.js';
import type { HostTensors, StoredTensor } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import type { LatentDtype, LatentsIndex } from './latentsIndex.js';

/** Gaussians of one example, each [C, s, s]: a latent is drawn from them. */
export interface Gaussian {
  readonly mean: Float32Array;
  readonly logvar: Float32Array;
}

/** An opened shard. */
export interface LatentShard {
  readonly path: string;
  /** [count], 0..classes-1. */
  readonly labels: Int32Array;
  /** Gaussians of example 0 to count - 1 of this shard. @throws UserError if the file is gone or holds no finite numbers */
  readonly read: (index: number, isFlipped: boolean) => Promise<Gaussian>;
}

/** What the shards of an index have in common. */
export type ShardShape = Pick<LatentsIndex, 'channels' | 'size' | 'dtype' | 'flipped' | 'classes'>;

/** What a shard is made of: each [n, C, s, s], and one label for each of the n. */
export interface ShardContents {
  readonly plain: Gaussian;
  /** Of the mirrored images. */
  readonly flipped?: Gaussian;
  readonly labels: Int32Array;
}

const names = {
  plain: { mean: 'mean', logvar: 'logvar' },
  flipped: { mean: 'mean_flipped', logvar: 'logvar_flipped' },
} as const;

/**
 * Opens a shard: types, shapes and labels are checked, and the latents stay where they are.
 * @throws UserError saying what does not fit the index
 */
export async function openLatentShard(
  path: string,
  count: number,
  expected: ShardShape,
): Promise<LatentShard> {
  const { tensors, integers } = await openSafetensors(path);
  const { channels, size, dtype, classes } = expected;
  const shape = [count, channels, size, size];
  const tensor = (name: string): StoredTensor => {
    const found = tensors[name];
    if (!found) throw unsound(path, `it has no tensor ${name} of floats`);
    if (found.shape.join() !== shape.join() || found.dtype !== dtype)
      throw unsound(
        path,
        `${name} is [${found.shape.join(', ')}] of ${found.dtype}, and the index says [${shape.join(', ')}] of ${dtype}`,
      );
    return found;
  };
  const parts = (which: keyof typeof names): Record<keyof Gaussian, StoredTensor> => ({
    mean: tensor(names[which].mean),
    logvar: tensor(names[which].logvar),
  });
  const plain = parts('plain');
  const flipped = expected.flipped ? parts('flipped') : plain;
  const label = integers['label'];
  if (!label) throw unsound(path, 'it has no tensor label of I32 or I64');
  if (label.shape.join() !== String(count))
    throw unsound(path, `label is [${label.shape.join(', ')}], and the index says [${count}]`);
  const labels = await readIntegers(label);
  const stranger = labels.findIndex((value) => value < 0 || value >= classes);
  if (stranger >= 0)
    throw unsound(path, `label ${stranger} is ${labels[stranger]}, and the index says 0 to ${classes - 1}`);
  return {
    ...{ path, labels },
    read: async (index, isFlipped) => {
      const { mean, logvar } = isFlipped ? flipped : plain;
      return {
        mean: await example(mean, index, isFlipped ? names.flipped.mean : names.plain.mean),
        logvar: await example(logvar, index, isFlipped ? names.flipped.logvar : names.plain.logvar),
      };
    },
  };
}

/** Writes a shard, whole or not at all. @throws UserError if the disk refuses it, or a number is not finite as `dtype` */
export function writeLatentShard(
  path: string,
  { plain, flipped, labels }: ShardContents,
  { channels, size, dtype }: Pick<ShardShape, 'channels' | 'size' | 'dtype'>,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const tensors = (of: Gaussian, which: keyof typeof names): HostTensors =>
    Object.fromEntries(
      (['mean', 'logvar'] as const).map((part) => {
        const name = names[which][part];
        const data = of[part];
        requireStorable(path, name, data, dtype);
        return [name, { shape: [labels.length, channels, size, size], data }];
      }),
    );
  // Labels first: numbers of 4 bytes keep those of 2 aligned.
  return writeSafetensors(
    path,
    {
      label: { shape: [labels.length], data: labels },
      ...tensors(plain, 'plain'),
      ...(flipped && tensors(flipped, 'flipped')),
    },
    { dtype, metadata },
  );
}

/** Bytes of the numbers of one example. */
export function bytesPerExample({ channels, size, dtype, flipped }: Omit<ShardShape, 'classes'>): number {
  return channels * size ** 2 * bytesPer[dtype] * 2 * (flipped ? 2 : 1) + 4;
}

async function example(stored: StoredTensor, index: number, name: string): Promise<Float32Array> {
  const bytes = stored.bytes / (stored.shape[0] ?? NaN);
  const data = widen(
    stored.dtype,
    await readBytes({ path: stored.path, offset: stored.offset + index * bytes, bytes }),
  );
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw unsound(stored.path, `${name} of example ${index} has ${data[bad]} among its numbers`);
  return data;
}

const largestHalf = 65504;

function requireStorable(path: string, name: string, data: Float32Array, dtype: LatentDtype): void {
  const most = dtype === 'F16' ? largestHalf : Infinity;
  const bad = data.findIndex((value) => !Number.isFinite(value) || Math.abs(value) > most);
  if (bad >= 0)
    throw new UserError(
      `${path} would hold ${data[bad]} in ${name}, which ${dtype} cannot store as a finite number. ` +
        'Is the VAE sound, and are its weights those of this architecture?',
    );
}

function unsound(path: string, what: string): UserError {
  return new UserError(`${path} is no sound file of latents: ${what}. Encode the images again.`);
}
