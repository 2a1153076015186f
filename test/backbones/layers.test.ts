import { beforeAll, describe, expect, it } from '@jest/globals';
import { multiHeadAttention } from '../../src/backbones/attention.js';
import {
  geluTanh,
  layerNorm,
  linear,
  modulate,
  silu,
  timestepEmbedding,
} from '../../src/backbones/layers.js';
import type { Step } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { stream } from '../../src/random.js';
import { expectSame, normals, valueAndGradients, type Layers } from './layers.js';

const plainNorm: Layers = (x) => {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-6)));
};
const plainGelu: Layers = (x) => {
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(x, tf.mul(x, x)))));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
};
const plainAttention =
  (heads: number): Layers =>
  (...inputs) => {
    const parts = inputs.map((x) => tf.split(x, heads, 2));
    const outputs = Array.from({ length: heads }, (_, h) => {
      const [q, k, v] = parts.map((part) => part[h]!) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const scores = tf.div(tf.matMul(q, tf.transpose(k, [0, 2, 1])), Math.sqrt(q.shape[2]!));
      return tf.matMul(tf.softmax(scores), v);
    });
    return tf.concat(outputs, 2);
  };
const attention =
  (heads: number): Layers =>
  (...inputs) => {
    const [q, k, v] = inputs as tf.Tensor3D[];
    return multiHeadAttention(q!, k!, v!, heads);
  };

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('layers', () => {
  it('linear is x W^T + b, gradients included', () => {
    expectSame(
      (x, weight, bias) => linear(x, { weight: weight, bias: bias }),
      (x, weight, bias) =>
        tf.add(tf.reshape(tf.matMul(tf.reshape(x, [-1, 4]), tf.transpose(weight)), [2, 3, 5]), bias),
      [[2, 3, 4], [5, 4], [5]],
      1e-5,
    );
  });

  it('layerNorm is the plain formula, and its short gradient that of the primitives', () => {
    expectSame((x) => layerNorm(x), plainNorm, [[2, 3, 16]], 1e-5);
  });

  it('layerNorm makes mean 0 and variance 1', () => {
    tf.tidy(() => {
      const { mean, variance } = tf.moments(layerNorm(tf.add(tf.mul(normals([5, 64], 'x'), 3), 2)), -1);
      expect(mean.dataSync()).toBeAllClose(new Float32Array(5), 1e-6);
      expect(variance.dataSync()).toBeAllClose(new Float32Array(5).fill(1), 1e-5);
    });
  });

  it('geluTanh is the plain formula, and its short gradient that of the primitives', () => {
    expectSame((x) => geluTanh(x), plainGelu, [[4, 50]], 1e-5);
  });

  it('geluTanh stays finite far out', () => {
    tf.tidy(() => {
      const { value, grads } = valueAndGradients((x) => geluTanh(x), [tf.tensor1d([-60, -20, 0, 20, 60])]);
      expect(value.dataSync()).toBeAllClose([0, 0, 0, 20, 60], 1e-5);
      expect(Array.from(grads[0]!.dataSync()).every(Number.isFinite)).toBe(true);
    });
  });

  it('geluTanh takes the kernel of an engine where there is one, and keeps its gradient', () => {
    let calls = 0;
    tf.registerKernel({
      kernelName: 'GeluTanh',
      backendName: 'cpu',
      kernelFunc: ({ inputs }) => {
        calls++;
        return plainGelu(inputs['x'] as tf.Tensor);
      },
    });
    try {
      expectSame((x) => geluTanh(x), plainGelu, [[3, 7]], 1e-5);
      expect(calls).toBe(2);
    } finally {
      tf.unregisterKernel('GeluTanh', 'cpu');
    }
  });

  it.each([
    ['few tokens', 6, 12, 3],
    ['many tokens, whose probabilities are recomputed backward', 256, 8, 2],
  ])('attention on %s equals one head after the other, gradients included', (_, tokens, width, heads) => {
    const shape = [2, tokens, width];
    expectSame(attention(heads), plainAttention(heads), [shape, shape, shape], 1e-5);
  });

  it('equal their eager selves when traced and run by onnxruntime, gradients included', async () => {
    const layers: Layers = (x) => multiHeadAttention(...three(geluTanh(layerNorm(x))), 2);
    const step: Step = (state, { x, dy }) => {
      const { value, grads } = tf.valueAndGrads((x: tf.Tensor) => tf.sum(tf.mul(layers(x), dy!)))([x!]);
      return { state, out: { value, grad: grads[0]! } };
    };
    const spec = { shape: ['batch', 256, 8] } as const;
    const compiled = await onnxEngine({ threads: 1, reason: 'test' }).compile(step, {
      state: {},
      batch: { x: spec, dy: spec },
      frozen: {},
    });
    const [x, dy] = ['x', 'dy'].map((purpose) => stream(7, purpose).normals(2 * 256 * 8));
    const { value, grad } = await compiled({ x: x!, dy: dy! });
    await compiled.dispose();
    tf.tidy(() => {
      const upload = (data: Float32Array): tf.Tensor => tf.tensor(data, [2, 256, 8]);
      const { out } = step({}, { x: upload(x!), dy: upload(dy!) }, {});
      expect(value!.data).toBeAllClose(out['value']!.dataSync(), 1e-3);
      expect(grad!.data).toBeAllClose(out['grad']!.dataSync(), 1e-5);
    });
  });

  it('silu and modulate are their formulas', () => {
    tf.tidy(() => {
      const expected = [-2, 0, 3].map((x) => x / (1 + Math.exp(-x)));
      expect(silu(tf.tensor1d([-2, 0, 3])).dataSync()).toBeAllClose(expected, 1e-6);
      const x = tf.tensor3d([1, 2, 3, 4], [1, 2, 2]);
      const modulated = modulate(x, tf.tensor3d([10, 20], [1, 1, 2]), tf.tensor3d([1, 0.5], [1, 1, 2]));
      expect(modulated.dataSync()).toBeAllClose([12, 23, 16, 26], 1e-6);
    });
  });

  it('timestepEmbedding has 128 cosines, then 128 sines', () => {
    tf.tidy(() => {
      const times = [0, 1, 999];
      const angles = times.map((t) => Array.from({ length: 128 }, (_, j) => t * 10000 ** (-j / 128)));
      const expected = angles.flatMap((row) => [...row.map(Math.cos), ...row.map(Math.sin)]);
      const embedding = timestepEmbedding(tf.tensor1d(times));
      expect(embedding.shape).toEqual([3, 256]);
      // Single precision holds an angle near 999 to 6e-5.
      expect(embedding.dataSync()).toBeAllClose(expected, 1e-4);
    });
  });

  it('keep no tensors, forward or backward', async () => {
    await expect(() => {
      tf.tidy(() => {
        const x = normals([1, 256, 8], 'x');
        valueAndGradients((x) => multiHeadAttention(...three(geluTanh(layerNorm(x))), 2), [x]);
      });
    }).toKeepTensorCount();
  });
});

function three(x: tf.Tensor): [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D] {
  const token = x as tf.Tensor3D;
  return [token, token, token];
}
