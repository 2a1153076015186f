import { describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { epsilonFrom, mixtureOf, type PredictionKind } from '../../src/diffusion/prediction.js';
import type { Feeds } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { headPlan, initialHeads } from '../../src/exits/heads.js';
import { features, residualsOf, runHeads, type Features } from '../../src/exits/run.js';
import { stream } from '../../src/random.js';
import { ddimStep } from '../../src/samplers/ddim.js';
import { headsInputs, headsStep, targetsOf } from '../../src/training/headsStep.js';
import { pairFeeds, type PairKind } from '../../src/training/pairs.js';
import { mixtureFeeds } from '../../src/training/target.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import {
  eager,
  expectSame,
  headsFeeds,
  livelyWeights,
  moved,
  movedNames,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const scheduleOf = (prediction: PredictionKind) =>
  diffusion({ ...ddpmBetas, steps: spec.timeSteps, prediction });
const { alphasCumprod } = scheduleOf('epsilon');
/** What heads are trained on. */
interface Kind {
  readonly pairs: PairKind;
  readonly prediction: PredictionKind;
}
const plans = [1, 2].map((exit) => headPlan('memory', exit, { bottleneck: 4 }));
const loss = { denoising: 1, distillation: 0.7, exitWeights: [0.5, 1] };
const frozen = livelyWeights();
const start = initialHeads(spec, plans, frozen, 1);
const training = ({ pairs, prediction }: Kind, weights: HostTensors): Training => ({
  step: headsStep({ ...spec, prediction }, plans, targetsOf(loss), steady, pairs),
  inputs: headsInputs({ ...spec, prediction }, plans, targetsOf(loss), pairs),
  ...{ weights, frozen },
});
function feedsOf({ pairs, prediction }: Kind, batch: number, index: number): Feeds {
  const fed = headsFeeds(spec, loss, batch, index);
  const { x: clean, noise, t } = fed as Readonly<Record<string, Float32Array>>;
  if (!clean || !noise || !t) throw new Error('feeds of a training step');
  const before = pairFeeds(
    { steps: 10, every: 3, pairs, ages: 'whole' },
    scheduleOf(prediction),
    { clean, noise, t },
    stream(index, 'ages'),
  );
  return { ...fed, ...before, ...mixtureFeeds(scheduleOf(prediction), t) };
}

/** Losses of both heads, from the passes and DDIM as samplers know them. */
async function expectedLosses(kind: Kind, weights: HostTensors, fed: Feeds): Promise<number[]> {
  const { pairs, prediction } = kind;
  await tf.setBackend('wasm');
  const { x, noise, t, tFull, xFull, lambda, lambdaFull } = fed as Readonly<Record<string, Float32Array>>;
  const y = fed['y'] as Int32Array;
  if (!x || !noise || !t || !tFull || !xFull || !lambda || !lambdaFull) throw new Error('feeds of pairs');
  const [batch, size] = [t.length, x.length / t.length];
  return tf.tidy(() => {
    const backbone = familyOf(spec).bind(spec, uploadAll(frozen));
    const seen = (at: Float32Array, times: Float32Array): Features =>
      features(
        backbone,
        labelQuery(
          tf.tensor4d(at, [batch, spec.channels, spec.imageSize, spec.imageSize]),
          tf.tensor1d(times),
          tf.tensor1d(y, 'int32'),
        ),
        [1, 2],
      );
    const before = seen(xFull, tFull);
    const predicted = before.full.dataSync<'float32'>();
    const alphaOf = (at: number | undefined): number => alphasCumprod[at ?? NaN] ?? NaN;
    const at = new Float32Array(x.length);
    const targets = new Float32Array(x.length);
    for (let i = 0; i < batch; i++) {
      const own = (of: ArrayLike<number>): Float32Array =>
        Float32Array.from(of).slice(i * size, (i + 1) * size);
      const [alpha, alphaNext] = [alphaOf(tFull[i]), alphaOf(t[i])];
      const next = ddimStep(
        {
          epsilon: epsilonFrom(prediction, own(xFull), own(predicted), alpha),
          ...{ x: own(xFull), variance: undefined, alpha, alphaNext, clip: false },
          noise: () => new Float32Array(),
        },
        0,
      );
      const clean = own(xFull).map(
        (value, p) => (value - Math.sqrt(1 - alpha) * (own(noise)[p] ?? NaN)) / Math.sqrt(alpha),
      );
      const mixture = mixtureOf(prediction, alphaNext);
      const state = pairs === 'solver' ? next : own(x);
      at.set(state, i * size);
      const noiseOf = next.map(
        (value, p) => (value - Math.sqrt(alphaNext) * (clean[p] ?? NaN)) / Math.sqrt(1 - alphaNext),
      );
      const inState = pairs === 'solver' ? noiseOf : own(noise);
      targets.set(
        inState.map((value, p) => mixture.x * (state[p] ?? NaN) + mixture.noise * value),
        i * size,
      );
    }
    const now = seen(at, t);
    const remembered = {
      residuals: residualsOf(backbone, before),
      ...{ t: tf.tensor1d(t), tFull: tf.tensor1d(tFull) },
    };
    const full = now.full.dataSync();
    return runHeads(backbone, { plans, weights: uploadAll(weights) }, now.states, remembered).map(
      ({ prediction }) => {
        let sum = 0;
        prediction.dataSync().forEach((value, p) => {
          const i = Math.floor(p / size);
          sum += (lambda[i] ?? NaN) * (value - (targets[p] ?? NaN)) ** 2;
          sum += (lambdaFull[i] ?? NaN) * (value - (full[p] ?? NaN)) ** 2;
        });
        return sum / (batch * size);
      },
    );
  });
}

describe.each<Kind>([
  { pairs: 'noise', prediction: 'epsilon' },
  { pairs: 'solver', prediction: 'epsilon' },
  { pairs: 'solver', prediction: 'v' },
])('training memory heads on $pairs pairs of $prediction', (kind) => {
  it('moves every weight, compiled as it does eagerly, at any batch', async () => {
    const feeds = [3, 2].map((batch, index) => feedsOf(kind, batch, index));
    const weights = moved(start, 0.05);
    const compiled = await runSteps(onnx, training(kind, weights), feeds);
    expectSame(compiled, await runSteps(eager, training(kind, weights), feeds), 5e-6);
    const names = Object.keys(weights).flatMap((name) => ['w', 'm', 'v', 'ema'].map((of) => `${of}.${name}`));
    expect(movedNames(compiled, weights).toSorted()).toEqual([...names, 'step'].toSorted());
  });

  it('compares what heads make of the state and of what the full-depth step before left', async () => {
    const weights = moved(start, 0.05);
    const fed = feedsOf(kind, 3, 0);
    const { results } = await runSteps(onnx, training(kind, weights), [fed]);
    const expected = await expectedLosses(kind, weights, fed);
    expect([results[0]?.['exit/1'], results[0]?.['exit/2']]).toBeAllClose(expected, 2e-4);
  });

  it('brings them nearer than caching comes without training', async () => {
    const again = Array.from({ length: 40 }, () => ({ ...feedsOf(kind, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, training(kind, start), again);
    // The first loss is that of caching.
    for (const exit of ['exit/1', 'exit/2'])
      expect(results.at(-1)?.[exit]).toBeLessThan(0.8 * (results[0]?.[exit] ?? NaN));
  });
});
