// What does a judge see in real images? Samples are compared with that; it is seen once, and kept in the cache.
import { setImmediate } from 'node:timers/promises';
import { join } from 'node:path';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readTensor } from '../checkpoints/stored.js';
import { examples } from '../data/batches.js';
import { contentOf } from '../data/content.js';
import type { Dataset } from '../data/dataset.js';
import { Interrupted, UserError } from '../errors.js';
import { cacheFolder } from '../files/cacheFolder.js';
import { cached, keyOf, type Asker } from '../files/cached.js';
import type { Progress } from '../training/progress.js';
import type { FeatureExtractor } from './features.js';

export interface ReferenceOptions extends Asker {
  /** Images: the first ones of the data set. */
  readonly count: number;
  readonly progress: Progress;
  /** Where features are kept; exithead's cache unless told. */
  readonly folder?: string;
}

/** Images at a time. */
const batch = 64;
/** 65,536 vectors of Inception's 2048 numbers: making their products takes five times as much memory. */
const mostBytes = 2 ** 29;
const mostKept = 4 * mostBytes;

/**
 * Features of the first images of a data set, kept under the content of the images and the fingerprint of the extractor:
 * moved or renamed files are known again, changed ones are seen anew.
 * @returns [count, width]
 * @throws UserError if there are fewer images, they are not those the extractor takes, or there would be too many features
 * @throws Interrupted after the signal; nothing is kept then
 */
export async function referenceFeatures(
  dataset: Dataset,
  extractor: FeatureExtractor,
  options: ReferenceOptions,
): Promise<Float32Array> {
  const { count, folder = join(cacheFolder(), 'references'), say } = options;
  const { width, fingerprint, name } = extractor;
  if (4 * count * width > mostBytes)
    throw new UserError(
      `${count} reference images have ${count * width} features, more than the ${mostBytes / 4} that are compared. ` +
        `Ask for at most ${Math.floor(mostBytes / 4 / width)} images.`,
    );
  const key = keyOf('reference', 1, fingerprint, await contentOf(dataset, count));
  return cached(
    {
      path: join(folder, `${key}.safetensors`),
      mostBytes: mostKept,
      read: (path) => readFeatures(path, count, width),
      write: async (path, data) => {
        const tensors = { features: { shape: [count, width], data } };
        await writeSafetensors(path, tensors, { metadata: { fingerprint: await fingerprintOf(tensors) } });
      },
      make: () => {
        say(`looking at ${count} images of ${dataset.name} with ${name}, once`);
        return look(dataset, extractor, options);
      },
    },
    options,
  );
}

async function look(
  dataset: Dataset,
  extractor: FeatureExtractor,
  { count, signal, progress }: ReferenceOptions,
): Promise<Float32Array> {
  const { width, name } = extractor;
  const features = new Float32Array(count * width);
  try {
    for (let from = 0; from < count; from += batch) {
      // The extractor may block the event loop while it computes; here signals and drawings get their turn.
      await setImmediate();
      if (signal.aborted)
        throw new Interrupted(`stopped after ${from} of ${count} reference images; nothing was kept.`);
      const some = Math.min(batch, count - from);
      const { features: seen } = await extractor.see((await examples(dataset, from, some)).x);
      // Images of another size may come to whole ones by chance.
      if (seen.length !== some * width)
        throw new UserError(
          `${dataset.name}: ${name} takes images of another size. Give real images of the size that is drawn.`,
        );
      features.set(seen, from * width);
      progress.update(from + some, count, {});
    }
  } finally {
    progress.end();
  }
  return features;
}

async function readFeatures(path: string, count: number, width: number): Promise<Float32Array> {
  const { tensors, metadata } = await openSafetensors(path);
  const { features } = tensors;
  if (String(features?.shape) !== String([count, width]) || !features)
    throw new UserError(`${path} holds no features of ${count} images.`);
  const tensor = await readTensor(features);
  if (
    !(tensor.data instanceof Float32Array) ||
    (await fingerprintOf({ features: tensor })) !== metadata['fingerprint']
  )
    throw new UserError(`${path} does not hold the numbers that were written to it.`);
  return tensor.data;
}
