import { beforeAll, describe, expect, it } from '@jest/globals';
import type { BackboneSpec, Query, State } from '../../src/backbones/backbone.js';
import { dit } from '../../src/backbones/dit.js';
import { tf } from '../../src/engine/tf.js';
import { fixtureTensors, pick, upload, uploadAll } from '../fixtures.js';

const spec: BackboneSpec = {
  family: 'dit',
  size: 'DiT-6x48/2',
  depth: 6,
  tokens: 16,
  width: 48,
  heads: 4,
  mlpRatio: 4,
  patch: 2,
  channels: 4,
  imageSize: 8,
  outChannels: 8,
  classes: 10,
  timeSteps: 1000,
  prediction: 'epsilon',
};
const weights = fixtureTensors('dit/model.safetensors');
const io = fixtureTensors('dit/io.safetensors');
const expected = (name: string): ArrayLike<number> => pick(io, name).data;
const query = (): Query => ({
  x: upload(pick(io, 'x')) as tf.Tensor4D,
  t: tf.cast(upload(pick(io, 't')) as tf.Tensor1D, 'float32'),
  y: upload(pick(io, 'y')) as tf.Tensor1D,
});
const bind = () => dit.bind(spec, uploadAll(weights));

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('DiT', () => {
  it('asks for exactly the parameters of the official class', () => {
    const official = Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, shape]));
    expect(dit.shapes(spec)).toEqual(official);
  });

  it('equals the official class after the embedding, every block, every exit and the last layer', () => {
    tf.tidy(() => {
      const backbone = bind();
      let state: State = backbone.embed(query());
      expect(state.hidden.dataSync()).toBeAllClose(expected('tokens'), 2e-5);
      const condition = Array.from(expected('c') as Float32Array, (c) => c / (1 + Math.exp(-c)));
      expect(state.condition.dataSync()).toBeAllClose(condition, 2e-5);
      for (let k = 1; k <= spec.depth; k++) {
        state = backbone.block(state, k);
        expect(state.hidden.dataSync()).toBeAllClose(expected(`block_0${k - 1}`), 2e-5);
        const exit = backbone.finish(backbone.leave(state, k));
        expect(exit.shape).toEqual([4, 8, 8, 8]);
        expect(exit.dataSync()).toBeAllClose(expected(`exit_out_${k}`), 2e-5);
      }
      expect(backbone.finish(state).dataSync()).toBeAllClose(expected('out'), 2e-5);
    });
  });

  it('computes a mixed batch as its samples one by one', () => {
    tf.tidy(() => {
      const backbone = bind();
      const full = ({ x, t, y }: Query): tf.Tensor4D => {
        let state = backbone.embed({ x, t, y });
        for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
        return backbone.finish(state);
      };
      const { x, t, y } = query();
      const single = [0, 1, 2, 3].map((i) =>
        full({ x: tf.slice(x, i, 1), t: tf.slice(t, i, 1), y: tf.slice(y, i, 1) }),
      );
      expect(full({ x, t, y }).dataSync()).toBeAllClose(tf.concat(single).dataSync(), 1e-6);
    });
  });

  it('has parts of its own last layer and block that equal the backbone', () => {
    tf.tidy(() => {
      const all = uploadAll(weights);
      const backbone = dit.bind(spec, all);
      const start = backbone.embed(query());
      const own = (names: readonly string[], official: (name: string) => string) =>
        Object.fromEntries(names.map((name) => [name, all[official(name)] as tf.Tensor]));
      const block = own(Object.keys(dit.extraBlock.shapes(spec)), (name) => `blocks.0.${name}`);
      const after = backbone.block(start, 1);
      expect(dit.extraBlock.run(spec, block, start).hidden.dataSync()).toEqual(after.hidden.dataSync());
      const last = own(Object.keys(dit.last.shapes(spec)), (name) => dit.last.official(name));
      expect(dit.last.run(spec, last, after).dataSync()).toEqual(backbone.finish(after).dataSync());
    });
  });

  it('differentiates by every parameter without leaving tensors behind', async () => {
    await expect(() => {
      tf.tidy(() => {
        const names = Object.keys(weights).filter((name) => name !== 'pos_embed');
        const all = uploadAll(weights);
        const values = names.map((name) => all[name] as tf.Tensor);
        const loss = (...given: tf.Tensor[]): tf.Scalar => {
          const bound = {
            ...all,
            ...Object.fromEntries(names.map((name, i) => [name, given[i] as tf.Tensor])),
          };
          const backbone = dit.bind(spec, bound);
          let state = backbone.embed(query());
          for (let k = 1; k <= 2; k++) state = backbone.block(state, k);
          return tf.mean(tf.square(backbone.finish(state)));
        };
        const used = names.map((name) => !/blocks\.[2-5]/.test(name));
        const chosen = values.filter((_, i) => used[i]);
        const pad = (...given: tf.Tensor[]): tf.Scalar => {
          const rest = [...given];
          return loss(...values.map((value, i) => (used[i] ? (rest.shift() as tf.Tensor) : value)));
        };
        const { grads } = tf.valueAndGrads(pad)(chosen);
        grads.forEach((grad, i) => {
          expect(grad.shape).toEqual(chosen[i]?.shape);
          expect(tf.max(tf.abs(grad)).dataSync()[0]).toBeGreaterThan(0);
        });
      });
    }).toKeepTensorCount();
  });
});
