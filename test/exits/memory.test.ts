import { describe, expect, it } from '@jest/globals';
import { familyOf } from '../../src/backbones/families.js';
import { tf } from '../../src/engine/tf.js';
import type { StoredTensor } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { openDenoiser, type Request } from '../../src/exits/denoiser.js';
import { headPlan } from '../../src/exits/heads.js';
import { requireNoReturn, requireRemembered } from '../../src/exits/memory.js';
import type { Model } from '../../src/exits/model.js';
import { features, residualsOf, runHeads } from '../../src/exits/run.js';
import { stream } from '../../src/random.js';
import { outline } from '../../src/trace/trace.js';
import { uploadAll } from '../fixtures.js';
import { labelQuery } from '../queries.js';
import * as diffusers from '../tiny-diffusers.js';
import { tinyUvit } from '../tiny-uvit.js';
import { eager, livelyWeights, onnx, spec } from '../training/tiny.js';

const [cond, uncond] = [tinyUvit('cond'), tinyUvit('uncond', 'plain')];
const models = [
  ['a DiT', { spec, weights: livelyWeights() }, [1, 2]],
  ['a DiT of diffusers', { spec: diffusers.tinySpec, weights: diffusers.tinyWeights }, [1]],
  ['a U-ViT that joins its skips', cond, [2, 3]],
  ['a U-ViT that does not', uncond, [1, 4]],
] as const;
type Source = (typeof models)[number][1];

const remembering = ({ spec, weights }: Source, exits: readonly number[]): Model => ({
  spec,
  backbone: weights,
  plans: exits.map((exit) => headPlan('remembered', exit)),
  heads: {},
});
/** Nobody reads it; with it a model is too large for a copy per exit. */
const unread: StoredTensor = { path: 'nowhere', offset: 0, bytes: 2 ** 28, dtype: 'F32', shape: [2 ** 26] };
const large = (model: Model): Model => ({ ...model, backbone: { ...model.backbone, unread } });

function request({ spec }: Source, seed: number, t: number, guidance = 1, samples = 2): Request {
  const x = stream(seed, 'x').normals(samples * spec.channels * spec.imageSize ** 2);
  return { x, t, y: Int32Array.from({ length: samples }, (_, i) => (spec.classes > i ? i : 0)), guidance };
}

/** finish(ready_k(x, t) + ready_L(x', t') - ready_k(x', t')), from the backbone alone. */
async function byHand(
  { spec: of, weights }: Source,
  k: number,
  full: Request,
  now: Request,
): Promise<Float32Array> {
  // The engine left TensorFlow.js recording.
  await tf.setBackend('wasm');
  return tf.tidy(() => {
    const backbone = familyOf(of).bind(of, uploadAll(weights));
    const after = ({ x, t, y }: Request, blocks: number): ReturnType<typeof backbone.embed> => {
      const shape: [number, number, number, number] = [y.length, of.channels, of.imageSize, of.imageSize];
      let state = backbone.embed(
        labelQuery(tf.tensor4d(x, shape), tf.fill([y.length], t), tf.tensor1d(y, 'int32')),
      );
      for (let block = 1; block <= blocks; block++) state = backbone.block(state, block);
      return backbone.leave(state, blocks);
    };
    const ready = after(now, k);
    const missing = tf.sub(after(full, of.depth).hidden, after(full, k).hidden);
    return backbone.finish({ ...ready, hidden: tf.add(ready.hidden, missing) }).dataSync() as Float32Array;
  });
}

describe('an exit that remembers', () => {
  it.each(models)('adds what the last full-depth step found missing: %s', async (_, source, exits) => {
    const [full, now] = [request(source, 1, 60), request(source, 2, 40)];
    const model = remembering(source, exits);
    for (const which of [model, large(model)]) {
      const denoiser = await openDenoiser(onnx, which, [...exits, source.spec.depth], false);
      const trajectory = denoiser.begin();
      await trajectory.predict(source.spec.depth, full);
      for (const k of exits)
        expect(await trajectory.predict(k, now)).toBeAllClose(await byHand(source, k, full, now), 1e-5);
      await denoiser.dispose();
    }
  });

  it.each(models)('is full depth at the full-depth step itself: %s', async (_, source, exits) => {
    const { depth, nullClass } = source.spec;
    for (const guidance of nullClass ? [1, 2.5] : [1]) {
      const model = remembering(source, exits);
      const denoiser = await openDenoiser(onnx, model, [...exits, depth], guidance !== 1);
      const trajectory = denoiser.begin();
      const asked = request(source, 1, 60, guidance);
      const expected = await trajectory.predict(depth, asked);
      for (const k of exits) expect(await trajectory.predict(k, asked)).toBeAllClose(expected, 1e-5);
      await denoiser.dispose();
    }
  });

  it.each(models)('predicts alike whole and cut, guided and not: %s', async (_, source, exits) => {
    const { depth, nullClass } = source.spec;
    for (const guidance of nullClass ? [1, 2.5] : [1]) {
      const model = remembering(source, exits);
      const [whole, cut] = [
        await openDenoiser(onnx, model, [...exits, depth], guidance !== 1),
        await openDenoiser(onnx, large(model), [...exits, depth], guidance !== 1),
      ];
      await cut.warmUp(3);
      const [a, b] = [whole.begin(), cut.begin()];
      for (const [step, exit] of [depth, ...exits, depth, ...exits].entries()) {
        const asked = request(source, step, 90 - 10 * step, guidance);
        expect(await b.predict(exit, asked)).toBeAllClose(await a.predict(exit, asked), 1e-5);
      }
      await whole.dispose();
      await cut.dispose();
    }
  });

  const source = models[0][1];
  const { depth } = source.spec;

  it('remembers the last full-depth step, not those before it', async () => {
    const denoiser = await openDenoiser(onnx, remembering(source, [1]), [1, depth], false);
    const trajectory = denoiser.begin();
    const [first, second, now] = [90, 60, 40].map((t) => request(source, t, t));
    if (!first || !second || !now) throw new Error('three requests');
    await trajectory.predict(depth, first);
    await trajectory.predict(depth, second);
    expect(await trajectory.predict(1, now)).toBeAllClose(await byHand(source, 1, second, now), 1e-5);
    await denoiser.dispose();
  });

  it('remembers each sample and each half of guidance by itself', async () => {
    const model = remembering(source, [1]);
    const guided = await openDenoiser(onnx, model, [1, depth], true);
    const [full, now] = [request(source, 1, 60, 3), request(source, 2, 40, 3)];
    const together = guided.begin();
    await together.predict(depth, full);
    const both = await together.predict(1, now);

    const plain = await openDenoiser(onnx, model, [1, depth], false);
    const size = 64;
    const alone = async (i: number, y: number): Promise<Float32Array> => {
      const trajectory = plain.begin();
      const one = ({ x, t }: Request): Request => ({
        ...{ x: x.slice(i * size, (i + 1) * size), t, guidance: 1 },
        y: Int32Array.of(y),
      });
      await trajectory.predict(depth, one(full));
      return trajectory.predict(1, one(now));
    };
    for (const i of [0, 1]) {
      const [on, off] = [await alone(i, now.y[i] ?? NaN), await alone(i, spec.classes)];
      const expected = Array.from(off, (u, at) => u + 3 * ((on[at] ?? NaN) - u));
      expect(both.slice(i * size, (i + 1) * size)).toBeAllClose(expected, 1e-5);
    }
    await guided.dispose();
    await plain.dispose();
  });

  it('knows nothing of other trajectories', async () => {
    const denoiser = await openDenoiser(onnx, remembering(source, [1]), [1, depth], false);
    await denoiser.begin().predict(depth, request(source, 1, 60));
    const early = denoiser.begin().predict(1, request(source, 2, 40));
    await expect(early).rejects.toThrow(UserError);
    await expect(early).rejects.toThrow(
      'exit 1 remembers the last full-depth step, and there was none before it; ' +
        'a schedule of heads that remember begins with exit 3, the whole backbone.',
    );
    await denoiser.dispose();
  });

  it('leaves nothing behind in an eager run but what the trajectory holds as numbers', async () => {
    await expect(async () => {
      const denoiser = await openDenoiser(eager, remembering(source, [1, 2]), [1, 2, depth], true);
      await denoiser.warmUp(1);
      const trajectory = denoiser.begin();
      for (const exit of [depth, 1, 2]) await trajectory.predict(exit, request(source, exit, 40, 2));
      await denoiser.dispose();
    }).toKeepTensorCount();
  });

  it('costs a full-depth step nothing where none is in use', async () => {
    const results: string[] = [];
    const engine: typeof onnx = {
      ...onnx,
      compile: (step, options) => {
        results.push(...Object.keys(outline(step, options).out));
        return onnx.compile(step, options);
      },
    };
    for (const exits of [[depth], [1, depth]])
      await (await openDenoiser(engine, remembering(source, [1, 2]), exits, true)).dispose();
    expect(results).toEqual(['prediction', 'prediction', 'prediction', 'residual.1']);
  });
});

describe('the steps of a trajectory', () => {
  it.each([
    [[3, 1, 1], undefined],
    [[2, 3, 1], undefined],
    [[2, 2], undefined],
    [[1, 3], 'exit 1 at step 1'],
    [[2, 1, 3], 'exit 1 at step 2'],
  ] as const)('with exit 1 remembering: %p', (exits, early) => {
    const check = (): void => requireRemembered(exits, 3, (exit) => exit === 1);
    if (early === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(`${early} remembers the last full-depth step`);
  });
});

describe('the times of a solver', () => {
  it('may stay where they are, but not go back to add noise', () => {
    expect(() => requireNoReturn([90, 60, 60, 20])).not.toThrow();
    expect(() => requireNoReturn([90, 60, 70, 20])).toThrow('goes back from native t 60 to 70');
    expect(() => requireNoReturn([90, 60, 70, 20])).toThrow(UserError);
  });
});

describe('heads from one pass', () => {
  it('predict with what an earlier pass left as a trajectory does', async () => {
    await tf.setBackend('wasm');
    const source = models[0][1];
    const [full, now] = [request(source, 1, 60), request(source, 2, 40)];
    const plans = [1, 2].map((exit) => headPlan('remembered', exit));
    const found = tf.tidy(() => {
      const backbone = familyOf(spec).bind(spec, uploadAll(source.weights));
      const seen = ({ x, t, y }: Request): ReturnType<typeof features> =>
        features(
          backbone,
          labelQuery(tf.tensor4d(x, [2, 1, 8, 8]), tf.fill([2], t), tf.tensor1d(y, 'int32')),
          [1, 2],
        );
      const residuals = residualsOf(backbone, seen(full));
      const times = { t: tf.fill<tf.Rank.R1>([2], 40), tFull: tf.fill<tf.Rank.R1>([2], 60) };
      return runHeads(backbone, { plans, weights: {} }, seen(now).states, { residuals, ...times }).map(
        ({ prediction }) => prediction.dataSync(),
      );
    });
    for (const [i, prediction] of found.entries())
      expect(prediction).toBeAllClose(await byHand(source, i + 1, full, now), 1e-5);
  });
});
