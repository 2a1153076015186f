// How are stored latents a data set? Each example is drawn from its Gaussian when it is read, by offset.
import { join } from 'node:path';
import { sizeOf } from '../engine/tensors.js';
import type { Stream } from '../random.js';
import { toDiffusion } from '../vae/scaling.js';
import { abreast } from './abreast.js';
import type { Dataset } from './dataset.js';
import { openLatentShard, type Gaussian, type LatentShard } from './latentShard.js';
import { readLatentsIndex, type LatentsIndex } from './latentsIndex.js';

/** Files open at the same time. */
const mostOpen = 16;

export interface LatentsOptions {
  /** Whether an example may be that of the mirrored image, half of the time, where there are some. */
  readonly flip: boolean;
}

/** Stored latents, with what their index says. */
export interface LatentsDataset extends Dataset {
  readonly index: LatentsIndex;
}

/**
 * Opens a folder of latents. What lies in the shards stays there; their headers and labels alone are read.
 *
 * An example is z = mean + exp(logvar / 2) noise with noise drawn at every reading, and given as diffusion sees it,
 * (z - shiftFactor) scalingFactor. Held-out examples are drawn, too, each always with the same noise (see `examples`):
 * a backbone was trained on draws, and means are not distributed like them.
 * @throws UserError if the index or a shard is not sound, or the two do not say the same
 */
export async function openLatents(folder: string, { flip }: LatentsOptions): Promise<LatentsDataset> {
  const index = await readLatentsIndex(folder);
  const shards: LatentShard[] = [];
  for (const { file, count } of index.shards)
    shards.push(await openLatentShard(join(folder, file), count, index));
  const firsts = placesOf(index);
  const { channels, size, count, classes, flipped } = index;
  const numbers = sizeOf([channels, size, size]);
  const drawn = async (at: number, random: Stream): Promise<{ x: Float32Array; y: number }> => {
    const which = shardAt(firsts, at);
    const shard = shards[which];
    const local = at - (firsts[which] ?? NaN);
    const label = shard?.labels[local];
    if (!shard || label === undefined) throw new RangeError(`there are ${count} latents, none at ${at}`);
    const isFlipped = flip && flipped && random.uniform() < 0.5;
    return { x: draw(await shard.read(local, isFlipped), random, index), y: label };
  };
  return {
    ...{ name: folder, holds: 'latents', index, count, channels, imageSize: size, classes },
    read: async (indices, draws) => {
      const x = new Float32Array(indices.length * numbers);
      const y = new Int32Array(indices.length);
      await abreast(indices.length, mostOpen, async (i) => {
        const one = await drawn(indices[i] ?? NaN, draws(i));
        x.set(one.x, i * numbers);
        y[i] = one.y;
      });
      return { x, y };
    },
  };
}

/** A latent as diffusion sees it. Log-variances are kept in the range that AutoencoderKL keeps them in. */
function draw({ mean, logvar }: Gaussian, random: Stream, { vae }: LatentsIndex): Float32Array {
  const noise = random.normals(mean.length);
  const deviation = (i: number): number =>
    Math.exp(0.5 * Math.min(Math.max(logvar[i] ?? NaN, leastLogvar), mostLogvar));
  const drawn = mean.map((value, i) => value + deviation(i) * (noise[i] ?? NaN));
  return toDiffusion({ scalingFactor: vae.scalingFactor, shift: vae.shiftFactor }, drawn);
}

const [leastLogvar, mostLogvar] = [-30, 20];

/** Number of the first example of every shard. */
function placesOf({ shards }: LatentsIndex): number[] {
  let first = 0;
  return shards.map(({ count }) => {
    const at = first;
    first += count;
    return at;
  });
}

/** The last shard that begins at or before an example, by halving. */
function shardAt(firsts: readonly number[], at: number): number {
  let [low, high] = [0, firsts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((firsts[middle] ?? Infinity) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
