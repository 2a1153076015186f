import { describe, expect, it } from '@jest/globals';
import type { HostTensors, Shapes } from '../../src/engine/tensors.js';
import { checkedPlans, headPlan } from '../../src/exits/heads.js';
import { gatheredGroups } from '../../src/training/exitGroups.js';
import { exitsInputs, exitsStep } from '../../src/training/exitsStep.js';
import { loraLayers, loraShapes, loraStart, merged, withFactors } from '../../src/training/lora.js';
import { part } from '../../src/training/state.js';
import {
  feedsFor,
  livelyWeights,
  moved,
  movedNames,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const all = livelyWeights();
const options = { rank: 2, alpha: 6 };
const names = loraLayers(all);
const shapes: Shapes = Object.fromEntries(names.map((name) => [name, all[name]?.shape ?? []]));
const exits = new Float32Array(spec.timeSteps).fill(3).fill(1, 50);
const plans = checkedPlans(spec, [headPlan('shared', 1)]);
const batch = 6;

function trainingOf(factors: HostTensors, frozen: HostTensors = all): Training {
  return {
    step: exitsStep(
      spec,
      plans,
      gatheredGroups(exits, batch),
      (weights, trained) => ({
        ...weights,
        ...withFactors(Object.fromEntries(names.map((name) => [name, weights[name]!])), trained, options),
      }),
      steady,
    ),
    inputs: exitsInputs(spec, batch),
    ...{ weights: factors, frozen },
  };
}

const feeds = [0, 1, 2].map((index) => {
  const fed = feedsFor(spec, batch, index);
  return { ...fed, exit: (fed['t'] as Float32Array).map((t) => exits[t] ?? NaN) };
});

describe('low-rank additions', () => {
  it('go to attention and the MLP of every block', () => {
    expect(names).toEqual(
      [0, 1, 2].flatMap((k) =>
        ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'].map((layer) => `blocks.${k}.${layer}.weight`),
      ),
    );
    expect(loraShapes({ 'blocks.0.attn.qkv.weight': [48, 16] }, options)).toEqual({
      'lora.blocks.0.attn.qkv.weight.down': [2, 16],
      'lora.blocks.0.attn.qkv.weight.up': [48, 2],
    });
  });

  it('add alpha / rank times the product of their factors', () => {
    const factors = {
      'lora.a.up': { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      'lora.a.down': { shape: [2, 3], data: Float32Array.of(1, 0, -1, 0.5, 2, 0) },
    };
    const weight = { shape: [2, 3], data: Float32Array.of(10, 20, 30, 40, 50, 60) };
    expect([...merged('a', weight, factors, options).data]).toEqual([16, 32, 27, 55, 74, 51]);
  });

  it('leave the backbone as it is before the first step', async () => {
    const begun = await runSteps(onnx, trainingOf(loraStart(shapes, options, 1)), feeds.slice(0, 1));
    const plain: Training = {
      ...trainingOf({}),
      step: exitsStep(
        spec,
        plans,
        gatheredGroups(exits, batch),
        (frozen, trained) => ({ ...frozen, ...trained }),
        steady,
      ),
      weights: { 'final_layer.linear.bias': all['final_layer.linear.bias']! },
    };
    const whole = await runSteps(onnx, plain, feeds.slice(0, 1));
    expect(begun.results[0]?.['loss']).toBeCloseTo(whole.results[0]?.['loss'] ?? NaN, 6);
  });

  it('are all that moves, and once merged are the same backbone', async () => {
    const start = moved(loraStart(shapes, options, 1), 0.05);
    const training = trainingOf(start);
    const trained = await runSteps(onnx, training, feeds);
    expect(movedNames(trained, start)).toHaveLength(1 + 4 * 2 * names.length);
    const factors = part(trained.state, 'w');
    const again = await runSteps(onnx, trainingOf(factors), feeds.slice(0, 1));
    const zero = loraStart(shapes, options, 1);
    const mergedAll = {
      ...all,
      ...Object.fromEntries(names.map((name) => [name, merged(name, all[name]!, factors, options)])),
    };
    const once = await runSteps(onnx, trainingOf(zero, mergedAll), feeds.slice(0, 1));
    expect(once.results[0]?.['loss']).toBeCloseTo(again.results[0]?.['loss'] ?? NaN, 6);
    expect(once.results[0]?.['loss']).not.toBeCloseTo(
      (await runSteps(onnx, trainingOf(zero), feeds.slice(0, 1))).results[0]?.['loss'] ?? NaN,
      4,
    );
  });
});
