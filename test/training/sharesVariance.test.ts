import { beforeAll, describe, expect, it } from '@jest/globals';
import { epsilonOf } from '../../src/backbones/channels.js';
import { familyOf } from '../../src/backbones/families.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import type { Feeds } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { queryOf } from '../../src/exits/model.js';
import { features, runHeads } from '../../src/exits/run.js';
import type { HeadsLoss } from '../../src/training/headsStep.js';
import { uploadAll } from '../fixtures.js';
import {
  eager,
  expectSame,
  headsFeeds,
  headsTraining,
  livelyWeights,
  moved,
  onnx,
  runSteps,
  spec,
  steady,
} from './tiny.js';

/** One channel of noise, one of variance. */
const learned = ditSpec({ ...specJson(spec), learn_sigma: true });
const backbone = livelyWeights(learned);
const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1, variance: 'shared' },
  { kind: 'adapter', exit: 2, bottleneck: 4, variance: 'shared' },
];
const heads = moved(initialHeads(learned, plans, backbone, 1), 0.05);
const loss: HeadsLoss = { denoising: 1, distillation: 0.5, exitWeights: [0.4, 0.6], variance: 'share' };
const options = { ...steady, clip: 0 };
const training = { ...headsTraining(learned, plans, loss, options), weights: heads, frozen: backbone };
const batch = 3;

/** Gradients of 1 |mean - noise|^2 + 0.5 |mean - mean of full depth|^2, by heads whose channels are all their own. */
function expectedGradients(feeds: Feeds): Readonly<Record<string, Float32Array>> {
  return tf.tidy(() => {
    const image = (name: string): tf.Tensor4D =>
      tf.tensor4d(feeds[name] as Float32Array, [batch, 1, 8, 8], 'float32');
    const bound = familyOf(learned).bind(learned, uploadAll(backbone));
    const query = queryOf(
      {
        ...{ x: image('x'), t: tf.tensor1d(feeds['t'] as Float32Array) },
        y: tf.tensor1d(feeds['y'] as Int32Array, 'int32'),
      },
      learned,
    );
    const { states, full } = features(bound, query, [1, 2]);
    const lambda = tf.tensor1d(feeds['lambda'] as Float32Array);
    const error = (prediction: tf.Tensor4D, target: tf.Tensor4D): tf.Tensor =>
      tf.mean(
        tf.mul(
          lambda,
          tf.mean(tf.squaredDifference(epsilonOf(prediction, 1), epsilonOf(target, 1)), [1, 2, 3]),
        ),
      );
    const alone = plans.map((plan) => ({ ...plan, variance: undefined }));
    const names = Object.keys(heads);
    const gradients = tf.grads((...given: tf.Tensor[]) => {
      const weights = Object.fromEntries(names.map((name, i) => [name, given[i]!]));
      const each = runHeads(bound, { plans: alone, weights }, states).map(({ prediction }, k) =>
        tf.mul(
          tf.add(error(prediction, image('noise')), tf.mul(error(prediction, full), 0.5)),
          loss.exitWeights[k] ?? NaN,
        ),
      );
      return tf.addN(each);
    })(Object.values(uploadAll(heads)));
    return Object.fromEntries(names.map((name, i) => [name, gradients[i]!.dataSync<'float32'>()]));
  });
}

beforeAll(() => tf.setBackend('cpu'));

describe('heads that share their variance', () => {
  it('learn as by distances of the mean alone, and the rows of a variance have no gradient', async () => {
    const feeds = headsFeeds(learned, loss, batch, 0);
    const { state } = await runSteps(eager, training, [feeds]);
    for (const [name, gradient] of Object.entries(expectedGradients(feeds))) {
      // The first moment of AdamW after one step.
      const found = Float32Array.from(state[`m.${name}`]?.data ?? [], (m) => m / (1 - options.beta1));
      expect(found).toBeAllClose(gradient, 1e-5);
      if (!name.endsWith('last.linear.weight')) continue;
      // Within every pixel of a patch the row of the mean, then that of the variance.
      const width = learned.width;
      const rows = Array.from({ length: 32 }, (_, row) => found.subarray(row * width, (row + 1) * width));
      expect(rows.every((row, i) => row.every((value) => (value === 0) === (i % 2 === 1)))).toBe(true);
    }
  });

  it('do so compiled as eagerly', async () => {
    const feeds = [3, 2].map((count, i) => headsFeeds(learned, loss, count, i));
    expectSame(await runSteps(onnx, training, feeds), await runSteps(eager, training, feeds), 2e-4);
  });
});
