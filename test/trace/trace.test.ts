import { describe, expect, it } from '@jest/globals';
import { fromBinary } from '@bufbuild/protobuf';
import type { Step } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { ModelProtoSchema } from '../../src/trace/gen/onnx_pb.js';
import { writeOnnx } from '../../src/trace/onnx.js';
import { macsOf, trace, type TraceOptions } from '../../src/trace/trace.js';

const options: TraceOptions = { state: {}, batch: { x: { shape: ['batch', 4] } }, frozen: {} };
const out = (f: (x: tf.Tensor) => tf.Tensor): Step => {
  return (_state, { x }) => ({ state: {}, out: { y: f(x!) } });
};
const operators = (step: Step, of: TraceOptions = options): string[] =>
  (fromBinary(ModelProtoSchema, writeOnnx(trace(step, of).graph).model).graph?.node ?? []).map(
    (n) => n.opType,
  );

describe('trace', () => {
  it('refuses a step that hides the batch size in a factor', () => {
    expect(() =>
      trace(
        out((x) => tf.mul(x, 1 / x.shape[0])),
        options,
      ),
    ).toThrow('depends on the batch size');
  });
  it('refuses a step that takes half of the samples', () => {
    expect(() =>
      trace(
        out((x) => tf.slice(x, [0, 0], [Math.floor(x.shape[0] / 2), 4])),
        options,
      ),
    ).toThrow('depends on the batch size');
  });
  it('refuses a step with a random constant', () => {
    expect(() =>
      trace(
        out((x) => tf.add(x, tf.randomNormal([4]))),
        options,
      ),
    ).toThrow('depends on the batch size');
  });
  it("refuses a step that reads a tensor's value", () => {
    expect(() =>
      trace(
        out((x) => (x.dataSync()[0]! > 0 ? x : tf.neg(x))),
        options,
      ),
    ).toThrow("may not depend on a tensor's value");
  });
  it('divides a mean over the batch by the batch size of the call', () => {
    expect(operators(out((x) => tf.div(tf.sum(x), x.shape[0])))).toContain('Shape');
  });
  it('drops what no output needs, and operations that change nothing', () => {
    const step = out((x) => {
      tf.exp(x);
      return tf.relu(tf.reshape(tf.reshape(tf.add(tf.mul(x, 1), 0), [-1, 2, 2]), [-1, 4]));
    });
    expect(operators(step)).toEqual(['Relu']);
  });
  it('keeps tensors and backend as they were', async () => {
    await tf.setBackend('cpu');
    await expect(() => trace(out(tf.relu), options)).toKeepTensorCount();
    expect(tf.getBackend()).toBe('cpu');
  });
  it('demands every entry of the state back, in its shape', () => {
    const state = { w: { shape: [4] } };
    expect(() => trace(out(tf.relu), { ...options, state })).toThrow("does not return its state 'w'");
    const grows: Step = ({ w }) => ({ state: { w: tf.tile(w!, [2]) }, out: {} });
    expect(() => trace(grows, { ...options, state })).toThrow('is [4] and would become [8]');
  });
  it('counts the multiply-adds of a product once per sample', () => {
    const frozen = { w: { shape: [5, 4], data: new Float32Array(20) } };
    const step: Step = (_state, { x }, { w }) => ({
      state: {},
      out: { y: tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true) },
    });
    expect(macsOf(step, { ...options, frozen })).toBe(20);
  });
  it('knows its batch though a dimension of the model is a multiple of a common prime', () => {
    const wide: TraceOptions = { ...options, batch: { x: { shape: ['batch', 61 * 53] } } };
    expect(operators(out(tf.relu), wide)).toEqual(['Relu']);
  });
});
