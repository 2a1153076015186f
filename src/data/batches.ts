// Which examples are in batch n? The seed and n alone decide it, so a resumed run needs no data cursor.
import { UserError } from '../errors.js';
import { stream } from '../random.js';
import type { Batch, Dataset } from './dataset.js';

export interface BatchOptions {
  readonly seed: number;
  /** Examples in a batch, B. */
  readonly batch: number;
}

/**
 * Shuffled batches without end: batch n holds places n * B to n * B + B - 1 of all epochs laid end to end. Each epoch is a
 * permutation of its own, and a batch may cross into the next one, so every example is seen equally often. What is drawn
 * at random in reading an example depends on seed and place.
 * The returned function takes the step, counted from 0, in any order.
 */
export function batches(dataset: Dataset, { seed, batch }: BatchOptions): (step: number) => Promise<Batch> {
  const { count } = dataset;
  let epoch = -1;
  let order: Int32Array = new Int32Array(0);
  const exampleAt = (place: number): number => {
    const wanted = Math.floor(place / count);
    if (wanted !== epoch) {
      order = stream(seed, 'shuffle', wanted).permutation(count);
      epoch = wanted;
    }
    return order[place % count] ?? 0;
  };
  return (step) =>
    dataset.read(
      Int32Array.from({ length: batch }, (_, i) => exampleAt(step * batch + i)),
      (i) => stream(seed, 'reading', step * batch + i),
    );
}

/**
 * Examples `from` to `from + count - 1` in their own order: held-out data are measured on the same ones every time.
 * What is drawn at random in reading one depends on its number alone, not on a run's seed.
 * @throws UserError if the data set holds fewer
 */
export async function examples(dataset: Dataset, from: number, count: number): Promise<Batch> {
  if (from < 0 || count < 1 || from + count > dataset.count)
    throw new UserError(
      `${dataset.name}: ${dataset.holds} ${from} to ${from + count - 1} were asked for, it holds 0 to ${dataset.count - 1}. Ask for fewer.`,
    );
  return dataset.read(
    Int32Array.from({ length: count }, (_, i) => from + i),
    (i) => stream(0, 'reading held-out', from + i),
  );
}
