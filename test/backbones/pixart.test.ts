import { beforeAll, describe, expect, it } from '@jest/globals';
import type { PixartSpec, Query } from '../../src/backbones/backbone.js';
import { exitsForHeads } from '../../src/backbones/families.js';
import { initialWeights, trainable } from '../../src/backbones/init.js';
import { pixart } from '../../src/backbones/pixart.js';
import { pixartSpec } from '../../src/backbones/pixartSpec.js';
import { positions } from '../../src/backbones/positions.js';
import type { Step, Tensors } from '../../src/engine/engine.js';
import { tf } from '../../src/engine/tf.js';
import { exitMacs, exitStep, queryInputs } from '../../src/exits/model.js';
import { runTo } from '../../src/exits/run.js';
import { stream } from '../../src/random.js';
import { pick, uploadAll } from '../fixtures.js';
import { someOf } from '../queries.js';
import { recordedFeeds, recordedQuery, tinyPixart } from '../tiny-pixart.js';
import { eager, moved, onnx } from '../training/tiny.js';

const none = { plans: [], weights: {} };
const tolerance = 2e-5;

function full(spec: PixartSpec, weights: Tensors, query: Query, depth = spec.depth): tf.Tensor4D {
  return runTo(pixart.bind({ ...spec, depth }, weights), none, query, depth);
}

beforeAll(() => tf.setBackend('wasm'));

describe('the recorded PixArt', () => {
  const tiny = tinyPixart('pixart');
  const { spec, weights, io } = tiny;
  const recorded = (name: string): ArrayLike<number> => pick(io, name).data;

  it('computes every recorded tensor on WebAssembly', () => {
    tf.tidy(() => {
      const backbone = pixart.bind(spec, uploadAll(weights));
      expect(positions(spec)).toBeAllClose(recorded('pos_embed'), 1e-6);
      let state = backbone.embed(recordedQuery(tiny));
      expect(state.condition.dataSync()).toBeAllClose(recorded('embedded_timestep'), tolerance);
      expect(state.shared?.adaptive.dataSync()).toBeAllClose(recorded('adaln_single'), tolerance);
      expect(state.shared?.caption.dataSync()).toBeAllClose(recorded('caption_projected'), tolerance);
      for (let k = 1; k <= spec.depth; k++) {
        state = backbone.block(state, k);
        expect(state.hidden.dataSync()).toBeAllClose(recorded(`block_0${k - 1}`), tolerance);
        const left = backbone.finish(backbone.leave(state, k));
        expect(left.dataSync()).toBeAllClose(recorded(`exit_out_${k}`), tolerance);
      }
      expect(backbone.finish(state).dataSync()).toBeAllClose(recorded('out'), tolerance);
    });
  });

  it('reads all tokens where the mask is full', () => {
    tf.tidy(() => {
      const everything = recordedQuery(tiny, new Float32Array(pick(io, 'caption_mask').data.length).fill(1));
      const out = full(spec, uploadAll(weights), everything);
      expect(out.dataSync()).toBeAllClose(recorded('out_nomask'), tolerance);
    });
  });

  it('computes every exit on onnxruntime, whatever the length captions are padded to', async () => {
    const longer = { ...spec, captionTokens: 12 };
    for (const wide of [spec, longer]) {
      const padded = (name: string, width: number): Float32Array => {
        const [batch = 0, tokens = 0] = pick(io, name).shape;
        const all = new Float32Array(batch * wide.captionTokens * width).fill(0);
        for (let i = 0; i < batch; i++)
          all.set(
            Float32Array.from(recorded(name)).subarray(i * tokens * width, (i + 1) * tokens * width),
            i * wide.captionTokens * width,
          );
        return all;
      };
      for (let k = 1; k <= spec.depth; k++) {
        const step: Step = (state, batch, frozen) =>
          exitStep({ spec: { ...wide, depth: k }, plans: [] }, k, false)(state, batch, frozen);
        const compiled = await onnx.compile(step, { state: {}, batch: queryInputs(wide), frozen: weights });
        const { prediction } = await compiled({
          ...recordedFeeds(tiny),
          caption: padded('caption', wide.captionChannels),
          captionMask: padded('caption_mask', 1),
        });
        expect(prediction?.data).toBeAllClose(recorded(`exit_out_${k}`), tolerance);
        await compiled.dispose();
      }
    }
  });

  it('computes a mixed batch as its samples one by one', () => {
    tf.tidy(() => {
      const uploaded = uploadAll(weights);
      const query = recordedQuery(tiny);
      const single = [0, 1, 2].map((i) => full(spec, uploaded, someOf(query, i)));
      expect(full(spec, uploaded, query).dataSync()).toBeAllClose(tf.concat(single).dataSync(), 1e-6);
    });
  });

  it('names the parameters of the file, no more and no less', () => {
    const shapes = Object.entries(weights).map(([name, { shape }]) => [name, [...shape]]);
    expect(pixart.shapes(spec)).toEqual(Object.fromEntries(shapes));
  });

  it('lends heads its last layer', () => {
    tf.tidy(() => {
      const all = uploadAll(weights);
      const state = pixart.bind(spec, all).embed(recordedQuery(tiny));
      const names = Object.keys(pixart.last.shapes(spec));
      const own = Object.fromEntries(names.map((name) => [name, all[pixart.last.official(name)]!]));
      const expected = pixart.bind(spec, all).finish(state);
      expect(pixart.last.run(spec, own, state).dataSync()).toEqual(expected.dataSync());
    });
    expect(exitsForHeads(spec)).toEqual([1, 2]);
  });

  it('keeps no tensor', async () => {
    await expect(() => {
      tf.tidy(() => {
        full(spec, uploadAll(weights), recordedQuery(tiny));
      });
    }).toKeepTensorCount();
  });
});

describe('the recorded PixArt for large images', () => {
  it('embeds their size, and computes every exit eagerly and compiled', async () => {
    const tiny = tinyPixart('pixart-large');
    const { spec, weights, io } = tiny;
    const recorded = (name: string): ArrayLike<number> => pick(io, name).data;
    expect(spec).toMatchObject({ interpolation: 2, sizeConditions: true });
    expect(positions(spec, spec.interpolation)).toBeAllClose(recorded('pos_embed'), 1e-6);
    tf.tidy(() => {
      const { condition, shared } = pixart.bind(spec, uploadAll(weights)).embed(recordedQuery(tiny));
      expect(condition.dataSync()).toBeAllClose(recorded('embedded_timestep'), tolerance);
      expect(shared?.adaptive.dataSync()).toBeAllClose(recorded('adaln_single'), tolerance);
    });
    for (const engine of [eager, onnx])
      for (const k of [1, 2]) {
        const step = exitStep({ spec: { ...spec, depth: k }, plans: [] }, k, false);
        const compiled = await engine.compile(step, {
          ...{ state: {}, batch: queryInputs(spec), frozen: weights },
        });
        const { prediction } = await compiled(recordedFeeds(tiny));
        expect(prediction?.data).toBeAllClose(recorded(`exit_out_${k}`), tolerance);
        await compiled.dispose();
      }
  });
});

const small = pixartSpec({
  ...{
    num_layers: 2,
    num_attention_heads: 2,
    attention_head_dim: 12,
    cross_attention_dim: 24,
    in_channels: 2,
  },
  ...{ out_channels: 4, sample_size: 8, patch_size: 4, caption_channels: 5, caption_tokens: 3 },
  use_additional_conditions: true,
});
const lively = (spec: PixartSpec) => moved(initialWeights(spec, 1), 0.1);
const smallQuery = (): Query => ({
  x: tf.tensor4d(stream(1, 'x').normals(2 * 128), [2, 2, 8, 8]),
  t: tf.tensor1d([7, 800]),
  prompt: {
    kind: 'caption',
    tokens: tf.tensor3d(stream(1, 'caption').normals(2 * 15), [2, 3, 5]),
    mask: tf.tensor2d([1, 1, 1, 1, 0, 0], [2, 3]),
  },
});

describe('PixArt', () => {
  it('refuses a class, which is our mistake', () => {
    tf.tidy(() => {
      const query: Query = { ...smallQuery(), prompt: { kind: 'label', y: tf.tensor1d([1, 2], 'int32') } };
      expect(() => full(small, uploadAll(lively(small)), query)).toThrow('was given a class');
    });
  });

  it('takes nothing from tokens that do not count', () => {
    tf.tidy(() => {
      const query = smallQuery();
      if (query.prompt.kind !== 'caption') throw new Error('a caption was made');
      const { tokens, mask } = query.prompt;
      const noise = tf.mul(tf.sub(1, tf.expandDims(mask, 2)), 50);
      const other: Query = { ...query, prompt: { kind: 'caption', mask, tokens: tf.add(tokens, noise) } };
      const uploaded = uploadAll(lively(small));
      expect(full(small, uploaded, other).dataSync()).toEqual(full(small, uploaded, query).dataSync());
    });
  });

  it('starts a new block so that it changes nothing and can learn', () => {
    tf.tidy(() => {
      const { extraBlock } = pixart;
      const state = pixart.bind(small, uploadAll(lively(small))).embed(smallQuery());
      const started = Object.fromEntries(
        Object.entries(extraBlock.shapes(small)).map(([name, shape]) => [
          name,
          extraBlock.start(name) === 'zero' ? tf.zeros([...shape]) : tf.randomNormal([...shape]),
        ]),
      );
      expect(extraBlock.run(small, started, state).hidden.dataSync()).toEqual(state.hidden.dataSync());
    });
  });

  it('counts the multiply-adds of captions and patches', () => {
    const spec = { ...small, sizeConditions: false };
    const [n, d, l, c, wide] = [4, 24, 3, 5, 96];
    const embed = n * d * 2 * 16 + (256 + d) * d + 6 * d * d + l * (c * d + d * d);
    const block =
      4 * n * d * d + 2 * n * n * d + 2 * n * d * d + 2 * l * d * d + 2 * n * l * d + 2 * n * d * wide;
    const last = n * d * 16 * 4;
    const model = { spec, backbone: lively(spec), plans: [{ kind: 'shared', exit: 1 } as const], heads: {} };
    expect(exitMacs(model, 1)).toBe(embed + block + last);
    expect(exitMacs(model, 2)).toBe(embed + 2 * block + last);
  });

  it('computes alike eagerly and compiled, guided and not', async () => {
    const frozen = lively(small);
    const random = stream(2, 'feeds');
    const feeds = {
      x: random.normals(3 * 128),
      t: Float32Array.of(0, 500, 999),
      caption: random.normals(3 * 15),
      captionMask: Float32Array.of(1, 1, 1, 1, 1, 0, 1, 0, 0),
    };
    const guidance = { scale: 3, nullCaption: random.normals(15), nullCaptionMask: Float32Array.of(1, 0, 0) };
    const inputs = {
      scale: { shape: [] },
      nullCaption: { shape: [1, 3, 5] },
      nullCaptionMask: { shape: [1, 3] },
    };
    for (const isGuided of [false, true]) {
      const [a, b] = await Promise.all(
        [onnx, eager].map(async (engine) => {
          const compiled = await engine.compile(exitStep({ spec: small, plans: [] }, 2, isGuided), {
            ...{ state: {}, frozen, batch: { ...queryInputs(small), ...(isGuided && inputs) } },
          });
          const { prediction } = await compiled({ ...feeds, ...(isGuided && guidance) });
          await compiled.dispose();
          return prediction;
        }),
      );
      expect(a?.shape).toEqual([3, 4, 8, 8]);
      expect(a?.data).toBeAllClose(b?.data ?? [], tolerance);
    }
  });

  it('has the gradient of finite differences by every parameter', () => {
    tf.tidy(() => {
      const weights = lively(small);
      const uploaded = uploadAll(weights);
      const query = smallQuery();
      const names = Object.keys(weights);
      const loss = (given: Tensors): tf.Scalar => tf.mean(tf.square(full(small, given, query)));
      const { grads } = tf.valueAndGrads((...given) =>
        loss({ ...uploaded, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) }),
      )(names.map((name) => uploaded[name]!));
      const h = 1e-2;
      names.forEach((name, i) => {
        const slope = tf.norm(grads[i]!).dataSync()[0]!;
        // A bias of keys moves all scores of a query alike.
        if (/to_k\.bias$/.test(name)) return expect(slope).toBeLessThan(1e-5);
        const along = tf.div(grads[i]!, tf.norm(grads[i]!));
        const at = (step: number): number =>
          loss({ ...uploaded, [name]: tf.add(uploaded[name]!, tf.mul(along, step)) }).dataSync()[0]!;
        expect(slope).toBeGreaterThan(0);
        expect(Math.abs((at(h) - at(-h)) / (2 * h) - slope)).toBeLessThan(2e-4 + 0.02 * slope);
      });
    });
  });

  it('starts training from weights of which all can move', () => {
    expect(trainable(small)).toEqual(Object.keys(pixart.shapes(small)));
    const initial = initialWeights(small, 3);
    expect(initial['proj_out.weight']?.data.every((x) => x === 0)).toBe(true);
    expect(initial['transformer_blocks.0.scale_shift_table']?.data.some((x) => x !== 0)).toBe(true);
  });

  it('knows names that other PixArts have', () => {
    expect(pixart.hasElsewhere('adaln_single.emb.resolution_embedder.linear_1.weight')).toBe(true);
    expect(pixart.hasElsewhere('pos_embed.pos_embed')).toBe(false);
  });
});
