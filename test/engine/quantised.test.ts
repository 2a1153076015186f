import { beforeAll, describe, expect, it } from '@jest/globals';
import type { BackboneSpec, State } from '../../src/backbones/backbone.js';
import { epsilonOf } from '../../src/backbones/channels.js';
import { familyOf } from '../../src/backbones/families.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import type { InputSpec, Step } from '../../src/engine/engine.js';
import { pickEngine } from '../../src/engine/pick.js';
import type { FrozenWeights, HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { exitMacs, exitStep, queryInputs, queryOf } from '../../src/exits/model.js';
import { quantise, weightsIn } from '../../src/exits/precision.js';
import { features, runHeads } from '../../src/exits/run.js';
import { stream } from '../../src/random.js';
import { lossesAndGradients } from '../../src/training/gradients.js';
import { weightedError } from '../../src/training/loss.js';
import { trainingInputs } from '../../src/training/pretrainStep.js';
import { initialState, part } from '../../src/training/state.js';
import { update } from '../../src/training/update.js';
import { fixturePath } from '../fixtures.js';
import {
  compileTraining,
  eager,
  feedsFor,
  headsFeeds,
  headsTraining,
  livelyWeights,
  moved,
  onnx,
  spec,
  steady,
} from '../training/tiny.js';

const [rows, inputs, outputs] = [40, 96, 24];
const normals = (name: string, shape: readonly [number, number]) => ({
  shape,
  data: stream(0, name).normals(shape[0] * shape[1]),
});
const weight = normals('weight', [outputs, inputs]);
const bias = { shape: [outputs], data: stream(0, 'bias').normals(outputs) };
/** Rows of very different sizes. */
const x = normals('x', [rows, inputs]).data.map((value, i) => value * 10 ** ((i % 7) - 3));

const linear: Step = (_state, { x }, { weight, bias }) => ({
  state: {},
  out: { y: tf.fused.matMul({ a: x!, b: weight!, transposeB: true, bias: bias! }) },
});

async function run(step: Step, frozen: FrozenWeights, feed: Float32Array, batch?: Record<string, InputSpec>) {
  const compiled = await onnx.compile(step, {
    ...{ state: {}, frozen },
    batch: batch ?? { x: { shape: ['batch', inputs] } },
  });
  const { y } = await compiled({ x: feed });
  await compiled.dispose();
  return { y: y!.data, macs: compiled.macs };
}

/** Root mean square of the difference over that of what is expected. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += ((actual[i] ?? NaN) - (expected[i] ?? NaN)) ** 2;
    size += (expected[i] ?? NaN) ** 2;
  }
  return Math.sqrt(error / size);
}

/** Outputs of the heads' exits, and of the whole backbone. */
const exitsKept = [1, 2];
const featuresStep =
  (of: BackboneSpec): Step =>
  (_state, batch, frozen) => {
    const { states, full } = features(familyOf(of).bind(of, frozen), queryOf(batch, of), exitsKept);
    const hidden = [...states].map(([k, state]) => [`hidden/${k}`, state.hidden] as const);
    const [first] = states.values();
    return { state: {}, out: { full, condition: first!.condition, ...Object.fromEntries(hidden) } };
  };

const backbone = livelyWeights();
let rounded: FrozenWeights;
beforeAll(async () => {
  rounded = await weightsIn(backbone, 'int8');
});

describe('a product with a weight in 8 bits', () => {
  it('is within two percent of the one in floats on every row, however small the row', async () => {
    const exact = await run(linear, { weight, bias }, x);
    const { y, macs } = await run(linear, { weight: quantise(weight), bias }, x);
    const unbiased = (values: ArrayLike<number>, row: number): number[] =>
      Array.from({ length: outputs }, (_, o) => (values[row * outputs + o] ?? NaN) - bias.data[o]!);
    for (let row = 0; row < rows; row++) {
      // Small rows drown in the bias, as they do in floats.
      const size = Math.sqrt(unbiased(exact.y, row).reduce((sum, v) => sum + v * v, 0) / outputs);
      if (size > 1e-2) expect(relativeError(unbiased(y, row), unbiased(exact.y, row))).toBeLessThan(0.02);
    }
    expect(relativeError(y, exact.y)).toBeLessThan(0.012);
    expect(macs).toBe(exact.macs);
    expect(macs).toBe(inputs * outputs);
  });
  it('gives a row the same numbers alone and in a batch', async () => {
    const all = await run(linear, { weight: quantise(weight), bias }, x);
    for (const row of [0, 17, rows - 1]) {
      const alone = await run(
        linear,
        { weight: quantise(weight), bias },
        x.slice(row * inputs, (row + 1) * inputs),
      );
      expect(alone.y).toEqual(all.y.slice(row * outputs, (row + 1) * outputs));
    }
  });
  it('gives rows of zeros the bias', async () => {
    const { y } = await run(linear, { weight: quantise(weight), bias }, new Float32Array(2 * inputs));
    expect(y).toEqual(Float32Array.from([...bias.data, ...bias.data]));
  });
  it('keeps what is not finite', async () => {
    const broken = x.slice(0, inputs);
    broken[3] = Infinity;
    const { y } = await run(linear, { weight: quantise(weight), bias }, broken);
    expect([...y].some(Number.isFinite)).toBe(false);
  });
  it('is all that such a weight can be used for', async () => {
    const otherwise: Step = (_state, { x }, { weight, bias }) => ({
      state: {},
      out: { y: tf.add(tf.mul(tf.sum(weight!), bias!), tf.sum(x!)) },
    });
    const untransposed: Step = (_state, { x }, { weight }) => ({
      state: {},
      out: { y: tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D) },
    });
    await expect(run(otherwise, { weight: quantise(weight), bias }, x)).rejects.toThrow('in 8 bits');
    const square = { weight: quantise(normals('square', [inputs, inputs])) };
    await expect(run(untransposed, square, x)).rejects.toThrow('in 8 bits');
  });
});

describe('engines', () => {
  it('without products in 8 bits refuse and name the one that has them', async () => {
    const compiled = eager.compile(linear, {
      state: {},
      batch: { x: { shape: ['batch', inputs] } },
      frozen: { weight: quantise(weight), bias },
    });
    await expect(compiled).rejects.toThrow(
      /engine wasm has no products in 8 bits.* Take the engine onnx, or/,
    );
    await expect(pickEngine({ kind: 'wasm', threads: 1, frozenPrecision: 'int8' })).rejects.toThrow(
      'engine wasm has no products in 8 bits',
    );
  });
  it('refuse it on other providers than the CPU', async () => {
    await expect(
      pickEngine({ kind: 'onnx', threads: 1, provider: 'webgpu', frozenPrecision: 'int8' }),
    ).rejects.toThrow('engine.provider is webgpu, but only cpu has products in 8 bits');
  });
  it('are picked by what they can do', async () => {
    const { kind, reason } = await pickEngine({ kind: 'auto', threads: 1, frozenPrecision: 'int8' });
    expect([kind, reason]).toEqual(['onnx', 'the one engine with products in 8 bits']);
  });
});

describe('a backbone in 8 bits', () => {
  const { noise: _noise, lambda: _lambda, lr: _lr, ...query } = feedsFor(spec, 5, 0);
  const options = { state: {}, batch: queryInputs(spec) };

  it('predicts nearly what it predicts in floats, every sample for itself', async () => {
    const step = exitStep({ spec, plans: [] }, spec.depth, false);
    const exact = await onnx.compile(step, { ...options, frozen: backbone });
    const near = await onnx.compile(step, { ...options, frozen: rounded });
    const [a, b] = [await exact(query), await near(query)];
    const error = relativeError(b['prediction']!.data, a['prediction']!.data);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(0.03);
    const size = spec.imageSize ** 2;
    const { x, t, y } = query as { x: Float32Array; t: Float32Array; y: Int32Array };
    const alone = await near({ x: x.slice(2 * size, 3 * size), t: t.slice(2, 3), y: y.slice(2, 3) });
    expect(alone['prediction']!.data).toBeAllClose(b['prediction']!.data.slice(2 * size, 3 * size), 1e-5);
    await exact.dispose();
    await near.dispose();
  });
  it('takes as many multiply-adds', () => {
    const model = { spec, plans: [], heads: {} };
    expect(exitMacs({ ...model, backbone: rounded }, spec.depth)).toBe(
      exitMacs({ ...model, backbone }, spec.depth),
    );
  });
  it('is read from a file whose other weights stay there', async () => {
    const opened = await openBackbone({ path: fixturePath('dit'), weights: 'auto' });
    const step = exitStep({ spec: opened.spec, plans: [] }, opened.spec.depth, false);
    const feeds = feedsFor(opened.spec, 2, 1);
    const given = { x: feeds['x']!, t: feeds['t']!, y: feeds['y']! };
    const predictions: (Float32Array | Int32Array)[] = [];
    for (const precision of ['fp32', 'int8'] as const) {
      const frozen = await weightsIn(opened.weights, precision);
      const compiled = await onnx.compile(step, { state: {}, batch: queryInputs(opened.spec), frozen });
      predictions.push((await compiled(given))['prediction']!.data);
      await compiled.dispose();
    }
    expect(relativeError(predictions[1]!, predictions[0]!)).toBeLessThan(0.05);
  });
  it('trains heads with the gradients that its own features give in floats', async () => {
    const plans: readonly HeadPlan[] = [
      { kind: 'adapter', exit: 1, bottleneck: 4 },
      { kind: 'block', exit: 2 },
    ];
    const weights = moved(initialHeads(spec, plans, backbone, 3), 0.05);
    const loss = { denoising: 1, distillation: 0.7, exitWeights: [0.5, 2] };
    const feeds = headsFeeds(spec, loss, 6, 4);

    const whole = await compileTraining(onnx, {
      ...headsTraining(spec, plans, loss, steady),
      ...{ weights, frozen: rounded },
    });
    const results = await whole(feeds);
    const found = await whole.read();

    const kept = await onnx.compile(featuresStep(spec), { ...options, frozen: rounded });
    const of: HostTensors = await kept({ x: feeds['x']!, t: feeds['t']!, y: feeds['y']! });
    const batchOf = (shape: readonly number[]): InputSpec => ({ shape: ['batch', ...shape.slice(1)] });
    const onFeatures: Step = (state, batch, frozen) => {
      const { noise, lambda, lr, condition, full } = batch;
      const states = new Map<number, State>(
        exitsKept.map((k) => [
          k,
          { hidden: batch[`hidden/${k}`] as tf.Tensor3D, condition: condition as tf.Tensor2D },
        ]),
      );
      const bound = familyOf(spec).bind(spec, frozen);
      const importance = tf.tensor1d(loss.exitWeights);
      const { gradients } = lossesAndGradients(part(state, 'w'), importance, (w) => {
        const each = runHeads(bound, { plans, weights: w }, states).map(({ prediction }) =>
          tf.add(
            weightedError(epsilonOf(prediction, spec.channels), noise!, lambda!),
            tf.mul(weightedError(prediction, full as tf.Tensor4D, lambda!), loss.distillation),
          ),
        );
        return tf.stack(each) as tf.Tensor1D;
      });
      const next = update(state, gradients, lr!, steady);
      return { state: next.state, out: { norm: next.norm } };
    };
    const given = Object.fromEntries(Object.entries(of).map(([name, { data }]) => [name, data]));
    const { noise, lambda, lr } = trainingInputs(spec);
    const reference = await eager.compile(onFeatures, {
      state: initialState(weights),
      batch: {
        ...{ noise: noise!, lambda: lambda!, lr: lr! },
        ...Object.fromEntries(Object.entries(of).map(([name, { shape }]) => [name, batchOf(shape)])),
      },
      frozen: backbone,
    });
    const expected = await reference({
      ...{ noise: feeds['noise']!, lambda: feeds['lambda']!, lr: feeds['lr']! },
      ...given,
    });
    expect(results['norm']!.data).toBeAllClose(expected['norm']!.data, 1e-5);
    const state = await reference.read();
    // After one step the first moments are the gradients, times a tenth and the clipping.
    for (const [name, { data }] of Object.entries(state)) expect(found[name]!.data).toBeAllClose(data, 1e-5);
    for (const step of [whole, kept, reference]) await step.dispose();
  });
});
