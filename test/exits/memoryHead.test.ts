import { beforeAll, describe, expect, it } from '@jest/globals';
import { tf } from '../../src/engine/tf.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { corrected, memoryShapes, memoryStart } from '../../src/exits/memoryHead.js';
import { stream } from '../../src/random.js';
import { uploadAll } from '../fixtures.js';
import { gelu, layer, normal, waves } from '../plain.js';

const [samples, tokens, width, bottleneck] = [2, 3, 6, 4];
const random = stream(0, 'memory head');
const weights: HostTensors = Object.fromEntries(
  Object.entries(memoryShapes(width, bottleneck)).map(([name, shape]) => [
    name,
    { shape, data: random.normals(shape.reduce((product, n) => product * n, 1)).map((n) => 0.3 * n) },
  ]),
);
const [hidden, residual] = [0, 1].map(() => random.normals(samples * tokens * width)) as [
  Float32Array,
  Float32Array,
];
const [t, tFull] = [Float32Array.of(40, 810), Float32Array.of(80, 890)];

beforeAll(() => tf.setBackend('cpu'));

describe('a memory head', () => {
  it('scales the residual by t and age, and corrects it by what it sees of both', () => {
    const expected = Array.from({ length: samples * tokens }, (_, row) => {
      const sample = Math.floor(row / tokens);
      const [now, then] = [t[sample] ?? NaN, tFull[sample] ?? NaN];
      const [h, r] = [hidden, residual].map((of) => Array.from(of.slice(row * width, (row + 1) * width)));
      if (!h || !r) throw new Error('a state and a residual');
      const u = [...waves(now, 32), ...waves(then - now, 32)];
      const [scale, times] = [layer(weights, 'scale', u), layer(weights, 'times', u)];
      const narrow = layer(weights, 'down', [...normal(h), ...normal(r)]).map((x, i) =>
        gelu(x + (times[i] ?? NaN)),
      );
      const more = layer(weights, 'up', narrow);
      return h.map((x, i) => x + (1 + (scale[i] ?? NaN)) * (r[i] ?? NaN) + (more[i] ?? NaN));
    }).flat();
    tf.tidy(() => {
      const shaped = (of: Float32Array): tf.Tensor3D => tf.tensor3d(of, [samples, tokens, width]);
      const memory = { residual: shaped(residual), t: tf.tensor1d(t), tFull: tf.tensor1d(tFull) };
      const state = { hidden: shaped(hidden), condition: tf.zeros<tf.Rank.R2>([samples, width]) };
      // Waves of t 810 are cosines of large angles, in single precision.
      const found = corrected(uploadAll(weights), state, memory);
      expect(found.hidden.dataSync()).toBeAllClose(expected, 1e-4);
      expect(found.condition).toBe(state.condition);
    });
  });

  it('starts with the scale 1 and no correction, and with what lets both learn', () => {
    const random = Object.keys(memoryShapes(width, bottleneck)).filter((n) => memoryStart(n) === 'random');
    expect(random).toEqual(['down.weight', 'times.weight']);
  });
});
