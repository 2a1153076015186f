import { beforeAll, describe, expect, it } from '@jest/globals';
import { exitsForHeads } from '../../src/backbones/families.js';
import { initialWeights } from '../../src/backbones/init.js';
import { pixart } from '../../src/backbones/pixart.js';
import { pixartSpec } from '../../src/backbones/pixartSpec.js';
import { tf } from '../../src/engine/tf.js';
import { headKinds, initialHeads, runHead, type HeadPlan } from '../../src/exits/heads.js';
import { queryOf } from '../../src/exits/model.js';
import { runAll, runTo } from '../../src/exits/run.js';
import { headsStep } from '../../src/training/headsStep.js';
import { uploadAll } from '../fixtures.js';
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

/** Of latents with learned variance. */
const spec = pixartSpec({
  ...{
    num_layers: 4,
    num_attention_heads: 2,
    attention_head_dim: 8,
    cross_attention_dim: 16,
    time_steps: 100,
  },
  ...{
    in_channels: 2,
    out_channels: 4,
    sample_size: 8,
    patch_size: 4,
    caption_channels: 6,
    caption_tokens: 3,
  },
});
const threeKinds: readonly HeadPlan[] = [
  { kind: 'block', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'linear', exit: 3 },
];
const loss = { distillation: 0.7, exitWeights: [0.5, 1, 2] };

beforeAll(() => tf.setBackend('wasm'));

describe('training heads of a PixArt', () => {
  const frozen = moved(initialWeights(spec, 1), 0.1);
  const start = initialHeads(spec, threeKinds, frozen, 1);
  const training: Training = {
    ...{ of: spec, frozen },
    step: headsStep(spec, threeKinds, loss, steady),
    weights: moved(start, 0.02),
  };
  const feeds = [3, 2].map((batch, index) => feedsFor(spec, batch, index));
  const query = () => {
    const { x, t, caption, captionMask } = feeds[1] as Record<string, Float32Array>;
    return queryOf(
      {
        x: tf.tensor4d(x!, [2, 2, 8, 8]),
        t: tf.tensor1d(t!),
        caption: tf.tensor3d(caption!, [2, 3, 6]),
        captionMask: tf.tensor2d(captionMask!, [2, 3]),
      },
      spec,
    );
  };

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
    for (const { exit } of threeKinds)
      expect(results.at(-1)?.[`exit/${exit}`]).toBeLessThan(0.8 * (results[0]?.[`exit/${exit}`] ?? NaN));
  });

  it.each(headKinds)('starts those of kind %s exactly as the shared exit', (kind) => {
    tf.tidy(() => {
      const backbone = pixart.bind(spec, uploadAll(frozen));
      for (const exit of exitsForHeads(spec)) {
        const plan: HeadPlan = kind === 'adapter' ? { kind, exit, bottleneck: 8 } : { kind, exit };
        let state = backbone.embed(query());
        for (let k = 1; k <= exit; k++) state = backbone.block(state, k);
        const own = runHead(backbone, plan, uploadAll(initialHeads(spec, [plan], frozen, 1)), state);
        expect(own.dataSync()).toEqual(backbone.finish(state).dataSync());
      }
    });
  });

  it('runs all exits in one pass as it runs each alone', () => {
    tf.tidy(() => {
      const backbone = pixart.bind(spec, uploadAll(frozen));
      const heads = { plans: threeKinds, weights: uploadAll(training.weights) };
      for (const { exit, prediction } of runAll(backbone, heads, query()))
        expect(runTo(backbone, heads, query(), exit).dataSync()).toEqual(prediction.dataSync());
    });
  });
});
