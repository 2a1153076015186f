import { beforeAll, describe, expect, it } from '@jest/globals';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';

const normals = (name: string, shape: [number, number]) =>
  tf.tensor2d(stream(0, name).normals(shape[0] * shape[1]), shape);

/** Numbers of a computation on a backend. */
async function on(backend: string, compute: () => tf.Tensor): Promise<Float32Array> {
  await tf.setBackend(backend);
  return tf.tidy(() => compute().dataSync<'float32'>());
}

beforeAll(async () => {
  await pickEngine({ kind: 'wasm', threads: 0 });
});

describe('the WebAssembly backend', () => {
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('adds a bias to every row of a product, transposed %p and %p', async (transposeA, transposeB) => {
    const compute = () =>
      tf.fused.matMul({
        a: normals('a', transposeA ? [5, 3] : [3, 5]),
        b: normals('b', transposeB ? [4, 5] : [5, 4]),
        bias: tf.tensor1d([1, -20, 300, 4]),
        ...{ transposeA, transposeB },
      });
    expect(await on('wasm', compute)).toBeAllClose(await on('cpu', compute), 1e-4);
  });

  it('has the gradient of rows taken from a table, repeated ones too', async () => {
    const compute = () =>
      tf.grad((table) =>
        tf.sum(tf.mul(tf.gather(table, tf.tensor1d([3, 0, 3, 1], 'int32')), normals('weight', [4, 2]))),
      )(normals('table', [5, 2]));
    expect(await on('wasm', compute)).toBeAllClose(await on('cpu', compute), 1e-6);
  });

  it('keeps no tensor and no memory of either', async () => {
    await tf.setBackend('wasm');
    const held = tf.backend().numDataIds();
    await expect(() => {
      tf.tidy(() => {
        const layer = (b: tf.Tensor) =>
          tf.sum(
            tf.fused.matMul({
              a: normals('a', [3, 5]),
              b: tf.gather(b, tf.tensor1d([0, 0, 1], 'int32')),
              transposeB: true,
              bias: tf.tensor1d([1, 2, 3]),
            }),
          );
        tf.grad(layer)(normals('b', [2, 5])).dataSync();
      });
    }).toKeepTensorCount();
    expect(tf.backend().numDataIds()).toBe(held);
  });
});
