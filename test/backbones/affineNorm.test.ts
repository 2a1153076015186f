import { beforeAll, describe, expect, it } from '@jest/globals';
import { affineNorm } from '../../src/backbones/affineNorm.js';
import { tf } from '../../src/engine/tf.js';
import { expectSame, normals, type Layers } from './layers.js';

const plain: Layers = (x, scale, offset) => {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, scale), offset);
};

beforeAll(() => tf.setBackend('cpu'));

describe('a LayerNorm with weights', () => {
  it('is the plain formula, and its short gradients those of the primitives', () => {
    expectSame(
      (x, scale, offset) => affineNorm(x, { scale: scale, offset: offset }),
      plain,
      [[2, 3, 16], [16], [16]],
      1e-5,
    );
  });

  it('with scale 1 and offset 0 makes mean 0 and variance 1', () => {
    tf.tidy(() => {
      const x = tf.add(tf.mul(normals([5, 64], 'x'), 3), 2);
      const y = affineNorm(x, { scale: tf.ones([64]), offset: tf.zeros([64]) });
      const { mean, variance } = tf.moments(y, -1);
      expect(mean.dataSync()).toBeAllClose(new Float32Array(5), 1e-6);
      expect(variance.dataSync()).toBeAllClose(new Float32Array(5).fill(1), 1e-5);
    });
  });
});
