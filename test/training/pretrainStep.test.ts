import { describe, expect, it } from '@jest/globals';
import { trainable } from '../../src/backbones/init.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { exitMacs } from '../../src/exits/model.js';
import { pretrainStep, trainingInputs } from '../../src/training/pretrainStep.js';
import {
  compileTraining,
  eager,
  expectSame,
  feedsFor,
  livelyWeights,
  movedNames,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const all = livelyWeights();
const moves = new Set(trainable(spec));
const chosen = (keep: (name: string) => boolean): HostTensors =>
  Object.fromEntries(Object.entries(all).filter(([name]) => keep(name)));
const training: Training = {
  step: pretrainStep(spec, steady),
  weights: chosen((name) => moves.has(name)),
  frozen: chosen((name) => !moves.has(name)),
};
const feeds = [3, 3, 5, 2].map((batch, index) => feedsFor(spec, batch, index));

describe('a step of pretraining', () => {
  it('moves losses, norms, weights, moments and averages compiled as it does eagerly, at any batch', async () => {
    const before = structuredClone(training.frozen);
    const compiled = await runSteps(onnx, training, feeds);
    expectSame(compiled, await runSteps(eager, training, feeds), 1e-6);
    expect(training.frozen).toEqual(before);
    expect(compiled.results).toHaveLength(4);
  });

  it('moves every weight but the fixed positions', async () => {
    const trained = await runSteps(onnx, training, feeds);
    const expected = ['w', 'm', 'v', 'ema'].flatMap((part) => [...moves].map((name) => `${part}.${name}`));
    expect(movedNames(trained, training.weights).toSorted()).toEqual([...expected, 'step'].toSorted());
    expect(Object.keys(trained.state).filter((name) => name.includes('pos_embed'))).toEqual([]);
  });

  it('learns a batch that it sees again and again', async () => {
    const again = Array.from({ length: 60 }, () => ({ ...feedsFor(spec, 4, 0), lr: 0.02 }));
    const { results } = await runSteps(onnx, training, again);
    expect(results.at(-1)?.['loss']).toBeLessThan(0.7 * (results[0]?.['loss'] ?? NaN));
  });

  it('takes the multiply-adds of three forward passes, less the gradients that nobody asks for', async () => {
    const compiled = await compileTraining(onnx, training);
    await compiled.dispose();
    const forward = exitMacs({ spec, backbone: all, plans: [], heads: {} }, spec.depth);
    const { tokens, channels, patch, width } = spec;
    // Patches of the image and waves of the time are given: behind them there is nothing to train.
    const given = tokens * channels * patch * patch * width + 256 * width;
    expect(compiled.macs).toBe(3 * forward - given);
  });

  it('keeps no tensor of an eager run', async () => {
    await expect(() => runSteps(eager, training, feeds.slice(0, 2))).toKeepTensorCount();
  });

  it('asks for noise, weights of the samples and a learning rate', () => {
    expect(Object.keys(trainingInputs(spec))).toEqual(['x', 't', 'y', 'noise', 'lambda', 'lr']);
    expect(() => training.step({}, {}, {})).toThrow('a training step needs noise, lambda and lr');
  });
});
