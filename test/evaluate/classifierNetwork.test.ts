import { describe, expect, it } from '@jest/globals';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import type { Engine } from '../../src/engine/engine.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { tf } from '../../src/engine/tf.js';
import {
  initialNetwork,
  initialTraining,
  logits,
  trainingInputs,
  trainingStep,
} from '../../src/evaluate/classifierNetwork.js';
import { stream } from '../../src/random.js';
import { part } from '../../src/training/state.js';
import { upload, uploadAll } from '../fixtures.js';

const [inputs, classes, batch] = [36, 4, 5];
const onnx = onnxEngine({ threads: 1, reason: 'test' });
const weights = initialNetwork(inputs, classes, 7);
const x = stream(1, 'x').normals(batch * inputs);
/** Smoothed labels 0, 1, 2, 3, 0. */
const target = Float32Array.from({ length: batch * classes }, (_, i) =>
  Math.floor(i / classes) % classes === i % classes ? 0.925 : 0.025,
);

async function oneStep(engine: Engine, images: Float32Array): Promise<{ loss: number; state: HostTensors }> {
  const options = { state: initialTraining(weights), batch: trainingInputs(inputs, classes), frozen: {} };
  const step = await engine.compile(trainingStep, options);
  const { loss } = await step({ x: images, target, lr: 1e-3 });
  const state = await step.read();
  await step.dispose();
  return { loss: loss!.data[0]!, state };
}

describe('the compiled training step', () => {
  it('has the loss, and the gradients clipped to norm 1, of plain TensorFlow.js', async () => {
    const { loss, state } = await oneStep(onnx, x);
    await tf.setBackend('cpu');
    // Written out anew from primitives, with TensorFlow.js's own cross-entropy.
    const names = Object.keys(weights);
    const reference = tf.tidy(() => {
      const gelu = (h: tf.Tensor): tf.Tensor => {
        const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(h, tf.mul(0.044715, tf.pow(h, 3))));
        return tf.mul(tf.mul(0.5, h), tf.add(1, tf.tanh(inner)));
      };
      const forward = (...[w1, b1, w2, b2, w3, b3]: tf.Tensor[]): tf.Scalar => {
        const h1 = gelu(tf.add(tf.matMul(tf.tensor2d(x, [batch, inputs]), w1!, false, true), b1!));
        const h2 = gelu(tf.add(tf.matMul(h1, w2!, false, true), b2!));
        const out = tf.add(tf.matMul(h2, w3!, false, true), b3!);
        return tf.losses.softmaxCrossEntropy<tf.Tensor, tf.Scalar>(
          tf.tensor2d(target, [batch, classes]),
          out,
        );
      };
      const { value, grads } = tf.valueAndGrads(forward)(names.map((name) => upload(weights[name]!)));
      const data = grads.map((g) => Float32Array.from(g.dataSync()));
      return { loss: value.dataSync()[0]!, gradients: data };
    });
    expect(loss).toBeCloseTo(reference.loss, 5);
    const norm = Math.sqrt(reference.gradients.flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0));
    expect(norm).toBeGreaterThan(1);
    const moments = part(state, 'm');
    expect(Object.keys(moments)).toEqual(names);
    names.forEach((name, i) => {
      // The first moment after one step is a tenth of the clipped gradient.
      const clipped = reference.gradients[i]!.map((g) => g / norm);
      expect(moments[name]!.data.map((m) => m / 0.1)).toBeAllClose(clipped, 2e-6);
    });
  });
  it('leaves the state that the eager engine leaves', async () => {
    const traced = await oneStep(onnx, x);
    const eager = await oneStep(await pickEngine({ kind: 'wasm', threads: 1 }), x);
    expect(traced.loss).toBeCloseTo(eager.loss, 5);
    expect(Object.keys(traced.state).sort()).toEqual(Object.keys(eager.state).sort());
    for (const [name, { data }] of Object.entries(traced.state))
      // A weight moves by about lr = 1e-3 whatever its gradient is, so the smallest gradients show their rounding.
      expect(data).toBeAllClose(eager.state[name]!.data, name.startsWith('w.') ? 2e-5 : 1e-6);
  });
  it('has a finite loss and finite weights where an exponential of the logits overflows', async () => {
    const far = x.map((value) => 1e4 * value);
    const { loss, state } = await oneStep(onnx, far);
    await tf.setBackend('cpu');
    const largest = tf.tidy(() => {
      const out = logits(uploadAll(weights), tf.tensor2d(far, [batch, inputs]));
      return tf.max(tf.abs(out)).dataSync()[0]!;
    });
    expect(largest).toBeGreaterThan(1000);
    expect(loss).toBeGreaterThan(100);
    expect(loss).toBeLessThan(2 * largest);
    for (const { data } of Object.values(state)) expect(data.every(Number.isFinite)).toBe(true);
  });
  it('costs three matrix products per layer, one less in the first', async () => {
    const options = { state: initialTraining(weights), batch: trainingInputs(inputs, classes), frozen: {} };
    const step = await onnx.compile(trainingStep, options);
    expect(step.macs).toBe(2 * inputs * 256 + 3 * (256 * 128 + 128 * classes));
    await step.dispose();
  });
});

describe('initialNetwork', () => {
  it('gives [out, in] weights of the seed, different for another seed', () => {
    const shapes = Object.entries(weights).map(([name, { shape }]) => [name, ...shape]);
    expect(shapes).toEqual([
      ['fc1.weight', 256, 36],
      ['fc1.bias', 256],
      ['fc2.weight', 128, 256],
      ['fc2.bias', 128],
      ['fc3.weight', 4, 128],
      ['fc3.bias', 4],
    ]);
    expect(initialNetwork(inputs, classes, 7)).toEqual(weights);
    expect(initialNetwork(inputs, classes, 8)['fc1.weight']).not.toEqual(weights['fc1.weight']);
  });
});
