import { describe, expect, it } from '@jest/globals';
import { multiHeadAttention } from '../../src/backbones/attention.js';
import { geluTanh, linear } from '../../src/backbones/layers.js';
import type { Step, Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import type { FrozenWeights } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import { quantise } from '../../src/exits/precision.js';
import { stream } from '../../src/random.js';
import { fuse } from '../../src/trace/fuse.js';
import { trace } from '../../src/trace/trace.js';

const [tokens, width, heads] = [5, 8, 2];
const normals = (name: string, ...shape: number[]) => ({
  shape,
  data: stream(0, name).normals(shape.reduce((a, b) => a * b, 1)),
});
const weights = {
  qkv: normals('qkv', 3 * width, width),
  'qkv.bias': normals('qkv.bias', 3 * width),
  wide: normals('wide', 2 * width, width),
  'wide.bias': normals('wide.bias', 2 * width),
};
const rounded: FrozenWeights = { ...weights, qkv: quantise(weights.qkv), wide: quantise(weights.wide) };
const batch = { x: { shape: ['batch', tokens, width] } } as const;

/** Self-attention, then a layer and its GELU: what a transformer block is made of. */
function model(x: tf.Tensor, given: Tensors): tf.Tensor {
  const layer = (name: string) => ({ weight: given[name]!, bias: given[`${name}.bias`]! });
  const [q, k, v] = tf.split<tf.Tensor3D>(linear(x as tf.Tensor3D, layer('qkv')), 3, -1);
  return geluTanh(linear(multiHeadAttention(q!, k!, v!, heads), layer('wide')));
}
const frozen: Step = (_state, { x }, given) => ({ state: {}, out: { y: model(x!, given) } });
const trained: Step = (given, { x }) => {
  const names = Object.keys(given);
  const named = (all: tf.Tensor[]) => Object.fromEntries(all.map((w, i) => [names[i]!, w]));
  const { value, grads } = tf.valueAndGrads((...all) => tf.sum(model(x!, named(all))))(Object.values(given));
  return {
    state: Object.fromEntries(names.map((name, i) => [name, tf.sub(given[name]!, grads[i]!)])),
    out: { y: value },
  };
};

function operators(step: Step, trainable: boolean, repacks = true, given: FrozenWeights = weights) {
  const parts = trainable ? { state: weights, frozen: {} } : { state: {}, frozen: given };
  const { graph } = trace(step, { batch, ...parts });
  const before = { outputs: graph.outputs.map(({ name }) => name), macs: graph.macsPerSample() };
  fuse(graph, { repacks });
  expect({ outputs: graph.outputs.map(({ name }) => name), macs: graph.macsPerSample() }).toEqual(before);
  return graph.live().map(({ op }) => op);
}

describe('fuse', () => {
  it('does a frozen self-attention in one operator, and adds a bias where its GELU reads it', () => {
    const found = operators(frozen, false);
    expect(found).toEqual(expect.arrayContaining(['Attention', 'FastGelu']));
    for (const gone of ['MultiHeadAttention', 'Split', 'Gelu']) expect(found).not.toContain(gone);
  });
  it('leaves what a backward pass reads', () => {
    const found = operators(trained, true);
    for (const absent of ['Attention', 'FastGelu']) expect(found).not.toContain(absent);
  });
  it('keeps weights where they lie if a session may not hold its own', () => {
    const found = operators(frozen, false, false);
    expect(found).toEqual(expect.arrayContaining(['MultiHeadAttention', 'FastGelu']));
    expect(found).not.toContain('Transpose');
  });
  it('adds the biases of products in 8 bits where attention and GELU read them', () => {
    for (const repacks of [true, false]) {
      const found = operators(frozen, false, repacks, rounded);
      expect(found).toEqual(expect.arrayContaining(['MultiHeadAttention', 'FastGelu']));
      for (const gone of ['Add', 'Gelu']) expect(found).not.toContain(gone);
    }
  });
  it('changes no number of products in 8 bits', async () => {
    // A result in between keeps the biases where they are.
    const watched: Step = (_state, { x }, given) => {
      const layer = (name: string) => ({ weight: given[name]!, bias: given[`${name}.bias`]! });
      const whole = linear(x as tf.Tensor3D, layer('qkv'));
      const [q, k, v] = tf.split<tf.Tensor3D>(whole, 3, -1);
      const wide = linear(multiHeadAttention(q!, k!, v!, heads), layer('wide'));
      return { state: {}, out: { y: geluTanh(wide), whole, wide } };
    };
    const x = stream(9, 'x').normals(2 * tokens * width);
    const engine = onnxEngine({ threads: 1, reason: 'test' });
    const found = [];
    for (const step of [frozen, watched]) {
      const compiled = await engine.compile(step, { batch, state: {}, frozen: rounded });
      found.push((await compiled({ x }))['y']!.data);
      await compiled.dispose();
    }
    expect(found[0]).toBeAllClose(found[1]!, 1e-5);
  });
  it('sums squares in one operator, unless somebody else reads them', () => {
    const sums: Step = (_state, { x }) => {
      const squares = tf.square(tf.exp(x!));
      return { state: {}, out: { alone: tf.sum(tf.square(x!)), kept: tf.sum(squares), squares } };
    };
    expect(operators(sums, false).filter((op) => op.startsWith('ReduceSum'))).toEqual([
      'ReduceSumSquare',
      'ReduceSum',
    ]);
  });
  it('changes no number', async () => {
    await tf.setBackend('cpu');
    const step = await onnxEngine({ threads: 1, reason: 'test' }).compile(frozen, {
      ...{ batch, state: {}, frozen: weights },
    });
    for (const samples of [1, 3]) {
      const x = stream(samples, 'x').normals(samples * tokens * width);
      const { y } = await step({ x });
      const expected = tf.tidy(() =>
        model(
          tf.tensor3d(x, [samples, tokens, width]),
          Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, tf.tensor(w.data, w.shape)])),
        ).dataSync<'float32'>(),
      );
      expect(y?.data).toBeAllClose(expected, 2e-5);
    }
    await step.dispose();
  });
});
