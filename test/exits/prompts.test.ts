import { describe, expect, it } from '@jest/globals';
import type { StoredTensor } from '../../src/engine/tensors.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { headPlan, initialHeads } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import {
  nonePrompt,
  promptInputs,
  guidanceInputs,
  promptsOf,
  type Captions,
} from '../../src/exits/prompts.js';
import { stream } from '../../src/random.js';
import { eager, livelyWeights, moved, onnx, spec as ditSpec } from '../training/tiny.js';
import { madePixart } from '../tiny-pixart.js';

const spec = madePixart(3, 1, 3);
const [tokens, channels] = [3, 6];

/** Four captions and the null caption; what is read is kept in `reads`. */
function made(): Captions & { readonly reads: number[][] } {
  const reads: number[][] = [];
  return {
    reads,
    count: 4,
    fingerprint: 'made',
    read: (numbers) => {
      reads.push([...numbers]);
      const embedded = [...numbers].map((n) => stream(n, 'caption').normals(tokens * channels));
      const masks = [...numbers].map((n) => [1, Number(n < 4), Number(n < 2)]);
      return Promise.resolve({
        tokens: Float32Array.from(embedded.flatMap((one) => [...one])),
        mask: Float32Array.from(masks.flat()),
      });
    },
  };
}

const backbone = livelyWeights(spec);
const plans = [headPlan('adapter', 1, { bottleneck: 4 }), headPlan('block', 2)];
const model: Model = { spec, backbone, plans, heads: moved(initialHeads(spec, plans, backbone, 1), 0.05) };
/** Nobody reads it; with it a model is too large for a copy per exit. */
const unread: StoredTensor = { path: 'nowhere', offset: 0, bytes: 2 ** 28, dtype: 'F32', shape: [2 ** 26] };
const large: Model = { ...model, backbone: { ...backbone, unread } };
const x = stream(0, 'x').normals(2 * 64);

describe('a denoiser that is told captions', () => {
  it('predicts alike compiled whole, cut at its exits, and eagerly; guided and not', async () => {
    for (const guidance of [1, 3]) {
      const request = { x, t: 40, y: Int32Array.of(2, 0), guidance };
      const predictions: Float32Array[][] = [];
      for (const [engine, of] of [
        [onnx, model],
        [onnx, large],
        [eager, model],
      ] as const) {
        const denoiser = await openDenoiser(engine, of, [1, 2, 3], guidance !== 1, promptsOf(spec, made()));
        predictions.push([]);
        for (const exit of [1, 2, 3]) predictions.at(-1)?.push(await denoiser.begin().predict(exit, request));
        await denoiser.dispose();
      }
      const [whole = [], ...others] = predictions;
      expect(whole.map(({ length }) => length)).toEqual([256, 256, 256]);
      for (const other of others)
        other.forEach((prediction, i) => expect(prediction).toBeAllClose(whole[i] ?? [], 1e-5));
    }
  });

  it('guides from the null caption through the caption, and leaves the variance to the caption', async () => {
    const prompts = promptsOf(spec, made());
    const plain = await openDenoiser(onnx, model, [2], false, prompts);
    const guided = await openDenoiser(onnx, model, [2], true, prompts);
    const ask = { x, t: 70, guidance: 1 };
    const on = await plain.begin().predict(2, { ...ask, y: Int32Array.of(1, 3) });
    const off = await plain.begin().predict(2, { ...ask, y: Int32Array.of(4, 4) });
    const found = await guided.begin().predict(2, { ...ask, y: Int32Array.of(1, 3), guidance: 2.5 });
    // Of each sample, 64 numbers of epsilon and 64 of variance.
    const isEpsilon = (i: number): boolean => i % 128 < 64;
    const expected = on.map((value, i) =>
      isEpsilon(i) ? (off[i] ?? NaN) + 2.5 * (value - (off[i] ?? NaN)) : value,
    );
    expect(found).toBeAllClose(expected, 1e-5);
    await plain.dispose();
    await guided.dispose();
  });

  it('reads the captions of a batch once, and the null caption once', async () => {
    const captions = made();
    const denoiser = await openDenoiser(onnx, model, [1], true, promptsOf(spec, captions));
    for (const t of [90, 50, 10])
      await denoiser.begin().predict(1, { x, t, y: Int32Array.of(3, 1), guidance: 2 });
    expect(captions.reads).toEqual([[3, 1], [4]]);
    await denoiser.dispose();
  });
});

describe('prompts', () => {
  it('of classes need no lookup, and guidance nothing but its scale', async () => {
    const prompts = promptsOf(ditSpec);
    expect(prompts).toMatchObject({ count: 4, none: 4 });
    expect(await prompts.feeds(Int32Array.of(1))).toEqual({ y: Int32Array.of(1) });
    expect(await prompts.guidanceFeeds(2)).toEqual({ scale: 2 });
    expect(promptInputs(ditSpec)).toEqual({ y: { shape: ['batch'], dtype: 'int32' } });
    expect(guidanceInputs(ditSpec)).toEqual({ scale: { shape: [] } });
  });

  it('of an unconditional backbone cannot be left out', () => {
    const unconditional = { ...ditSpec, classes: 0, nullClass: false };
    expect(promptsOf(unconditional)).toMatchObject({ count: 0, none: undefined });
    expect(() => nonePrompt({}, unconditional)).toThrow('no null class');
  });

  it('of captions have the shapes that the spec gives', () => {
    expect(promptInputs(spec)).toEqual({
      caption: { shape: ['batch', 3, 6] },
      captionMask: { shape: ['batch', 3] },
    });
    expect(guidanceInputs(spec)).toEqual({
      scale: { shape: [] },
      nullCaption: { shape: [1, 3, 6] },
      nullCaptionMask: { shape: [1, 3] },
    });
    expect(() => promptsOf(spec)).toThrow('is told captions, and none were given');
  });
});
