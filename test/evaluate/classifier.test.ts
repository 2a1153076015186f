import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { examples } from '../../src/data/batches.js';
import { mnistFiles, openIdxDataset } from '../../src/data/idxDataset.js';
import { imagesInMemory, type ImageDataset } from '../../src/data/memory.js';
import type { CompiledStep, Engine } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { accuracyOn, agreement } from '../../src/evaluate/agreement.js';
import { trainClassifier, type Classifier, type ClassifierOptions } from '../../src/evaluate/classifier.js';

const engine = onnxEngine({ threads: 2, reason: 'test' });
const silent = { update: () => undefined, end: () => undefined };

function options(more: Partial<ClassifierOptions> = {}): ClassifierOptions {
  return { seed: 1, steps: 40, signal: new AbortController().signal, progress: silent, ...more };
}

/** The first `count` images. */
function firstOf(dataset: ImageDataset, count: number): ImageDataset {
  const { channels, imageSize, pixels, labels } = dataset;
  const numbers = count * channels * imageSize * imageSize;
  return imagesInMemory({
    ...dataset,
    ...{ pixels: pixels.subarray(0, numbers), labels: labels.subarray(0, count) },
  });
}

/** Images of 6 x 6, black on the left and white on the right for class 0, the other way round for class 1. */
const halves = imagesInMemory({
  name: 'halves',
  channels: 1,
  imageSize: 6,
  classes: 2,
  pixels: Uint8Array.from({ length: 64 * 36 }, (_, i) =>
    Math.floor(i / 36) % 2 === Number(i % 6 < 3) ? 255 : 0,
  ),
  labels: Uint8Array.from({ length: 64 }, (_, i) => i % 2),
});

let train: ImageDataset;
let held: ImageDataset;
let classifier: Classifier;
beforeAll(async () => {
  train = firstOf(await openIdxDataset(mnistFiles('train'), 'mnist'), 4000);
  held = firstOf(await openIdxDataset(mnistFiles('test'), 'mnist'), 1100);
  classifier = await trainClassifier(engine, train, options());
});
afterAll(() => classifier.dispose());

describe('trainClassifier', () => {
  it('tells 75% of held-out digits apart after 40 steps on 4,000 images', async () => {
    // Chance is 10%, this seed reaches 83%.
    expect(await accuracyOn(classifier, held)).toBeGreaterThan(0.75);
    expect(classifier).toMatchObject({ classes: 10, channels: 1, imageSize: 28 });
  });
  it('sees images of one class closer together than those of two', async () => {
    const { x, y } = await examples(held, 0, 600);
    const { features: seen } = await classifier.see(x);
    const width = classifier.featureWidth;
    expect(seen.length).toBe(600 * width);
    const distance = (i: number, j: number): number => {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (seen[i * width + k]! - seen[j * width + k]!) ** 2;
      return sum;
    };
    const sums = { same: 0, other: 0 };
    const counts = { same: 0, other: 0 };
    for (let i = 0; i < 600; i++)
      for (let j = 0; j < i; j++) {
        const kind = y[i] === y[j] ? 'same' : 'other';
        sums[kind] += distance(i, j);
        counts[kind]++;
      }
    expect(sums.same / counts.same).toBeLessThan(0.8 * (sums.other / counts.other));
    // Images in a later batch are seen as they are alone.
    const { features: alone } = await classifier.see(x.slice(550 * 784, 551 * 784));
    expect(alone).toBeAllClose(seen.slice(550 * width, 551 * width), 1e-5);
  });
  it('gives the same classes for the same seed, and others for another seed', async () => {
    const { x } = await examples(held, 0, held.count);
    const classes = async (seed: number): Promise<Int32Array> => {
      const trained = await trainClassifier(engine, train, options({ seed, steps: 5 }));
      const found = await trained.classify(x);
      await trained.dispose();
      return found;
    };
    const first = await classes(1);
    expect(await classes(1)).toEqual(first);
    expect(await classes(2)).not.toEqual(first);
  });
  it('takes images of another size and another number of classes', async () => {
    const small = await trainClassifier(engine, halves, options({ steps: 20 }));
    expect(small).toMatchObject({ classes: 2, channels: 1, imageSize: 6 });
    expect(await accuracyOn(small, halves)).toBe(1);
    await small.dispose();
  });
  it('leaves no tensor behind', async () => {
    await expect(async () => {
      const small = await trainClassifier(engine, halves, options({ steps: 2 }));
      await accuracyOn(small, halves);
      await small.dispose();
    }).toKeepTensorCount();
  });
  it('tells the loss of every step, and when it ends', async () => {
    const told: string[] = [];
    const losses: number[] = [];
    const progress = {
      update: (done: number, total: number, { loss }: Readonly<Record<string, number>>) => {
        told.push(`${done}/${total}`);
        losses.push(loss!);
      },
      end: () => told.push('end'),
    };
    const small = await trainClassifier(engine, halves, options({ steps: 10, progress }));
    await small.dispose();
    expect(told).toEqual([...Array.from({ length: 10 }, (_, i) => `${i + 1}/10`), 'end']);
    expect(losses[9]).toBeLessThan(losses[0]!);
  });
  it('stops after the step at hand when it is asked to', async () => {
    const controller = new AbortController();
    const told: (number | 'end')[] = [];
    const progress = {
      update: (done: number) => {
        told.push(done);
        // As Ctrl-C arrives: between two steps, from the event loop.
        if (done === 3) setImmediate(() => controller.abort());
      },
      end: () => told.push('end'),
    };
    const training = trainClassifier(engine, halves, options({ signal: controller.signal, progress }));
    await expect(training).rejects.toThrow(Interrupted);
    await expect(training).rejects.toThrow('stopped after 3 of 40 steps of the classifier');
    expect(told).toEqual([1, 2, 3, 'end']);
  });
  it.each([NaN, Infinity])('stops at once when the loss is %p, and frees the step', async (loss) => {
    let disposed = 0;
    const step: CompiledStep = Object.assign(
      () => Promise.resolve({ loss: { shape: [], data: Float32Array.of(loss) } }),
      {
        macs: 1,
        read: () => Promise.resolve({}),
        dispose: () => {
          disposed++;
          return Promise.resolve();
        },
      },
    );
    const broken: Engine = {
      ...{ kind: 'onnx', reason: 'test', sharesWeights: false },
      compile: () => Promise.resolve(step),
    };
    const training = trainClassifier(broken, halves, options());
    await expect(training).rejects.toThrow(UserError);
    await expect(training).rejects.toThrow(`its loss became ${loss} in step 1 of 40`);
    expect(disposed).toBe(1);
  });
});

describe('classify', () => {
  it('takes any number of images and gives each its class, whatever is beside it', async () => {
    const { x } = await examples(held, 0, 1100);
    const all = await classifier.classify(x);
    expect(all).toHaveLength(1100);
    expect(await classifier.classify(x.subarray(0, 784))).toEqual(all.subarray(0, 1));
    expect(await classifier.classify(x.subarray(511 * 784, 514 * 784))).toEqual(all.subarray(511, 514));
    expect(await classifier.classify(new Float32Array(0))).toHaveLength(0);
  });
  it('goes by the probabilities that it sees, which sum to 1', async () => {
    const { x } = await examples(held, 0, 300);
    const { probabilities } = await classifier.see(x);
    const rows = Array.from({ length: 300 }, (_, i) => [...probabilities.subarray(10 * i, 10 * i + 10)]);
    for (const row of rows) expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
    const best = rows.map((row) => row.indexOf(Math.max(...row)));
    expect([...(await classifier.classify(x))]).toEqual(best);
  });
  it('refuses images of another size', async () => {
    const classes = classifier.classify(new Float32Array(27 * 28));
    await expect(classes).rejects.toThrow(UserError);
    await expect(classes).rejects.toThrow('got 756 numbers, expected images of 1 x 28 x 28 = 784');
  });
  it('refuses an image that is not made of numbers, and says which', async () => {
    const images = new Float32Array(3 * 784);
    images[2 * 784 + 5] = NaN;
    const classes = classifier.classify(images);
    await expect(classes).rejects.toThrow(UserError);
    await expect(classes).rejects.toThrow('image 2 holds NaN');
  });
});

describe('agreement', () => {
  it('is the share of images in the class of their label', async () => {
    const { x } = await examples(held, 0, 8);
    const found = await classifier.classify(x);
    const labels = found.map((label, i) => (i < 6 ? label : (label + 1) % 10));
    expect(await agreement(classifier, x, found)).toBe(1);
    expect(await agreement(classifier, x, labels)).toBe(0.75);
  });
  it.each([
    ['fewer labels than images', 2, [1], 'got 2 images and 1 labels'],
    ['more labels than images', 1, [1, 2], 'got 1 images and 2 labels'],
    ['no images', 0, [], 'at least one image'],
    ['a label that is no class', 2, [1, 10], 'label 10 of image 1 is no class'],
    ['a negative label', 1, [-1], 'label -1 of image 0 is no class'],
  ])('refuses %s', async (_, count, labels, reason) => {
    const share = agreement(classifier, new Float32Array(count * 784), Int32Array.from(labels));
    await expect(share).rejects.toThrow(UserError);
    await expect(share).rejects.toThrow(reason);
  });
});

describe('accuracyOn', () => {
  it('measures the first images alone when a count is given', async () => {
    const { x, y } = await examples(held, 0, 100);
    expect(await accuracyOn(classifier, held, 100)).toBe(await agreement(classifier, x, y));
    await expect(accuracyOn(classifier, held, 1101)).rejects.toThrow(UserError);
  });
  it('refuses a data set of other images, also where the numbers could be cut anew', async () => {
    // 400 images of 14 x 14 hold as many numbers as 100 of 28 x 28.
    const other = { ...held, imageSize: 14, count: 400 };
    const share = accuracyOn(classifier, other);
    await expect(share).rejects.toThrow(UserError);
    await expect(share).rejects.toThrow('images are 1 x 14 x 14, the classifier takes 1 x 28 x 28');
  });
});
