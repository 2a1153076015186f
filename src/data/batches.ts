// Which images and labels are in batch n? The seed and n alone decide it, so a resumed run needs no data cursor.
import { UserError } from '../errors.js';
import { stream } from '../random.js';
import type { ImageDataset } from './dataset.js';

export interface Batch {
  /** Images, [B, C, H, W], from -1 (byte 0) to 1 (byte 255). */
  readonly x: Float32Array;
  /** Class labels, [B]. */
  readonly y: Int32Array;
}

export interface BatchOptions {
  readonly seed: number;
  /** Images in a batch, B. */
  readonly batch: number;
}

/**
 * Shuffled batches without end: batch n holds places n * B to n * B + B - 1 of all epochs laid end to end. Each epoch is a
 * permutation of its own, and a batch may cross into the next one, so every image is seen equally often.
 * The returned function takes the step, counted from 0, in any order.
 */
export function batches(dataset: ImageDataset, { seed, batch }: BatchOptions): (step: number) => Batch {
  const { count } = dataset;
  let epoch = -1;
  let order: Int32Array = new Int32Array(0);
  const imageAt = (place: number): number => {
    const wanted = Math.floor(place / count);
    if (wanted !== epoch) {
      order = stream(seed, 'shuffle', wanted).permutation(count);
      epoch = wanted;
    }
    return order[place % count] ?? 0;
  };
  return (step) =>
    gather(
      dataset,
      Int32Array.from({ length: batch }, (_, i) => imageAt(step * batch + i)),
    );
}

/**
 * Images `from` to `from + count - 1` in file order: held-out data is measured on the same images every time.
 * @throws UserError if the data set holds fewer
 */
export function examples(dataset: ImageDataset, from: number, count: number): Batch {
  if (from < 0 || count < 1 || from + count > dataset.count)
    throw new UserError(
      `${dataset.name}: images ${from} to ${from + count - 1} were asked for, it holds 0 to ${dataset.count - 1}. Ask for fewer.`,
    );
  return gather(
    dataset,
    Int32Array.from({ length: count }, (_, i) => from + i),
  );
}

function gather({ channels, imageSize, pixels, labels }: ImageDataset, indices: Int32Array): Batch {
  const size = channels * imageSize * imageSize;
  const x = new Float32Array(indices.length * size);
  indices.forEach((index, i) => {
    const image = pixels.subarray(index * size, (index + 1) * size);
    for (let p = 0; p < size; p++) x[i * size + p] = (image[p] ?? 0) / 127.5 - 1;
  });
  return { x, y: Int32Array.from(indices, (index) => labels[index] ?? 0) };
}
