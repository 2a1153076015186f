import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Query, State, UvitSpec } from '../../src/backbones/backbone.js';
import { initialWeights } from '../../src/backbones/init.js';
import { uvit } from '../../src/backbones/uvit.js';
import { uvitSpec, type UvitOptions } from '../../src/backbones/uvitSpec.js';
import type { Step, Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { exitMacs, queryInputs, queryOf } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { pick, uploadAll } from '../fixtures.js';
import { labelQuery, someOf } from '../queries.js';
import { moved } from '../training/tiny.js';
import { recordedFeeds, tinyUvit, type TinyUvit } from '../tiny-uvit.js';

const tolerance = 2e-5;
const all: readonly (readonly [string, TinyUvit])[] = (['uncond', 'cond'] as const).map((which) => [
  which === 'cond' ? 'class-conditional' : 'unconditional',
  tinyUvit(which),
]);

function recordedQuery(tiny: TinyUvit): Query {
  const { x, t, y } = recordedFeeds(tiny);
  return labelQuery(tf.tensor4d(x, [t.length, 3, 16, 16]), tf.tensor1d(t), tf.tensor1d(y, 'int32'));
}

function full(spec: UvitSpec, weights: Tensors, query: Query, depth = spec.depth): tf.Tensor4D {
  const backbone = uvit.bind(spec, weights);
  let state = backbone.embed(query);
  for (let k = 1; k <= depth; k++) state = backbone.block(state, k);
  return backbone.finish(backbone.leave(state, depth));
}

const fullStep =
  (spec: UvitSpec): Step =>
  (state, batch, frozen) => ({ state, out: { y: full(spec, frozen, queryOf(batch, spec)) } });

/** Options that the fixtures leave out, on random weights. */
const options: UvitOptions = {
  ...{ img_size: 8, patch_size: 4, in_chans: 2, embed_dim: 16, depth: 2, num_heads: 2 },
  ...{ num_classes: 4, mlp_time_embed: true, conv: false },
};
const timeMlp = uvitSpec(options);
const lively = (spec: UvitSpec): HostTensors => moved(initialWeights(spec, 3), 0.1);

// The reference backend takes minutes for these.
const wasm = await pickEngine({ kind: 'wasm', threads: 0 });
beforeAll(() => tf.setBackend('wasm'));

describe.each(all)('the %s U-ViT', (_, tiny) => {
  const { spec, weights, io } = tiny;
  const recorded = (name: string): ArrayLike<number> => pick(io, name).data;

  it('asks for exactly the parameters of the official class', () => {
    const official = Object.entries(weights).map(([name, { shape }]) => [name, shape]);
    expect(uvit.shapes(spec)).toEqual(Object.fromEntries(official));
  });

  it('equals the official class after the embedding, every block, every exit and the last layer', () => {
    tf.tidy(() => {
      const uploaded = uploadAll(weights);
      const skips = uvit.bind({ ...spec, exitRule: 'skips' }, uploaded);
      const plain = uvit.bind({ ...spec, exitRule: 'plain' }, uploaded);
      let state: State = skips.embed(recordedQuery(tiny));
      expect(state.hidden.dataSync()).toBeAllClose(recorded('tokens'), tolerance);
      for (let k = 1; k <= spec.depth; k++) {
        state = skips.block(state, k);
        expect(state.hidden.dataSync()).toBeAllClose(recorded(`block_0${k - 1}`), tolerance);
        const straight = plain.finish(plain.leave(state, k)).dataSync();
        expect(straight).toBeAllClose(recorded(`exit_out_plain_${k}`), tolerance);
        if (k < uvit.firstExit(spec)) continue;
        const joined = skips.finish(skips.leave(state, k)).dataSync();
        expect(joined).toBeAllClose(recorded(`exit_out_${k}`), tolerance);
      }
      expect(skips.finish(state).dataSync()).toBeAllClose(recorded('out'), tolerance);
    });
  });

  it('is left from the last encoder block on where skips are joined, and after any block plainly', () => {
    expect(uvit.firstExit({ ...spec, exitRule: 'skips' })).toBe(2);
    expect(uvit.firstExit({ ...spec, exitRule: 'plain' })).toBe(1);
    expect(pick(io, 'exit_out_2').shape).toEqual([2, 3, 16, 16]);
    expect(io['exit_out_1']).toBeUndefined();
    tf.tidy(() => {
      const backbone = uvit.bind(spec, uploadAll(weights));
      const early = backbone.block(backbone.embed(recordedQuery(tiny)), 1);
      expect(() => backbone.leave(early, 1)).toThrow('exit 1 is before the last skip');
    });
  });

  it('equals the official class when traced and run by onnxruntime, and on the WebAssembly backend', async () => {
    for (const engine of [onnxEngine({ threads: 1, reason: 'test' }), wasm]) {
      const options = { state: {}, batch: queryInputs(spec), frozen: weights };
      const compiled = await engine.compile(fullStep(spec), options);
      const { y } = await compiled(recordedFeeds(tiny));
      expect(y?.data).toBeAllClose(recorded('out'), tolerance);
      await compiled.dispose();
    }
  });

  it('computes a mixed batch as its samples one by one', () => {
    tf.tidy(() => {
      const uploaded = uploadAll(weights);
      const query = recordedQuery(tiny);
      const single = [0, 1].map((i) => full(spec, uploaded, someOf(query, i)));
      const together = full(spec, uploaded, query);
      expect(together.dataSync()).toBeAllClose(tf.concat(single).dataSync(), 2e-6);
    });
  });

  it('lends heads its last layer and its block', () => {
    tf.tidy(() => {
      const uploaded = uploadAll(weights);
      const renamed = (shapes: object, official: (name: string) => string): Tensors =>
        Object.fromEntries(Object.keys(shapes).map((name) => [name, uploaded[official(name)]!]));
      const backbone = uvit.bind(spec, uploaded);
      const before = backbone.embed(recordedQuery(tiny));
      const after = backbone.block(before, 1);
      const block = renamed(uvit.extraBlock.shapes(spec), (name) => `in_blocks.0.${name}`);
      expect(uvit.extraBlock.run(spec, block, before).hidden.dataSync()).toEqual(after.hidden.dataSync());
      const last = renamed(uvit.last.shapes(spec), (name) => uvit.last.official(name));
      expect(uvit.last.run(spec, last, after).dataSync()).toEqual(backbone.finish(after).dataSync());
    });
  });

  it('has the multiply-adds of a closed formula at every exit, skip linears included', () => {
    const { tokens: n, width: d, patch, channels, imageSize } = spec;
    const patches = (imageSize / patch) ** 2;
    const embed = patches * channels * patch ** 2 * d;
    const block = n * 12 * d * d + 2 * n * n * d;
    const skip = n * 2 * d * d;
    const last = patches * d * channels * patch ** 2 + 9 * channels ** 2 * imageSize ** 2;
    const macs = (exitRule: UvitSpec['exitRule'], exit: number): number =>
      exitMacs(
        { spec: { ...spec, exitRule }, backbone: weights, plans: [{ kind: 'shared', exit }], heads: {} },
        exit,
      );
    const whole = exitMacs({ spec, backbone: weights, plans: [], heads: {} }, 5);
    expect(whole).toBe(embed + 5 * block + 2 * skip + last);
    for (const exit of [2, 3, 4]) expect(macs('skips', exit)).toBe(embed + exit * block + 2 * skip + last);
    expect(macs('plain', 1)).toBe(embed + block + last);
    expect(macs('plain', 4)).toBe(embed + 4 * block + skip + last);
  });
});

const smallQuery = (): Query =>
  labelQuery(
    tf.tensor4d(stream(1, 'x').normals(2 * 128), [2, 2, 8, 8]),
    tf.tensor1d([7, 800]),
    tf.tensor1d([3, 1], 'int32'),
  );

describe('U-ViT', () => {
  it('reads time through an MLP and puts out plain patches where the options say so', () => {
    const names = Object.keys(uvit.shapes(timeMlp));
    expect(uvit.shapes(timeMlp)).toMatchObject({
      'time_embed.0.weight': [64, 16],
      'time_embed.0.bias': [64],
      'time_embed.2.weight': [16, 64],
      'time_embed.2.bias': [16],
      'label_emb.weight': [4, 16],
    });
    expect(names.filter((name) => name.startsWith('final_layer'))).toEqual([]);
    tf.tidy(() => {
      const uploaded = uploadAll(lively(timeMlp));
      const first = someOf(smallQuery(), 0);
      const { hidden, condition } = uvit.bind(timeMlp, uploaded).embed(first);
      // Row 0 is the label, row 1 the time: silu(waves W0^T + b0) W2^T + b2, positions on top.
      const waves = tf.tensor2d(
        [...Array(16).keys()].map((j) => (j < 8 ? Math.cos : Math.sin)(7 * 10000 ** (-(j % 8) / 8))),
        [1, 16],
      );
      const dense = (x: tf.Tensor, name: string): tf.Tensor =>
        tf.add(
          tf.matMul(x, uploaded[`${name}.weight`] as tf.Tensor2D, false, true),
          uploaded[`${name}.bias`]!,
        );
      const wide = dense(waves, 'time_embed.0');
      const time = dense(tf.mul(wide, tf.sigmoid(wide)), 'time_embed.2');
      expect(condition.dataSync()).toBeAllClose(time.dataSync(), 1e-6);
      const positions = tf.squeeze(uploaded['pos_embed']!, [0]);
      const expected = tf.concat([tf.slice(uploaded['label_emb.weight']!, 3, 1), time]);
      const rows = tf.slice(tf.squeeze(hidden, [0]), 0, 2);
      expect(rows.dataSync()).toBeAllClose(tf.add(expected, tf.slice(positions, 0, 2)).dataSync(), 1e-6);
    });
  });

  it('does not look at the label where it is unconditional', () => {
    const { spec, weights } = tinyUvit('uncond');
    tf.tidy(() => {
      const uploaded = uploadAll(weights);
      const query = recordedQuery(tinyUvit('uncond'));
      const other = labelQuery(query.x, query.t, tf.tensor1d([5, 9], 'int32'));
      expect(full(spec, uploaded, other).dataSync()).toEqual(full(spec, uploaded, query).dataSync());
    });
  });

  it('knows names that other U-ViTs have', () => {
    const strange = ['label_emb.weight', 'time_embed.0.bias', 'final_layer.weight', 'context_embed.weight'];
    for (const name of [...strange, 'in_blocks.0.attn.qkv.bias']) expect(uvit.hasElsewhere(name)).toBe(true);
    for (const name of ['ema_decay', 'mid_block.extra']) expect(uvit.hasElsewhere(name)).toBe(false);
  });

  it('has the gradient of finite differences by every parameter, and keeps no tensor', async () => {
    await expect(() => {
      tf.tidy(() => {
        const spec = uvitSpec({ ...options, conv: true });
        const weights = lively(spec);
        const uploaded = uploadAll(weights);
        const query = smallQuery();
        const names = Object.keys(weights);
        const loss = (given: Tensors): tf.Scalar => tf.mean(tf.square(full(spec, given, query)));
        const { grads } = tf.valueAndGrads((...given) =>
          loss({ ...uploaded, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) }),
        )(names.map((name) => uploaded[name]!));
        // Along its own gradient a parameter moves the loss by the gradient's square.
        const h = 1e-2;
        names.forEach((name, i) => {
          const along = tf.div(grads[i]!, tf.norm(grads[i]!));
          const at = (step: number): number =>
            loss({ ...uploaded, [name]: tf.add(uploaded[name]!, tf.mul(along, step)) }).dataSync()[0]!;
          const slope = tf.norm(grads[i]!).dataSync()[0]!;
          expect(slope).toBeGreaterThan(0);
          expect(Math.abs((at(h) - at(-h)) / (2 * h) - slope)).toBeLessThan(2e-4 + 0.02 * slope);
        });
      });
    }).toKeepTensorCount();
  });
});
