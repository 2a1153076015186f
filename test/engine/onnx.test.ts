import { beforeAll, describe, expect, it } from '@jest/globals';
import { eagerEngine } from '../../src/engine/eager.js';
import type { CompileOptions, Engine, Step } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';

/** Momentum descent on a small regression: w is read by the gradient, m is not. */
const step: Step = ({ w, m, untouched }, { x, lr }, { target }) => {
  const loss = (weights: tf.Tensor): tf.Scalar =>
    tf.mean(
      tf.square(
        tf.sub(
          tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D),
          tf.matMul(x as tf.Tensor2D, target as tf.Tensor2D),
        ),
      ),
    );
  const { value, grad } = tf.valueAndGrad(loss)(w!);
  const next = tf.add(tf.mul(m!, 0.9), grad);
  return {
    state: { w: tf.sub(w!, tf.mul(next, lr!)), m: next, untouched: untouched! },
    out: { loss: value },
  };
};
const normals = (name: string, shape: number[]) => ({
  shape,
  data: stream(0, name).normals(shape.reduce((a, b) => a * b, 1)),
});
const options: CompileOptions = {
  state: { w: normals('w', [4, 3]), m: normals('m', [4, 3]), untouched: normals('u', [2]) },
  batch: { x: { shape: ['batch', 4] }, lr: { shape: [] } },
  frozen: { target: normals('target', [4, 3]) },
};
const x = (i: number): Float32Array => stream(i, 'x').normals(4 * (i + 2));

async function train(engine: Engine) {
  const compiled = await engine.compile(step, options);
  const losses: number[] = [];
  for (let i = 0; i < 4; i++)
    losses.push((await compiled({ x: x(i), lr: 0.1 / (i + 1) }))['loss']?.data[0] ?? NaN);
  const state = await compiled.read();
  await compiled.dispose();
  return { losses, state, macs: compiled.macs };
}

const onnx = onnxEngine({ threads: 1, reason: 'test' });
const cpu = eagerEngine({
  kind: 'wasm',
  reason: 'test',
  backend: 'cpu',
  load: () => Promise.reject(new Error('nothing is stored here')),
});

beforeAll(() => tf.setBackend('cpu'));

describe('compiled steps', () => {
  it('give the numbers of the eager step at changing batch sizes', async () => {
    const [a, b] = [await train(onnx), await train(cpu)];
    expect(a.losses).toBeAllClose(b.losses, 1e-6);
    for (const name of Object.keys(options.state))
      expect(a.state[name]!.data).toBeAllClose(b.state[name]!.data, 1e-6);
    expect(a.macs).toBe(b.macs);
  });
  it('leave the arrays they were given alone and return copies', async () => {
    const before = options.state['w']!.data.slice();
    const compiled = await onnx.compile(step, options);
    await compiled({ x: x(0), lr: 0.1 });
    const read = await compiled.read();
    read['w']!.data.fill(0);
    expect((await compiled.read())['w']!.data).not.toEqual(read['w']!.data);
    expect(options.state['w']!.data).toEqual(before);
    await compiled.dispose();
  });
  it('name the input that is missing, unknown or of a wrong length', async () => {
    const compiled = await onnx.compile(step, options);
    await expect(compiled({ x: x(0) })).rejects.toThrow("input 'lr' is missing");
    await expect(compiled({ x: x(0), lr: 1, mu: 2 })).rejects.toThrow("'mu' is not an input (x, lr)");
    await expect(compiled({ x: new Float32Array(7), lr: 1 })).rejects.toThrow(
      "'x' has 7 numbers, expected [batch, 4]",
    );
    await compiled.dispose();
    await expect(compiled({ x: x(0), lr: 1 })).rejects.toThrow('after dispose');
  });
  it('leak no tensor when they run eagerly', async () => {
    await expect(() => train(cpu)).toKeepTensorCount();
  });
});
