// What does the project's own classifier see in images? It is trained once on the data at hand, and kept in the cache.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fingerprintOf } from '../checkpoints/fingerprint.js';
import { openSafetensors, writeSafetensors } from '../checkpoints/safetensors.js';
import { readTensors } from '../checkpoints/stored.js';
import { contentOf } from '../data/content.js';
import type { Dataset } from '../data/dataset.js';
import type { HostTensors } from '../engine/tensors.js';
import { UserError } from '../errors.js';
import { cacheFolder } from '../files/cacheFolder.js';
import { cached, keyOf, type Asker } from '../files/cached.js';
import type { Progress } from '../training/progress.js';
import { classifierOf, defaultSteps, trainedWeights } from './classifier.js';
import { initialNetwork } from './classifierNetwork.js';
import type { FeatureExtractor } from './features.js';
import { judgeEngine } from './judgeEngine.js';

export interface DigitsOptions extends Asker {
  /** Of the training; judgements compare where they share it. */
  readonly seed: number;
  /** Of training; 2,000 unless told. */
  readonly steps?: number;
  readonly progress: Progress;
  /** Where trained classifiers are kept; exithead's cache unless told. */
  readonly folder?: string;
}

/** To be raised when the network or its training becomes another one: what was kept does not count any more. */
const version = 1;
/** Some fifty classifiers of MNIST's size. */
const mostBytes = 64 * 2 ** 20;

/**
 * The classifier of a data set as a judge of images like its own. Trained for half a minute the first time, on the CPU
 * wherever samples are drawn; then kept under the content of the data, the seed and the number of steps.
 * @param dataset with labels; what is judged should be like it
 * @throws UserError if there are fewer than two classes, or the cache cannot be written to
 * @throws Interrupted after the signal; nothing is kept then
 */
export async function openDigits(dataset: Dataset, options: DigitsOptions): Promise<FeatureExtractor> {
  const { name, classes, channels, imageSize } = dataset;
  if (classes < 2)
    throw new UserError(
      `${name}: has ${classes} classes, and a classifier that judges needs two. Give labelled data, or the features of a network in an ONNX file.`,
    );
  const {
    seed,
    steps = defaultSteps,
    folder = join(cacheFolder(), 'digits'),
    progress,
    signal,
    say,
  } = options;
  const key = keyOf('digits', version, seed, steps, await contentOf(dataset));
  const kept = {
    path: join(folder, `${key}.safetensors`),
    mostBytes,
    read: (path: string) => readWeights(path, dataset),
    write: async (path: string, weights: HostTensors) =>
      writeSafetensors(path, weights, { metadata: { fingerprint: await fingerprintOf(weights) } }),
    make: () => {
      say(`training a classifier of ${name} to judge by, once`);
      return trainedWeights(judgeEngine, dataset, { seed, steps, signal, progress });
    },
  };
  const weights = await cached(kept, options);
  const classifier = await classifierOf(judgeEngine, dataset, weights);
  const fingerprint = createHash('sha256')
    .update(JSON.stringify(['digits', version, channels, imageSize, await fingerprintOf(weights)]))
    .digest('hex');
  return {
    ...{ name: 'digits', fingerprint, width: classifier.featureWidth, classes },
    see: (images) => classifier.see(images),
    dispose: () => classifier.dispose(),
  };
}

async function readWeights(
  path: string,
  { channels, imageSize, classes }: Pick<Dataset, 'channels' | 'imageSize' | 'classes'>,
): Promise<HostTensors> {
  const { tensors, metadata } = await openSafetensors(path);
  const expected = Object.entries(initialNetwork(channels * imageSize ** 2, classes, 0));
  const fits = expected.every(([name, { shape }]) => String(tensors[name]?.shape) === String(shape));
  if (!fits || Object.keys(tensors).length !== expected.length)
    throw new UserError(`${path} holds other tensors than a classifier of these images.`);
  const weights = await readTensors(tensors);
  if ((await fingerprintOf(weights)) !== metadata['fingerprint'])
    throw new UserError(`${path} does not hold the numbers that were written to it.`);
  return weights;
}
