// A one-channel DiT that trains in a second, and what its training steps are fed.
import { expect } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { initialWeights } from '../../src/backbones/init.js';
import { ditSpec } from '../../src/backbones/spec.js';
import type { CompiledStep, CompileOptions, Engine, Feeds, Step } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import type { FrozenWeights, HostTensors } from '../../src/engine/tensors.js';
import type { HeadPlan } from '../../src/exits/heads.js';
import { stream, type Stream } from '../../src/random.js';
import { initialState } from '../../src/training/state.js';
import {
  headsInputs,
  headsStep,
  lossFeeds,
  targetsOf,
  type HeadsLoss,
} from '../../src/training/headsStep.js';
import { trainingInputs } from '../../src/training/pretrainStep.js';
import type { UpdateOptions } from '../../src/training/update.js';

/** Compiled and eager, which must agree. */
export const onnx = onnxEngine({ threads: 1, reason: 'test' });
export const eager = await pickEngine({ kind: 'wasm', threads: 0 });

/** Images of 8 x 8, three blocks, four classes, a hundred diffusion steps. */
export const spec = ditSpec({
  input_size: 8,
  patch_size: 4,
  in_channels: 1,
  hidden_size: 16,
  depth: 3,
  num_heads: 2,
  mlp_ratio: 2,
  num_classes: 4,
  learn_sigma: false,
  time_steps: 100,
});

/** Weights of which none is silent: official ones start with zero gates and a zero last layer. */
export function livelyWeights(of: BackboneSpec = spec, seed = 1): HostTensors {
  return moved(initialWeights(of, seed), 0.1, seed);
}

/** Every weight shifted by normal numbers of that deviation. */
export function moved(weights: HostTensors, deviation: number, seed = 1): HostTensors {
  return Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => {
      const by = stream(seed, `moved/${name}`).normals(data.length);
      return [
        name,
        { shape, data: Float32Array.from(data, (value, i) => value + deviation * (by[i] ?? NaN)) },
      ];
    }),
  );
}

/**
 * AdamW whose eps is far above rounding errors. Some gradients are zero by nature, as that of the bias of attention's
 * keys; with the usual eps of 1e-8 their last bits alone would decide steps of the size of the learning rate.
 */
export const steady: UpdateOptions = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-4,
  weightDecay: 0.01,
  clip: 1,
  ema: 0.9,
};

/** Made-up feeds of a training step; the last label is the null class, all are 0 without classes, captions are noise. */
export function feedsFor(of: BackboneSpec, batch: number, index: number): Feeds {
  const random = stream(index, 'feeds');
  const size = batch * of.channels * of.imageSize ** 2;
  return {
    x: random.normals(size),
    noise: random.normals(size),
    t: Float32Array.from({ length: batch }, () => random.integer(of.timeSteps)),
    ...promptFeeds(of, batch, random),
    lambda: Float32Array.from({ length: batch }, () => 0.5 + random.uniform()),
    lr: 0.01 / (index + 1),
  };
}

function promptFeeds(of: BackboneSpec, batch: number, random: Stream): Record<string, Feeds[string]> {
  switch (of.conditioning) {
    case 'classes': {
      const { classes } = of;
      const label = (i: number): number => (i === batch - 1 ? classes : random.integer(classes));
      return { y: Int32Array.from({ length: batch }, (_, i) => (classes === 0 ? 0 : label(i))) };
    }
    case 'captions': {
      const { captionTokens, captionChannels } = of;
      return {
        caption: random.normals(batch * captionTokens * captionChannels),
        // Of as many tokens as the number of the sample, from 1.
        captionMask: Float32Array.from({ length: batch * captionTokens }, (_, i) =>
          i % captionTokens <= Math.floor(i / captionTokens) ? 1 : 0,
        ),
      };
    }
  }
}

/** What is compiled: a training step, its weights and the frozen part. */
export interface Training {
  readonly step: Step;
  readonly weights: HostTensors;
  readonly frozen: FrozenWeights;
  readonly of?: BackboneSpec;
  /** Those of pretraining, unless given. */
  readonly inputs?: CompileOptions['batch'];
}

/** A step of training heads, and what it takes. */
export function headsTraining(
  of: BackboneSpec,
  plans: readonly HeadPlan[],
  loss: HeadsLoss,
  options: UpdateOptions,
): Pick<Training, 'of' | 'step' | 'inputs'> {
  const targets = targetsOf(loss);
  return { of, step: headsStep(of, plans, targets, options), inputs: headsInputs(of, plans, targets) };
}

/** `feedsFor` a step of training heads: its lambda goes to both distances. */
export function headsFeeds(of: BackboneSpec, loss: HeadsLoss, batch: number, index: number): Feeds {
  const feeds = feedsFor(of, batch, index);
  return { ...feeds, ...lossFeeds(loss, feeds['lambda'] as Float32Array) };
}

export function compileTraining(
  engine: Engine,
  { step, weights, frozen, of = spec, inputs = trainingInputs(of) }: Training,
): Promise<CompiledStep> {
  return engine.compile(step, { state: initialState(weights), batch: inputs, frozen });
}

/** What came of several steps, one after the other. */
export interface Trained {
  /** Results of every step, by name. */
  readonly results: readonly Readonly<Record<string, number>>[];
  readonly state: HostTensors;
  readonly macs: number;
}

export async function runSteps(
  engine: Engine,
  training: Training,
  feeds: readonly Feeds[],
): Promise<Trained> {
  const compiled = await compileTraining(engine, training);
  const results: Record<string, number>[] = [];
  for (const fed of feeds) results.push(scalars(await compiled(fed)));
  const state = await compiled.read();
  await compiled.dispose();
  return { results, state, macs: compiled.macs };
}

function scalars(results: HostTensors): Record<string, number> {
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data[0] ?? NaN]));
}

/** Holds results and every part of the state of two trainings together. */
export function expectSame(actual: Trained, expected: Trained, tolerance: number): void {
  expect(actual.results.map((step) => Object.keys(step))).toEqual(
    expected.results.map((step) => Object.keys(step)),
  );
  actual.results.forEach((step, n) =>
    expect(Object.values(step)).toBeAllClose(Object.values(expected.results[n] ?? {}), tolerance),
  );
  expect(Object.keys(actual.state).toSorted()).toEqual(Object.keys(expected.state).toSorted());
  for (const [name, { data }] of Object.entries(actual.state))
    expect(data).toBeAllClose(expected.state[name]?.data ?? [], tolerance);
  expect(actual.macs).toBe(expected.macs);
}

/** Names of the state that the steps moved. */
export function movedNames({ state }: Trained, weights: HostTensors): string[] {
  return Object.entries(initialState(weights)).flatMap(([name, { data }]) =>
    data.every((value, i) => value === state[name]?.data[i]) ? [] : [name],
  );
}
