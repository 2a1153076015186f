// Do the heads of a backbone family learn? What training them must do, whatever the family.
import { expect, it } from '@jest/globals';
import type { BackboneSpec, Query } from '../../src/backbones/backbone.js';
import { exitsForHeads, familyOf } from '../../src/backbones/families.js';
import { initialWeights } from '../../src/backbones/init.js';
import type { Feeds } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import {
  headKinds,
  headPlan,
  initialHeads,
  remembers,
  runHead,
  type HeadPlan,
} from '../../src/exits/heads.js';
import { runAll, runTo } from '../../src/exits/run.js';
import { uploadAll } from '../fixtures.js';
import {
  eager,
  expectSame,
  headsFeeds,
  headsTraining,
  moved,
  movedNames,
  onnx,
  runSteps,
  steady,
  type Training,
} from './tiny.js';

const loss = { denoising: 1, distillation: 0.7, exitWeights: [0.5, 1, 2] };

/**
 * Declares the tests.
 * @param plans three heads of different kinds
 * @param queryOf two samples on the current backend, of which x may be that of the feeds
 */
export function learnsHeads(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  queryOf: (feeds: Feeds) => Query,
): void {
  const frozen = moved(initialWeights(spec, 1), 0.1);
  const start = initialHeads(spec, plans, frozen, 1);
  const training: Training = {
    ...headsTraining(spec, plans, loss, steady),
    frozen,
    weights: moved(start, 0.02),
  };
  const feeds = [3, 2].map((batch, index) => headsFeeds(spec, loss, batch, index));
  const query = (): Query => queryOf(feeds[1] ?? {});

  it('moves every weight of every kind, compiled as it does eagerly', async () => {
    const compiled = await runSteps(onnx, training, feeds);
    expectSame(compiled, await runSteps(eager, training, feeds), 5e-6);
    const names = Object.keys(training.weights).flatMap((name) =>
      ['w', 'm', 'v', 'ema'].map((of) => `${of}.${name}`),
    );
    expect(movedNames(compiled, training.weights).toSorted()).toEqual([...names, 'step'].toSorted());
  });

  it('brings every head nearer to a batch that it sees again and again', async () => {
    const again = Array.from({ length: 40 }, () => ({ ...headsFeeds(spec, loss, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, { ...training, weights: start }, again);
    for (const { exit } of plans)
      expect(results.at(-1)?.[`exit/${exit}`]).toBeLessThan(0.8 * (results[0]?.[`exit/${exit}`] ?? NaN));
  });

  it.each(headKinds)('starts those of kind %s exactly as the shared exit, or as caching', (kind) => {
    tf.tidy(() => {
      const backbone = familyOf(spec).bind(spec, uploadAll(frozen));
      for (const exit of exitsForHeads(spec)) {
        const plan = headPlan(kind, exit, { bottleneck: 8, rank: 2 });
        let state = backbone.embed(query());
        for (let k = 1; k <= exit; k++) state = backbone.block(state, k);
        const left = backbone.leave(state, exit);
        const residual = tf.randomNormal<tf.Rank.R3>(left.hidden.shape, 0, 1, 'float32', 2);
        const [b] = residual.shape;
        const memory = { residual, t: tf.fill<tf.Rank.R1>([b], 30), tFull: tf.fill<tf.Rank.R1>([b], 50) };
        const own = runHead(backbone, plan, uploadAll(initialHeads(spec, [plan], frozen, 1)), state, memory);
        const hidden = remembers(kind) ? tf.add<tf.Tensor3D>(left.hidden, residual) : left.hidden;
        expect(own.dataSync()).toEqual(backbone.finish({ ...left, hidden }).dataSync());
      }
    });
  });

  it('runs all exits in one pass as it runs each alone', () => {
    tf.tidy(() => {
      const backbone = familyOf(spec).bind(spec, uploadAll(frozen));
      const heads = { plans: plans, weights: uploadAll(training.weights) };
      for (const { exit, prediction } of runAll(backbone, heads, query()))
        expect(runTo(backbone, heads, query(), exit).dataSync()).toEqual(prediction.dataSync());
    });
  });
}
