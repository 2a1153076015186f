import { beforeAll, describe, expect, it } from '@jest/globals';
import { gelu } from '../../src/backbones/gelu.js';
import { tf } from '../../src/engine/tf.js';
import { expectSame, valueAndGradients } from './layers.js';

beforeAll(() => tf.setBackend('cpu'));

describe('exact GELU', () => {
  it('is the plain formula, and its short gradient that of the primitives', () => {
    const plain = (x: tf.Tensor): tf.Tensor =>
      tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.div(x, Math.SQRT2))));
    expectSame(
      (x) => gelu(x),
      (x) => plain(x),
      [[4, 50]],
      1e-5,
    );
  });

  it('gives the known values, and stays finite far out', () => {
    tf.tidy(() => {
      const { value, grads } = valueAndGradients((x) => gelu(x), [tf.tensor1d([-60, -1, 0, 1, 60])]);
      // x times the normal distribution function: 0.158655 at -1, 0.841345 at 1.
      expect(value.dataSync()).toBeAllClose([0, -0.158655, 0, 0.841345, 60], 1e-6);
      expect(Array.from(grads[0]!.dataSync()).every(Number.isFinite)).toBe(true);
    });
  });
});
