import { beforeAll, describe, expect, it } from '@jest/globals';
import { convolution, halvingConvolution } from '../../src/backbones/convolution.js';
import type { Step } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { expectSame, type Layers } from './layers.js';

const ours: Layers = (x, weight, bias) => convolution(x as tf.Tensor4D, { weight: weight, bias: bias });
/** TensorFlow.js has gradients of its own for this one. */
const library: Layers = (x, weight, bias) =>
  tf.add(tf.conv2d(x as tf.Tensor4D, tf.transpose(weight, [2, 3, 1, 0]) as tf.Tensor4D, 1, 'same'), bias);

beforeAll(() => tf.setBackend('cpu'));

describe('a convolution that keeps the size', () => {
  it.each([1, 3, 5])('of width %d is the operator of the library, gradients included', (k) => {
    expectSame(ours, library, [[2, 6, 5, 3], [4, 3, k, k], [4]], 1e-4);
  });

  it('puts the middle of the kernel on the pixel and zeros around the image', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
      // The pixel itself, plus ten times the one to its right.
      const weight = tf.tensor4d([0, 0, 0, 0, 1, 10, 0, 0, 0], [1, 1, 3, 3]);
      expect([...convolution(x, { weight }).dataSync()]).toEqual([21, 2, 43, 4]);
    });
  });

  it('has the same gradients compiled and on the WebAssembly backend, at any batch', async () => {
    const step: Step = (state, { x, weight, bias }) => {
      const loss = (...given: tf.Tensor[]): tf.Scalar => tf.sum(tf.sin(ours(...given)));
      const { value, grads } = tf.valueAndGrads(loss)([x!, weight!, bias!]);
      return { state, out: { value, dx: grads[0]!, dw: grads[1]!, db: grads[2]! } };
    };
    const shapes = {
      x: { shape: ['batch', 5, 4, 2] },
      weight: { shape: [3, 2, 3, 3] },
      bias: { shape: [3] },
    } as const;
    const engines = [
      onnxEngine({ threads: 1, reason: 'test' }),
      await pickEngine({ kind: 'wasm', threads: 0 }),
    ];
    for (const batch of [1, 3]) {
      const feeds = {
        x: stream(batch, 'x').normals(batch * 40),
        weight: stream(1, 'weight').normals(54),
        bias: stream(1, 'bias').normals(3),
      };
      const [compiled, eager] = await Promise.all(
        engines.map(async (engine) => {
          const run = await engine.compile(step, { state: {}, batch: shapes, frozen: {} });
          const results = await run(feeds);
          await run.dispose();
          return results;
        }),
      );
      for (const name of ['value', 'dx', 'dw', 'db'])
        expect(compiled?.[name]?.data).toBeAllClose(eager?.[name]?.data ?? [], 1e-4);
    }
  });
});

describe('a convolution that halves the size', () => {
  it('starts on the first pixel, with zeros to the right and below alone', () => {
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [1, 4, 4, 1]);
      // The pixel under the upper left corner of the kernel, plus a hundred times the one under the lower right corner.
      const weight = tf.tensor4d([1, 0, 0, 0, 0, 0, 0, 0, 100], [1, 1, 3, 3]);
      const y = halvingConvolution(x, { weight, bias: tf.tensor1d([0.5]) });
      expect(y.shape).toEqual([1, 2, 2, 1]);
      expect([...y.dataSync()]).toEqual([1101.5, 3.5, 9.5, 11.5]);
    });
  });
});
