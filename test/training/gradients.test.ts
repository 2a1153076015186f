import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Tensors } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { lossesAndGradients } from '../../src/training/gradients.js';

beforeAll(() => tf.setBackend('cpu'));

const normals = (name: string, ...shape: [number, number]): tf.Tensor2D =>
  tf.tensor2d(stream(0, name).normals(shape[0] * shape[1]), shape);

/** Three losses on two shared weights; `b` is no part of the first. */
const losses = ({ a, b }: Tensors, x: tf.Tensor2D): tf.Scalar[] => {
  const product = tf.matMul(x, a as tf.Tensor2D);
  return [
    tf.mean(tf.square(product)),
    tf.mean(tf.tanh(tf.add(product, b!))),
    tf.sum(tf.mul(tf.square(b!), tf.mean(product, 0, true))),
  ];
};

describe('several losses at once', () => {
  it('have the values and the gradients that each has by itself', () => {
    tf.tidy(() => {
      const x = normals('x', 4, 3);
      const weights = { a: normals('a', 3, 2), b: normals('b', 1, 2) };
      const importance = [0.5, 2, -1];
      const { losses: values, gradients } = lossesAndGradients(
        weights,
        tf.tensor1d(importance),
        (given) => tf.stack(losses(given, x)) as tf.Tensor1D,
      );
      expect(values.dataSync()).toBeAllClose(
        losses(weights, x).map((loss) => loss.dataSync()[0] ?? NaN),
        1e-6,
      );
      const expected = { a: new Array<number>(6).fill(0), b: new Array<number>(2).fill(0) };
      for (const [k, weight] of importance.entries()) {
        const one = tf.grads((a, b) => losses({ a: a, b: b }, x)[k]!);
        const [a, b] =
          k === 0
            ? [tf.grad((a) => losses({ ...weights, a }, x)[0]!)(weights.a)]
            : one([weights.a, weights.b]);
        a?.dataSync().forEach((value, i) => (expected.a[i]! += weight * value));
        b?.dataSync().forEach((value, i) => (expected.b[i]! += weight * value));
      }
      expect(Object.keys(gradients)).toEqual(['a', 'b']);
      expect(gradients['a']?.shape).toEqual([3, 2]);
      expect(gradients['a']?.dataSync()).toBeAllClose(expected.a, 1e-6);
      expect(gradients['b']?.dataSync()).toBeAllClose(expected.b, 1e-6);
    });
  });

  it('keep no tensor but what they return', async () => {
    await expect(() =>
      tf.tidy(() => {
        const weights = { a: normals('a', 3, 2), b: normals('b', 1, 2) };
        lossesAndGradients(
          weights,
          tf.tensor1d([1, 1, 1]),
          (given) => tf.stack(losses(given, normals('x', 4, 3))) as tf.Tensor1D,
        );
      }),
    ).toKeepTensorCount();
  });
});
