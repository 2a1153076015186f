// Which class does an image show? A small classifier, trained in seconds on the images a backbone was trained on.
import { setImmediate } from 'node:timers/promises';
import { batches } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { Engine, Feeds } from '../engine/engine.js';
import type { HostTensors } from '../engine/tensors.js';
import { tf } from '../engine/tf.js';
import { Interrupted, UserError } from '../errors.js';
import { stream } from '../random.js';
import { learningRate } from '../training/lr.js';
import type { Progress } from '../training/progress.js';
import { part } from '../training/state.js';
import type { Seen } from './features.js';
import { requireImages } from './vectors.js';
import {
  decided,
  features,
  featureWidth,
  initialNetwork,
  initialTraining,
  trainingInputs,
  trainingStep,
} from './classifierNetwork.js';
import { shifted } from './shifts.js';

/** Images it takes, and classes it knows. */
export type ClassifierSize = Pick<Dataset, 'channels' | 'imageSize' | 'classes'>;

/** A classifier decides everything it sees. */
export type SeenByClassifier = Seen & { readonly probabilities: Float32Array };

export interface Classifier extends ClassifierSize {
  /**
   * The most probable class of each image, in batches; any number of images.
   * @param images [count, channels, imageSize, imageSize] from -1 to 1
   * @returns [count], 0..classes-1
   * @throws UserError if the array holds no whole number of such images, or a number that is not finite
   */
  classify(images: Float32Array): Promise<Int32Array>;
  /**
   * What it sees in each image, in one pass: the numbers before its last layer, for distances between sets of images,
   * and the probability of each class.
   * @throws UserError as `classify`
   */
  see(images: Float32Array): Promise<SeenByClassifier>;
  /** Numbers in a feature vector. */
  readonly featureWidth: number;
  dispose(): Promise<void>;
}

export interface ClassifierOptions {
  /** Decides weights, order and shifts of the images. */
  readonly seed: number;
  /** Steps of training, 2,000 unless told. */
  readonly steps?: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

const batchSize = 512;
export const defaultSteps = 2000;
const peakRate = 3e-3;
const warmupShare = 1 / 40;
/** Share of the target that all classes get in equal parts (Szegedy et al., "Rethinking the Inception Architecture", 2016). */
const smoothing = 0.1;
/** Images move by up to a fourteenth of their size: 2 pixels of MNIST's 28. */
const shiftShare = 1 / 14;

/**
 * Trains a classifier. The same seed, data and engine give the same classifier.
 * @throws UserError as soon as the loss is not finite
 * @throws Interrupted after the signal; nothing is saved
 */
export async function trainClassifier(
  engine: Engine,
  dataset: Dataset,
  options: ClassifierOptions,
): Promise<Classifier> {
  return classifierOf(engine, dataset, await trainedWeights(engine, dataset, options));
}

/**
 * The weights of a classifier after training, under the names of `initialNetwork`.
 * @throws UserError and Interrupted as `trainClassifier`
 */
export async function trainedWeights(
  engine: Engine,
  dataset: Dataset,
  { seed, steps = defaultSteps, signal, progress }: ClassifierOptions,
): Promise<HostTensors> {
  const { classes } = dataset;
  const inputs = inputsOf(dataset);
  const step = await engine.compile(trainingStep, {
    state: initialTraining(initialNetwork(inputs, classes, seed)),
    batch: trainingInputs(inputs, classes),
    frozen: {},
  });
  try {
    const feeds = feeder(dataset, seed, steps);
    for (let done = 0; done < steps;) {
      // The engine blocks the event loop while it computes; here signals and drawings get their turn.
      await setImmediate();
      if (signal.aborted)
        throw new Interrupted(
          `stopped after ${done} of ${steps} steps of the classifier; nothing was saved.`,
        );
      const results = await step(await feeds(done));
      done++;
      const loss = results['loss']?.data[0] ?? NaN;
      if (!Number.isFinite(loss))
        throw new UserError(
          `training the classifier stopped: its loss became ${loss} in step ${done} of ${steps}. Use another seed.`,
        );
      progress.update(done, steps, { loss });
    }
    return part(await step.read(), 'w');
  } finally {
    progress.end();
    await step.dispose();
  }
}

/** What each step is fed: images that moved, and the smoothed targets of their labels. */
function feeder(dataset: Dataset, seed: number, steps: number): (step: number) => Promise<Feeds> {
  const { channels, imageSize, classes } = dataset;
  const limit = Math.round(imageSize * shiftShare);
  const batchAt = batches(dataset, { seed, batch: batchSize });
  const rate = { lr: peakRate, warmup: Math.round(steps * warmupShare), steps, floor: 0 };
  return async (step) => {
    const { x, y } = await batchAt(step);
    return {
      x: shifted(x, [channels, imageSize, imageSize], limit, stream(seed, 'shift', step)),
      target: targets(y, classes),
      lr: learningRate(rate, step),
    };
  };
}

/** [B, classes]; each row sums to 1. */
function targets(labels: Int32Array, classes: number): Float32Array {
  const out = new Float32Array(labels.length * classes).fill(smoothing / classes);
  labels.forEach((label, i) => {
    out[i * classes + label] = 1 - smoothing + smoothing / classes;
  });
  return out;
}

/** The classifier of these weights. */
export async function classifierOf(
  engine: Engine,
  { classes, channels, imageSize }: ClassifierSize,
  weights: HostTensors,
): Promise<Classifier> {
  const size = inputsOf({ channels, imageSize });
  const step = await engine.compile(
    (_state, { x }, frozen) => {
      if (!x) throw new Error('classifier: x is fed');
      const seen = features(frozen, x);
      return { state: {}, out: { features: seen, probabilities: tf.softmax(decided(frozen, seen)) } };
    },
    { state: {}, batch: { x: { shape: ['batch', size] } }, frozen: weights },
  );
  const see = async (images: Float32Array): Promise<SeenByClassifier> => {
    const count = requireImages(images, 'classifier', { channels, imageSize });
    const all = {
      features: new Float32Array(count * featureWidth),
      probabilities: new Float32Array(count * classes),
    };
    for (let from = 0; from < count; from += batchSize) {
      const results = await step({ x: images.subarray(from * size, (from + batchSize) * size) });
      all.features.set(results['features']?.data ?? [], from * featureWidth);
      all.probabilities.set(results['probabilities']?.data ?? [], from * classes);
    }
    return all;
  };
  return {
    ...{ classes, channels, imageSize, featureWidth, see },
    classify: async (images) => mostProbable((await see(images)).probabilities, classes),
    dispose: () => step.dispose(),
  };
}

/** The place of the largest number of each row. @param probabilities [count, classes] */
export function mostProbable(probabilities: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: probabilities.length / classes }, (_, i) => {
    const row = probabilities.subarray(i * classes, (i + 1) * classes);
    return row.reduce((best, p, c) => (p > (row[best] ?? NaN) ? c : best), 0);
  });
}

/** Numbers in an image. */
function inputsOf({ channels, imageSize }: Pick<Dataset, 'channels' | 'imageSize'>): number {
  return channels * imageSize * imageSize;
}
