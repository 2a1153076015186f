import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Query, State } from '../../src/backbones/backbone.js';
import { dit } from '../../src/backbones/dit.js';
import type { Step, Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { tf } from '../../src/engine/tf.js';
import { queryOf } from '../../src/exits/model.js';
import { pick, uploadAll } from '../fixtures.js';
import { someOf } from '../queries.js';
import { recordedQuery, tinyDit, tinyIo, tinySpec as spec, tinyWeights } from '../tiny-dit.js';

const recorded = (name: string): Float32Array => Float32Array.from(pick(tinyIo, name).data);

function full(weights: Tensors, query: Query, depth = spec.depth): tf.Tensor4D {
  const backbone = dit.bind(spec, weights);
  let state = backbone.embed(query);
  for (let k = 1; k <= depth; k++) state = backbone.block(state, k);
  return backbone.finish(state);
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('DiT', () => {
  it('asks for exactly the parameters of the official class', () => {
    const official = Object.entries(tinyWeights).map(([name, { shape }]) => [name, shape]);
    expect(dit.shapes(spec)).toEqual(Object.fromEntries(official));
  });

  it('equals the official class after the embedding, every block, every exit and the last layer', () => {
    tf.tidy(() => {
      const backbone = tinyDit();
      let state: State = backbone.embed(recordedQuery());
      expect(state.hidden.dataSync()).toBeAllClose(recorded('tokens'), 2e-5);
      const condition = recorded('c').map((c) => c / (1 + Math.exp(-c)));
      expect(state.condition.dataSync()).toBeAllClose(condition, 2e-5);
      for (let k = 1; k <= spec.depth; k++) {
        state = backbone.block(state, k);
        expect(state.hidden.dataSync()).toBeAllClose(recorded(`block_0${k - 1}`), 2e-5);
        const exit = backbone.finish(backbone.leave(state, k));
        expect(exit.shape).toEqual([4, 8, 8, 8]);
        expect(exit.dataSync()).toBeAllClose(recorded(`exit_out_${k}`), 2e-5);
      }
      expect(backbone.finish(state).dataSync()).toBeAllClose(recorded('out'), 2e-5);
    });
  });

  it('equals the official class when traced and run by onnxruntime', async () => {
    const step: Step = (state, batch, frozen) => ({
      state,
      out: { y: full(frozen, queryOf(batch, spec)) },
    });
    const compiled = await onnxEngine({ threads: 1, reason: 'test' }).compile(step, {
      state: {},
      batch: {
        x: { shape: ['batch', 4, 8, 8] },
        t: { shape: ['batch'] },
        y: { shape: ['batch'], dtype: 'int32' },
      },
      frozen: tinyWeights,
    });
    const y = Int32Array.from(pick(tinyIo, 'y').data);
    const results = await compiled({ x: recorded('x'), t: recorded('t'), y });
    expect(pick(results, 'y').data).toBeAllClose(recorded('out'), 2e-5);
    await compiled.dispose();
  });

  it('computes a mixed batch as its samples one by one', () => {
    tf.tidy(() => {
      const weights = uploadAll(tinyWeights);
      const query = recordedQuery();
      const single = [0, 1, 2, 3].map((i) => full(weights, someOf(query, i)));
      const together = full(weights, query);
      expect(together.dataSync()).toBeAllClose(tf.concat(single).dataSync(), 1e-6);
    });
  });

  it('lends heads its last layer and its block', () => {
    tf.tidy(() => {
      const all = uploadAll(tinyWeights);
      const backbone = dit.bind(spec, all);
      const renamed = (shapes: object, official: (name: string) => string): Tensors =>
        Object.fromEntries(Object.keys(shapes).map((name) => [name, all[official(name)]!]));
      const before = backbone.embed(recordedQuery());
      const after = backbone.block(before, 1);
      const block = renamed(dit.extraBlock.shapes(spec), (name) => `blocks.0.${name}`);
      expect(dit.extraBlock.run(spec, block, before).hidden.dataSync()).toEqual(after.hidden.dataSync());
      const last = renamed(dit.last.shapes(spec), (name) => dit.last.official(name));
      expect(dit.last.run(spec, last, after).dataSync()).toEqual(backbone.finish(after).dataSync());
    });
  });

  it('has the gradient of finite differences by every kind of parameter, and keeps no tensor', async () => {
    await expect(() => {
      tf.tidy(() => {
        const all = uploadAll(tinyWeights);
        const query = recordedQuery();
        const names = Object.keys(tinyWeights).filter((name) => !/pos_embed|blocks\.[1-5]/.test(name));
        const loss = (weights: Tensors): tf.Scalar => tf.mean(tf.square(full(weights, query, 1)));
        const { grads } = tf.valueAndGrads((...given) =>
          loss({ ...all, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) }),
        )(names.map((name) => all[name]!));
        // Along its own gradient a parameter moves the loss by the gradient's square.
        const h = 1e-2;
        names.forEach((name, i) => {
          const along = tf.div(grads[i]!, tf.norm(grads[i]!));
          const at = (step: number): number =>
            loss({ ...all, [name]: tf.add(all[name]!, tf.mul(along, step)) }).dataSync()[0]!;
          const slope = tf.norm(grads[i]!).dataSync()[0]!;
          expect(slope).toBeGreaterThan(0);
          expect(Math.abs((at(h) - at(-h)) / (2 * h) - slope)).toBeLessThan(1e-4 + 0.01 * slope);
        });
      });
    }).toKeepTensorCount();
  });
});
