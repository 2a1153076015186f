import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import type { Feeds } from '../../src/engine/engine.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { headShapes, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { exitMacs } from '../../src/exits/model.js';
import { runAll } from '../../src/exits/run.js';
import { outline } from '../../src/trace/trace.js';
import type { HeadsLoss } from '../../src/training/headsStep.js';
import { initialState } from '../../src/training/state.js';
import type { UpdateOptions } from '../../src/training/update.js';
import { fixturePath, uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import { tinyDit, tinySpec, tinyWeights } from '../tiny-dit.js';
import {
  compileTraining,
  eager,
  expectSame,
  headsFeeds,
  headsTraining,
  livelyWeights,
  moved,
  movedNames,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const fourKinds: readonly HeadPlan[] = [
  { kind: 'linear', exit: 1 },
  { kind: 'adapter', exit: 2, bottleneck: 8 },
  { kind: 'block', exit: 4 },
  { kind: 'shared', exit: 5 },
];
const weighed: HeadsLoss = { denoising: 1, distillation: 0.7, exitWeights: [0.5, 1, 2, 0.25] };
/** Heads that no longer are what they began as. */
const trainingOf = (
  of: BackboneSpec,
  frozen: HostTensors,
  { loss = weighed, plans = fourKinds, options = steady }: Varied,
): Training => ({
  ...headsTraining(of, plans, loss, options),
  frozen,
  weights: moved(initialHeads(of, plans, frozen, 1), 0.02),
});
interface Varied {
  readonly loss?: HeadsLoss;
  readonly plans?: readonly HeadPlan[];
  readonly options?: UpdateOptions;
}

/** Of the fixture's backbone. */
const recorded = (varied: Varied = {}): Training => trainingOf(tinySpec, tinyWeights, varied);
/** Of a smaller one, with learned variances too. */
const learned = ditSpec({ ...specJson(spec), in_channels: 2, depth: 6, learn_sigma: true });
const training = (varied: Varied = {}): Training => trainingOf(learned, livelyWeights(learned), varied);
const feedsOf = (loss: HeadsLoss): Feeds[] =>
  [3, 3, 2].map((batch, index) => headsFeeds(learned, loss, batch, index));

/** Losses of every head in plain double precision, from what runAll predicts. */
function expectedLosses(weights: HostTensors, fed: Feeds): number[] {
  const {
    x,
    t,
    y,
    noise,
    lambda,
    lambdaFull = new Float32Array(3),
  } = fed as Readonly<Record<string, Float32Array>>;
  if (!x || !t || !y || !noise || !lambda) throw new Error('these are no feeds of a training step');
  const { channels, outChannels, imageSize } = tinySpec;
  const [batch, plane] = [t.length, imageSize ** 2];
  const predictions = tf.tidy(() =>
    runAll(
      tinyDit(),
      { plans: fourKinds, weights: uploadAll(weights) },
      labelQuery(
        tf.tensor4d(x, [batch, channels, imageSize, imageSize]),
        tf.tensor1d(t),
        tf.tensor1d(y, 'int32'),
      ),
    ).map(({ prediction }) => prediction.dataSync()),
  );
  const full = predictions.at(-1);
  return predictions.slice(0, -1).map((prediction) => {
    let loss = 0;
    for (let i = 0; i < batch; i++) {
      let [toNoise, toFull] = [0, 0];
      for (let c = 0; c < outChannels; c++)
        for (let p = 0; p < plane; p++) {
          const at = (i * outChannels + c) * plane + p;
          const value = prediction[at] ?? NaN;
          toFull += (value - (full?.[at] ?? NaN)) ** 2;
          if (c < channels) toNoise += (value - (noise[(i * channels + c) * plane + p] ?? NaN)) ** 2;
        }
      loss += ((lambda[i] ?? NaN) * toNoise) / (channels * plane) / batch;
      loss += ((lambdaFull[i] ?? NaN) * toFull) / (outChannels * plane) / batch;
    }
    return loss;
  });
}

beforeAll(() => tf.setBackend('cpu'));

describe('a step of training heads', () => {
  it.each<[string, HeadsLoss]>([
    ['with distillation', weighed],
    ['without it', { ...weighed, distillation: 0 }],
    ['as imitation alone', { ...weighed, denoising: 0 }],
  ])('moves all four kinds compiled as it does eagerly, at any batch, %s', async (_, loss) => {
    const feeds = feedsOf(loss);
    const compiled = await runSteps(onnx, training({ loss }), feeds);
    expectSame(compiled, await runSteps(eager, training({ loss }), feeds), 2e-6);
  });

  it('does so too with the usual small eps, where no gradient is zero by nature', async () => {
    const plans = fourKinds.slice(0, 2);
    const loss = { denoising: 1, distillation: 1, exitWeights: [0.5, 0.5] };
    const feeds = feedsOf(loss);
    const usual = training({ plans, loss, options: { ...steady, eps: 1e-8 } });
    expectSame(await runSteps(onnx, usual, feeds), await runSteps(eager, usual, feeds), 1e-5);
  });

  it.each([
    [1, 0.7],
    [1, 0],
    [0, 1],
    [2, 0.25],
  ])(
    'compares the noise, weight %d, with the channels of epsilon and the backbone, weight %d, with all',
    async (denoising, distillation) => {
      const loss = { ...weighed, denoising, distillation };
      const fed = headsFeeds(tinySpec, loss, 3, 0);
      const { weights } = recorded();
      const { results } = await runSteps(onnx, recorded({ loss }), [fed]);
      const expected = expectedLosses(weights, fed);
      const own = fourKinds.map(({ exit }) => results[0]?.[`exit/${exit}`] ?? NaN);
      expect(own).toBeAllClose(expected, 2e-6);
      const together = expected.reduce((sum, value, k) => sum + value * (loss.exitWeights[k] ?? NaN), 0);
      expect(results[0]?.['loss']).toBeCloseTo(together, 5);
    },
  );

  it('moves the heads and nothing else: the file of the backbone keeps its bytes, and its own exit its loss', async () => {
    const path = fixturePath('dit/model.safetensors');
    const before = readFileSync(path);
    const { weights: frozen } = await openBackbone({ path: fixturePath('dit'), weights: 'auto' });
    const names = fourKinds.flatMap((plan) => Object.keys(headShapes(tinySpec, plan)));
    const expected = [
      ...['w', 'm', 'v', 'ema'].flatMap((of) => names.map((name) => `${of}.${name}`)),
      'step',
    ];
    const fed = headsFeeds(tinySpec, weighed, 2, 0);
    for (const engine of [onnx, eager]) {
      const trained = await runSteps(engine, { ...recorded(), frozen }, [fed, fed]);
      expect(Object.keys(trained.state).toSorted()).toEqual(expected.toSorted());
      expect(movedNames(trained, recorded().weights).toSorted()).toEqual(expected.toSorted());
      const [first, second] = trained.results;
      // The shared exit has only frozen weights, the linear one has its own.
      expect(second?.['exit/5']).toBe(first?.['exit/5']);
      expect(second?.['exit/1']).not.toBe(first?.['exit/1']);
    }
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('leaves a head alone that does not count', async () => {
    const loss = { denoising: 1, distillation: 1, exitWeights: [1, 0, 1, 0] };
    const still = training({ loss, options: { ...steady, weightDecay: 0 } });
    const names = movedNames(await runSteps(onnx, still, feedsOf(loss)), still.weights);
    expect(names.filter((name) => name.includes('exits.2.'))).toEqual([]);
    expect(names).toContain('w.exits.1.last.linear.weight');
    expect(names).toContain('w.exits.4.block.mlp.fc1.weight');
  });

  it('has no backward of the backbone: its multiply-adds are one forward pass and what the heads take', async () => {
    const { tokens: n, width: d, patch, outChannels, mlpRatio, depth } = tinySpec;
    const forward = exitMacs({ spec: tinySpec, backbone: tinyWeights, plans: [], heads: {} }, depth);
    // The condition and the hidden state are given: their gradients are never computed. All else is, for weights and
    // inputs, which makes a product three.
    const last = 2 * 2 * d * d + 3 * n * d * patch * patch * outChannels;
    const adapter = 2 * n * d * 8 + 3 * n * d * 8;
    const block = 2 * 6 * d * d + 3 * (n * (4 + 2 * mlpRatio) * d * d + 2 * n * n * d);
    const expected: readonly (readonly [HeadPlan, number])[] = [
      [{ kind: 'linear', exit: 3 }, last],
      [{ kind: 'adapter', exit: 3, bottleneck: 8 }, adapter + last],
      [{ kind: 'block', exit: 3 }, block + last],
    ];
    const loss = { denoising: 1, distillation: 1, exitWeights: [1] };
    for (const [plan, macs] of expected) {
      const compiled = await compileTraining(onnx, recorded({ loss, plans: [plan] }));
      await compiled.dispose();
      expect(compiled.macs).toBe(forward + macs);
      expect(compiled.macs).toBeLessThan(2 * forward);
    }
  });

  it('does not run the blocks after the last head where nothing is distilled from them', async () => {
    const plans: HeadPlan[] = [{ kind: 'linear', exit: 2 }];
    const model = { spec: tinySpec, backbone: tinyWeights, plans, heads: recorded({ plans }).weights };
    const compiled = await compileTraining(
      onnx,
      recorded({ loss: { denoising: 1, distillation: 0, exitWeights: [1] }, plans }),
    );
    await compiled.dispose();
    const { tokens: n, width: d, patch, outChannels } = tinySpec;
    const backward = 2 * d * d + 2 * n * d * patch * patch * outChannels;
    expect(compiled.macs).toBe(exitMacs(model, 2) + backward);
  });

  it('does not even ask for their weights then, on engines that prune nothing', () => {
    const plans: HeadPlan[] = [{ kind: 'linear', exit: 2 }];
    const namesAt = (distillation: number): readonly string[] => {
      const loss = { denoising: 1, distillation, exitWeights: [1] };
      const { step, weights, inputs = {}, frozen } = recorded({ loss, plans });
      return outline(step, { state: initialState(weights), batch: inputs, frozen }).frozen;
    };
    const later = (names: readonly string[]): boolean => names.some((name) => name.startsWith('blocks.2.'));
    expect(later(namesAt(0))).toBe(false);
    expect(later(namesAt(1))).toBe(true);
  });

  it('brings every head nearer to a batch that it sees again and again', async () => {
    const frozen = livelyWeights();
    const plans: HeadPlan[] = [
      { kind: 'linear', exit: 1 },
      { kind: 'block', exit: 2 },
    ];
    const loss = { denoising: 1, distillation: 1, exitWeights: [0.5, 0.5] };
    const again = Array.from({ length: 40 }, () => ({ ...headsFeeds(spec, loss, 4, 0), lr: 0.02 }));
    const weights = initialHeads(spec, plans, frozen, 1);
    const { results } = await runSteps(
      onnx,
      { ...headsTraining(spec, plans, loss, steady), weights, frozen },
      again,
    );
    for (const name of ['exit/1', 'exit/2'])
      expect(results.at(-1)?.[name]).toBeLessThan(0.8 * (results[0]?.[name] ?? NaN));
  });

  it('keeps no tensor of an eager run', async () => {
    await expect(() => runSteps(eager, training(), feedsOf(weighed).slice(1))).toKeepTensorCount();
  });

  it('asks for noise, weights of the samples and a learning rate', () => {
    expect(() => training().step({}, {}, {})).toThrow(
      'a step of training heads needs noise, lambda, lambdaFull, importance and lr',
    );
  });
});
