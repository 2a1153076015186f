import { beforeAll, describe, expect, it } from '@jest/globals';
import { varianceOf } from '../../src/backbones/channels.js';
import { familyOf } from '../../src/backbones/families.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import type { Feeds } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { runAll } from '../../src/exits/run.js';
import { stream } from '../../src/random.js';
import { lossFeeds, type HeadsLoss } from '../../src/training/headsStep.js';
import { boundTables, variationalBound } from '../../src/training/variance.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import {
  eager,
  expectSame,
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
const process = diffusion({ ...ddpmBetas, steps: 100 });
const backbone = livelyWeights(learned);
const plans: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 4 },
];
const heads = moved(initialHeads(learned, plans, backbone, 1), 0.02);
const learn: HeadsLoss = { denoising: 1, distillation: 0.5, exitWeights: [0.4, 0.6], variance: 'learn' };

const [batch, size] = [4, 64];
const random = stream(4, 'a batch');
const [x0, noise] = [random.normals(batch * size), random.normals(batch * size)];
const t = Float32Array.of(0, 20, 60, 99);
const y = Int32Array.of(0, 1, 2, 3);
const lambda = Float32Array.of(1, 0.5, 2, 0.25);
const x = addNoise(process, x0, noise, t);
const tables = Object.fromEntries(
  Object.entries(boundTables(process)).map(([name, table]) => [name, t.map((at) => table[at] ?? NaN)]),
);
const feedsOf = (loss: HeadsLoss): Feeds => ({
  ...{ x, noise, t, y, lr: 0.01 },
  ...(loss.variance === 'learn' && tables),
  ...lossFeeds(loss, lambda),
});
const training = (loss: HeadsLoss, options = steady) => ({
  ...headsTraining(learned, plans, loss, options),
  ...{ weights: heads, frozen: backbone },
});

/** What every head loses: squared errors of the mean in plain double precision, and the bound by itself. */
function expected(): number[] {
  return tf.tidy(() => {
    const images = (of: Float32Array): tf.Tensor4D => tf.tensor4d(of, [batch, 1, 8, 8]);
    const all = runAll(
      familyOf(learned).bind(learned, uploadAll(backbone)),
      { plans, weights: uploadAll(heads) },
      labelQuery(images(x), tf.tensor1d(t), tf.tensor1d(y, 'int32')),
    ).map(({ prediction }) => prediction);
    const meanOf = (prediction: tf.Tensor4D): Float32Array =>
      tf.slice(prediction, [0, 0, 0, 0], [batch, 1, 8, 8]).dataSync<'float32'>();
    const full = all.at(-1);
    if (!full) throw new Error('a model has an exit');
    return all.slice(0, -1).map((prediction) => {
      const bound = variationalBound(
        {
          ...{ epsilon: images(meanOf(prediction)), variance: varianceOf(prediction, 1) },
          ...{ x: images(x), noise: images(noise) },
        },
        Object.fromEntries(Object.entries(tables).map(([name, values]) => [name, tf.tensor1d(values)])),
      ).dataSync();
      const [mean, fullMean] = [meanOf(prediction), meanOf(full)];
      return t.reduce((sum, _, i) => {
        let [toNoise, toFull] = [0, 0];
        for (let p = i * size; p < (i + 1) * size; p++) {
          toNoise += ((mean[p] ?? NaN) - (noise[p] ?? NaN)) ** 2 / size;
          toFull += ((mean[p] ?? NaN) - (fullMean[p] ?? NaN)) ** 2 / size;
        }
        return sum + ((lambda[i] ?? NaN) * (toNoise + 0.5 * toFull + (bound[i] ?? NaN))) / batch;
      }, 0);
    });
  });
}

beforeAll(() => tf.setBackend('cpu'));

describe('heads that learn their variance', () => {
  it('lose the errors of the mean and the bound, compiled as eagerly', async () => {
    const feeds = [feedsOf(learn), feedsOf(learn)];
    const compiled = await runSteps(onnx, training(learn), feeds);
    expectSame(compiled, await runSteps(eager, training(learn), feeds), 2e-4);
    const [first] = compiled.results;
    const ratios = expected().map((value, k) => (first?.[`exit/${k + 1}`] ?? NaN) / value);
    expect(ratios).toBeAllClose([1, 1], 1e-4);
  });

  it('move the rows that make the mean as if there were no bound', async () => {
    const unclipped = { ...steady, clip: 0 };
    const alone: HeadsLoss = { ...learn, distillation: 0 };
    const { variance: _, ...without } = alone;
    const [bounded, plain] = [
      await runSteps(eager, training(alone, unclipped), [feedsOf(alone)]),
      await runSteps(eager, training(without, unclipped), [feedsOf(without)]),
    ];
    for (const exit of [1, 2]) {
      const name = Object.keys(bounded.state).find(
        (key) => key.startsWith(`m.exits.${exit}.`) && key.endsWith('linear.bias') && !key.includes('adaLN'),
      );
      const [found, expected] = [bounded, plain].map(({ state }) => [...(state[name ?? '']?.data ?? [])]);
      // Within every pixel of a patch the channel of the mean, then that of the variance.
      const ofMean = (_: number, i: number): boolean => i % 2 === 0;
      expect(found?.length).toBe(32);
      expect(found?.filter(ofMean)).toEqual(expected?.filter(ofMean));
      expect(expected?.filter((value, i) => !ofMean(value, i)).every((value) => value === 0)).toBe(true);
      expect(found?.filter((value, i) => !ofMean(value, i)).every((value) => value !== 0)).toBe(true);
    }
  });

  it('come nearer to the bound', async () => {
    const again = Array.from({ length: 30 }, () => ({ ...feedsOf(learn), lr: 0.02 }));
    const { results } = await runSteps(onnx, training(learn), again);
    expect(results.at(-1)?.['loss']).toBeLessThan(0.8 * (results[0]?.['loss'] ?? NaN));
  });
});
