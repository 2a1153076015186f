import { beforeAll, describe, expect, it } from '@jest/globals';
import { exitsForHeads } from '../../src/backbones/families.js';
import { initialWeights } from '../../src/backbones/init.js';
import { uvit } from '../../src/backbones/uvit.js';
import { uvitSpec } from '../../src/backbones/uvitSpec.js';
import { tf } from '../../src/engine/tf.js';
import { headKinds, initialHeads, runHead, type HeadPlan } from '../../src/exits/heads.js';
import { runAll, runTo } from '../../src/exits/run.js';
import { headsStep } from '../../src/training/headsStep.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import {
  eager,
  expectSame,
  feedsFor,
  moved,
  movedNames,
  onnx,
  runSteps,
  steady,
  type Training,
} from './tiny.js';

const common = {
  img_size: 8,
  patch_size: 4,
  in_chans: 2,
  embed_dim: 16,
  depth: 4,
  num_heads: 2,
  time_steps: 100,
};
const specs = [
  ['unconditional, skips joined', uvitSpec(common)],
  ['with classes, left plainly', uvitSpec({ ...common, num_classes: 4, exit_rule: 'plain' })],
] as const;
const fourKinds: readonly HeadPlan[] = [
  { kind: 'block', exit: 2 },
  { kind: 'adapter', exit: 3, bottleneck: 8 },
  { kind: 'linear', exit: 4 },
];
const loss = { distillation: 0.7, exitWeights: [0.5, 1, 2] };

beforeAll(() => tf.setBackend('wasm'));

describe.each(specs)('training heads of a U-ViT, %s', (_, spec) => {
  const frozen = moved(initialWeights(spec, 1), 0.1);
  const start = initialHeads(spec, fourKinds, frozen, 1);
  const training: Training = {
    ...{ of: spec, frozen },
    step: headsStep(spec, fourKinds, loss, steady),
    weights: moved(start, 0.02),
  };
  const feeds = [3, 2].map((batch, index) => feedsFor(spec, batch, index));
  const query = () =>
    labelQuery(
      tf.tensor4d(feeds[1]?.['x'] as Float32Array, [2, 2, 8, 8]),
      tf.tensor1d([3, 77]),
      tf.tensor1d([0, Math.max(0, spec.classes - 1)], 'int32'),
    );

  it('moves every weight of every kind, compiled as it does eagerly', async () => {
    const compiled = await runSteps(onnx, training, feeds);
    expectSame(compiled, await runSteps(eager, training, feeds), 5e-6);
    const names = Object.keys(training.weights).flatMap((name) =>
      ['w', 'm', 'v', 'ema'].map((of) => `${of}.${name}`),
    );
    expect(movedNames(compiled, training.weights).toSorted()).toEqual([...names, 'step'].toSorted());
  });

  it('brings every head nearer to a batch that it sees again and again', async () => {
    const again = Array.from({ length: 40 }, () => ({ ...feedsFor(spec, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, { ...training, weights: start }, again);
    for (const { exit } of fourKinds)
      expect(results.at(-1)?.[`exit/${exit}`]).toBeLessThan(0.8 * (results[0]?.[`exit/${exit}`] ?? NaN));
  });

  it.each(headKinds)('starts those of kind %s exactly as the shared exit', (kind) => {
    tf.tidy(() => {
      const backbone = uvit.bind(spec, uploadAll(frozen));
      for (const exit of exitsForHeads(spec)) {
        const plan: HeadPlan = kind === 'adapter' ? { kind, exit, bottleneck: 8 } : { kind, exit };
        let state = backbone.embed(query());
        for (let k = 1; k <= exit; k++) state = backbone.block(state, k);
        const own = runHead(backbone, plan, uploadAll(initialHeads(spec, [plan], frozen, 1)), state);
        const shared = backbone.finish(backbone.leave(state, exit));
        expect(own.dataSync()).toEqual(shared.dataSync());
      }
    });
  });

  it('runs all exits in one pass as it runs each alone', () => {
    tf.tidy(() => {
      const backbone = uvit.bind(spec, uploadAll(frozen));
      const heads = { plans: fourKinds, weights: uploadAll(training.weights) };
      for (const { exit, prediction } of runAll(backbone, heads, query()))
        expect(runTo(backbone, heads, query(), exit).dataSync()).toEqual(prediction.dataSync());
    });
  });
});
