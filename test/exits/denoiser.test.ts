import { describe, expect, it } from '@jest/globals';
import type { Engine } from '../../src/engine/engine.js';
import type { StoredTensor } from '../../src/engine/tensors.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { headPlan, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { outline } from '../../src/trace/trace.js';
import * as diffusers from '../tiny-diffusers.js';
import { tinyUvit } from '../tiny-uvit.js';
import { eager, livelyWeights, moved, onnx, spec } from '../training/tiny.js';

const backbone = livelyWeights();
const plans: readonly HeadPlan[] = [
  { kind: 'adapter', exit: 1, bottleneck: 4 },
  { kind: 'shared', exit: 2 },
];
const model: Model = { spec, backbone, plans, heads: moved(initialHeads(spec, plans, backbone, 1), 0.05) };
/** Nobody reads it; with it a model is too large for a copy per exit. */
const unread: StoredTensor = { path: 'nowhere', offset: 0, bytes: 2 ** 28, dtype: 'F32', shape: [2 ** 26] };
const large: Model = { ...model, backbone: { ...backbone, unread } };
const x = stream(0, 'x').normals(2 * 64);
const y = Int32Array.of(1, 3);

/** An engine that counts how often its steps are called. */
function counting(engine: Engine): { engine: Engine; calls: number[] } {
  const calls: number[] = [];
  return {
    calls,
    engine: {
      ...engine,
      compile: async (step, options) => {
        const compiled = await engine.compile(step, options);
        const at = calls.push(0) - 1;
        return Object.assign((feeds: Parameters<typeof compiled>[0]) => {
          calls[at] = (calls[at] ?? 0) + 1;
          return compiled(feeds);
        }, compiled);
      },
    },
  };
}

describe('a denoiser', () => {
  it.each([
    ['whole', model, false, 3],
    ['whole', model, true, 3],
    // Three stretches, each with a head at its end.
    ['cut', large, false, 6],
    ['cut', large, true, 6],
  ] as const)(
    'warms up every step with two calls, which change no prediction: %s exits',
    async (_, model, guided, steps) => {
      const request = { x, t: 40, y, guidance: guided ? 2 : 1 };
      const cold = await openDenoiser(onnx, model, [1, 2, 3], guided);
      const { engine, calls } = counting(onnx);
      const warm = await openDenoiser(engine, model, [1, 3, 2, 1], guided);
      await warm.warmUp(5);
      expect(calls).toEqual(Array.from({ length: steps }, () => 2));
      for (const exit of [1, 2, 3]) {
        const prediction = await warm.begin().predict(exit, request);
        expect(prediction).toEqual(await cold.begin().predict(exit, request));
        expect(prediction).toHaveLength(128);
      }
      await warm.dispose();
      await cold.dispose();
    },
  );

  it('of a large model reads every weight in one step alone, be it of a block or of a head', async () => {
    const reads: string[] = [];
    const engine: Engine = {
      ...onnx,
      compile: (step, options) => {
        reads.push(...outline(step, options).frozen);
        return onnx.compile(step, options);
      },
    };
    await (await openDenoiser(engine, large, [1, 3, 2], true)).dispose();
    const again = reads.filter((name, i) => reads.indexOf(name) < i);
    // A shared head is the backbone's own last layer.
    expect(again.every((name) => name.startsWith('final_layer.'))).toBe(true);
    expect(new Set(reads).size).toBe(Object.keys(backbone).length + Object.keys(model.heads).length);
  });

  const [cond, uncond] = [tinyUvit('cond'), tinyUvit('uncond', 'plain')];
  it.each([
    ['a DiT', spec, backbone, [1, 2, 3]],
    ['a DiT whose blocks have embedders of their own', diffusers.tinySpec, diffusers.tinyWeights, [1, 3]],
    ['a U-ViT', cond.spec, cond.weights, [2, 3, cond.spec.depth]],
    ['a U-ViT without joined skips', uncond.spec, uncond.weights, [1, 4, uncond.spec.depth]],
  ] as const)('cut at its exits predicts what whole exits do: %s', async (_, of, weights, exits) => {
    const plans = exits.filter((exit) => exit < of.depth).map((exit) => headPlan('shared', exit));
    const small: Model = { spec: of, backbone: weights, plans, heads: {} };
    const large: Model = { ...small, backbone: { ...weights, unread } };
    const noise = stream(0, 'x').normals(2 * of.channels * of.imageSize ** 2);
    for (const guidance of of.nullClass ? [1, 2] : [1]) {
      const cut = await openDenoiser(onnx, large, exits, guidance !== 1);
      const whole = await openDenoiser(onnx, small, exits, guidance !== 1);
      for (const exit of exits) {
        const request = { x: noise, t: 40, y: Int32Array.of(0, of.classes > 1 ? 1 : 0), guidance };
        const expected = await whole.begin().predict(exit, request);
        expect(await cut.begin().predict(exit, request)).toBeAllClose(expected, 1e-5);
      }
      await cut.dispose();
      await whole.dispose();
    }
  });

  it('guides from the unconditional prediction through the conditional one', async () => {
    const plain = await openDenoiser(onnx, model, [1], false);
    const guided = await openDenoiser(onnx, model, [1], true);
    const conditional = await plain.begin().predict(1, { x, t: 40, y, guidance: 1 });
    const none = new Int32Array(2).fill(spec.classes);
    const unconditional = await plain.begin().predict(1, { x, t: 40, y: none, guidance: 1 });
    expect(await guided.begin().predict(1, { x, t: 40, y, guidance: 3 })).toBeAllClose(
      Array.from(unconditional, (u, i) => u + 3 * ((conditional[i] ?? NaN) - u)),
      1e-5,
    );
    await plain.dispose();
    await guided.dispose();
  });

  it('knows the exits that were opened, and no other', async () => {
    const denoiser = await openDenoiser(onnx, model, [2], false);
    await expect(denoiser.begin().predict(3, { x, t: 0, y, guidance: 1 })).rejects.toThrow(
      'exit 3 was not opened',
    );
    await denoiser.dispose();
  });

  it('keeps no tensor of an eager run', async () => {
    await expect(async () => {
      const denoiser = await openDenoiser(eager, model, [1, 3], true);
      await denoiser.warmUp(1);
      await denoiser.begin().predict(3, { x, t: 40, y, guidance: 2 });
      await denoiser.dispose();
    }).toKeepTensorCount();
  });
});
