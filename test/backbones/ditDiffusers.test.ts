import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DitSpec, State } from '../../src/backbones/backbone.js';
import { dit } from '../../src/backbones/dit.js';
import {
  diffusersDitJson,
  nameFromDiffusers,
  nameInDiffusers,
  readDiffusersDit,
} from '../../src/backbones/ditDiffusers.js';
import { positions } from '../../src/backbones/positions.js';
import { readSpec, specJson } from '../../src/backbones/spec.js';
import type { Tensors } from '../../src/engine/engine.js';
import { onnxEngine } from '../../src/engine/onnx.js';
import { pickEngine } from '../../src/engine/pick.js';
import { tf } from '../../src/engine/tf.js';
import { exitMacs, exitStep, queryInputs } from '../../src/exits/model.js';
import { pick, uploadAll } from '../fixtures.js';
import { tinyIo, tinySpec as spec, tinyWeights, theirJson, theirWeights } from '../tiny-diffusers.js';
import { recordedQuery, tinySpec as officialSpec } from '../tiny-dit.js';

/** A correct port is a few 1e-7 off. */
const tolerance = 5e-6;
const recorded = (name: string): ArrayLike<number> => pick(tinyIo, name).data;
const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? NaN))), 0);
const silu = (values: ArrayLike<number>): number[] => Array.from(values, (x) => x / (1 + Math.exp(-x)));

// The engine sets its backend up.
const wasm = await pickEngine({ kind: 'wasm', threads: 0 });
beforeAll(() => tf.setBackend('cpu'));

describe('a DiT of diffusers', () => {
  it('has every difference as a field of its spec', () => {
    expect(spec).toEqual({
      ...officialSpec,
      ...{ size: 'DiT-3x48/2', depth: 3, timeShift: 1, mlpNormEpsilon: 1e-5 },
      ...{ projections: 'split', embedders: 'per-block', positions: 'computed' },
    });
  });

  it('asks for exactly the parameters of their class', () => {
    const theirs = Object.entries(tinyWeights).map(([name, { shape }]) => [name, shape]);
    expect(dit.shapes(spec)).toEqual(Object.fromEntries(theirs));
  });

  it('equals their class in positions, condition, every block, every exit and the last layer', () => {
    expect(positions(spec)).toBeAllClose(recorded('pos_embed'), 1e-7);
    tf.tidy(() => {
      const backbone = dit.bind(spec, uploadAll(tinyWeights));
      let state: State = backbone.embed(recordedQuery(tinyIo));
      for (let k = 1; k <= spec.depth; k++) {
        state = backbone.block(state, k);
        expect(state.hidden.dataSync()).toBeAllClose(recorded(`block_0${k - 1}`), tolerance);
        // The last layer takes the condition of the first block, whichever block ran last.
        expect(state.condition.dataSync()).toBeAllClose(silu(recorded('cond_final')), tolerance);
        const exit = backbone.finish(backbone.leave(state, k));
        expect(exit.dataSync()).toBeAllClose(recorded(`exit_out_${k}`), tolerance);
      }
      expect(backbone.finish(state).dataSync()).toBeAllClose(recorded('out'), tolerance);
    });
  });

  it('equals their class when traced and run by onnxruntime, and on the WebAssembly backend', async () => {
    for (const engine of [onnxEngine({ threads: 1, reason: 'test' }), wasm])
      for (const exit of [1, 2, 3]) {
        const step = exitStep({ spec, plans: [{ kind: 'shared', exit }] }, exit, false);
        const options = { state: {}, batch: queryInputs(spec), frozen: tinyWeights };
        const compiled = await engine.compile(step, options);
        const [x, t, y] = ['x', 't', 'y'].map(recorded) as [Float32Array, Int32Array, Int32Array];
        const { prediction } = await compiled({ x, t, y });
        expect(prediction?.data).toBeAllClose(recorded(`exit_out_${exit}`), tolerance);
        await compiled.dispose();
      }
    await tf.setBackend('cpu');
  });

  it.each<[string, Partial<DitSpec>, number]>([
    ['the shift of time', { timeShift: 0 }, 1e-3],
    ['the epsilon of the norm before the MLP', { mlpNormEpsilon: 1e-6 }, 5e-6],
  ])('is another model without %s', (_, change, least) => {
    tf.tidy(() => {
      const backbone = dit.bind({ ...spec, ...change }, uploadAll(tinyWeights));
      let state = backbone.embed(recordedQuery(tinyIo));
      for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
      expect(furthest(backbone.finish(state).dataSync(), recorded('out'))).toBeGreaterThan(least);
    });
  });

  it('embeds what a block needs when the block runs, so that leaving early costs nothing of later ones', () => {
    const { tokens: n, width: d, channels, patch, outChannels } = spec;
    const embed = n * channels * patch ** 2 * d;
    const embedder = 256 * d + d * d;
    const block = n * 12 * d * d + 2 * n * n * d + 6 * d * d + embedder;
    const last = 2 * d * d + n * d * patch ** 2 * outChannels;
    for (const exit of [1, 2, 3]) {
      const plans = [{ kind: 'shared', exit } as const];
      expect(exitMacs({ spec, backbone: tinyWeights, plans, heads: {} }, exit)).toBe(
        embed + exit * block + last,
      );
    }
  });

  it('computes the same from equal embedders in every block as from one', () => {
    const equal = { ...tinyWeights };
    const shared: Record<string, (typeof tinyWeights)[string]> = {};
    for (const [name, weight] of Object.entries(tinyWeights)) {
      const [, k, rest = ''] = /^blocks\.(\d+)\.([ty]_embedder\..+)$/.exec(name) ?? [];
      if (k === undefined) shared[name] = weight;
      else equal[name] = shared[rest] ??= weight;
    }
    tf.tidy(() => {
      const run = (spec: DitSpec, weights: Tensors): ArrayLike<number> => {
        const backbone = dit.bind(spec, weights);
        let state = backbone.embed(recordedQuery(tinyIo));
        for (let k = 1; k <= spec.depth; k++) state = backbone.block(state, k);
        return backbone.finish(state).dataSync();
      };
      const once = run({ ...spec, embedders: 'shared' }, uploadAll(shared));
      expect(once).toEqual(run(spec, uploadAll(equal)));
    });
  });

  it('knows names that other DiTs have', () => {
    const strange = ['pos_embed', 'blocks.0.attn.q.bias', 'blocks.2.y_embedder.embedding_table.weight'];
    for (const name of [...strange, 'blocks.1.attn.qkv.weight']) expect(dit.hasElsewhere(name)).toBe(true);
    for (const name of ['rope_cache', 'blocks.0.attn.rope']) expect(dit.hasElsewhere(name)).toBe(false);
  });
});

describe('names of diffusers', () => {
  it('lead to ours and back', () => {
    for (const name of Object.keys(theirWeights)) {
      const ours = nameFromDiffusers(name) ?? '';
      expect(ours).not.toBe(name);
      expect(nameInDiffusers(ours)).toBe(name);
    }
    expect(nameFromDiffusers('transformer_blocks.1.attn1.to_out.0.weight')).toBe('blocks.1.attn.proj.weight');
    expect(nameFromDiffusers('transformer_blocks.1.attn2.to_q.weight')).toBeUndefined();
    expect(nameInDiffusers('pos_embed')).toBeUndefined();
    expect(nameInDiffusers('blocks.0.attn.qkv.weight')).toBeUndefined();
  });
});

describe('a config.json of diffusers', () => {
  it('says what they wrote, and comes back from ours', () => {
    const { _diffusers_version: _, ...written } = theirJson;
    expect(diffusersDitJson(spec)).toEqual(written);
    expect(readSpec(theirJson, 'config.json')).toEqual(spec);
    expect(readSpec(specJson(spec), 'config.json')).toEqual(spec);
  });

  it('carries what their class does not know', () => {
    const official = { ...spec, timeShift: 0, mlpNormEpsilon: 1e-6, timeSteps: 250 } as const;
    const json = diffusersDitJson(official);
    expect(json).toMatchObject({ time_shift: 0, norm_eps: 1e-6, time_steps: 250 });
    expect(readDiffusersDit(json, 'config.json')).toEqual(official);
  });

  it('may be of the class that had DiT before, with its defaults and more keys', () => {
    const old = { _class_name: 'Transformer2DModel', num_vector_embeds: null, out_channels: 8 };
    expect(readSpec(old, 'config.json')).toMatchObject({ size: 'DiT-XL/2', imageSize: 32, outChannels: 8 });
  });

  it.each([
    ['another class', { _class_name: 'UNet2DModel' }, /_class_name: expected DiTTransformer2DModel/],
    ['another norm', { ...theirJson, norm_type: 'layer_norm' }, /norm_type: expected ada_norm_zero/],
    ['another activation', { ...theirJson, activation_fn: 'geglu' }, /activation_fn/],
    ['layers without bias', { ...theirJson, attention_bias: false }, /attention_bias/],
    ['norms with weights', { ...theirJson, norm_elementwise_affine: true }, /norm_elementwise_affine/],
    [
      'a patch that does not divide the input',
      { ...theirJson, patch_size: 3 },
      /does not divide sample_size 8/,
    ],
    ['other outputs', { ...theirJson, out_channels: 5 }, /out_channels 5 is neither in_channels 4 nor/],
    [
      'a width without a position table',
      { ...theirJson, attention_head_dim: 1, num_attention_heads: 2 },
      /no multiple of 4/,
    ],
    ['another shift', { ...theirJson, time_shift: 2 }, /time_shift/],
  ])('is refused with %s', (_, json, message) => {
    expect(() => readSpec(json, 'models/x/config.json')).toThrow(message);
    expect(() => readSpec(json, 'models/x/config.json')).toThrow(/models\/x\/config\.json describes no DiT/);
  });
});
