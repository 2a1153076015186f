import { describe, expect, it } from '@jest/globals';
import type { StoredTensor } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { openDenoiser, type Request } from '../../src/exits/denoiser.js';
import { channelsOf, openGuided, passesAt, requireAlike, scaleAt } from '../../src/exits/guided.js';
import { headPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { fixtureTensors } from '../fixtures.js';
import { tinySpec as spec } from '../tiny-dit.js';
import { onnx } from '../training/tiny.js';

const model: Model = {
  ...{ spec, backbone: fixtureTensors('dit/model.safetensors'), heads: {} },
  plans: [headPlan('shared', 2)],
};
/** Nobody reads it; with it a model is too large for a copy per exit. */
const unread: StoredTensor = { path: 'nowhere', offset: 0, bytes: 2 ** 28, dtype: 'F32', shape: [2 ** 26] };
const length = 4 * 8 * 8;
const request: Request = { x: stream(0, 'x').normals(length), t: 40, y: Int32Array.of(3), guidance: 2 };
const interval = { guidance: 2, guidanceInterval: [100, 500] };

describe('guidance on an interval', () => {
  it('is on from the first to the last of its times, both included', () => {
    expect([99, 100, 300.5, 500, 501].map((t) => scaleAt(interval, t))).toEqual([1, 2, 2, 2, 1]);
    expect([99, 100, 501].map((t) => passesAt(interval, t))).toEqual([1, 2, 1]);
    expect([0, 999].map((t) => scaleAt({ guidance: 3 }, t))).toEqual([3, 3]);
    expect(passesAt({ guidance: 1 }, 0)).toBe(1);
  });

  it('takes one pass for a request that is unguided, and two for the others', async () => {
    const [both, on, off] = [
      await openGuided(onnx, model, [2, 6], interval),
      await openGuided(onnx, model, [2, 6], { guidance: 2 }),
      await openGuided(onnx, model, [2, 6], { guidance: 1 }),
    ];
    const [guided, plain] = [request, { ...request, guidance: 1 }];
    await both.warmUp(1);
    for (const exit of [2, 6]) {
      const trajectory = both.begin();
      expect(await trajectory.predict(exit, guided)).toEqual(await on.begin().predict(exit, guided));
      expect(await trajectory.predict(exit, plain)).toEqual(await off.begin().predict(exit, plain));
    }
    for (const denoiser of [both, on, off]) await denoiser.dispose();
  });

  it('does not go with heads that remember', () => {
    expect(() => requireAlike(interval)).toThrow(UserError);
    expect(() => requireAlike(interval)).toThrow('from native t 100 to 500 alone');
    expect(() => requireAlike({ ...interval, guidance: 1 })).not.toThrow();
    expect(() => requireAlike({ guidance: 2 })).not.toThrow();
  });
});

describe('guidance of some channels', () => {
  it('moves the first ones, in whole and in cut passes', async () => {
    const predict = async (of: Model, guidance: number): Promise<Float32Array> => {
      const denoiser = await openDenoiser(onnx, of, [2, 6], guidance !== 1);
      const prediction = await denoiser.begin().predict(2, { ...request, guidance });
      await denoiser.dispose();
      return prediction;
    };
    const [plain, all] = [await predict(model, 1), await predict(model, 2)];
    // Three of four channels and the learned variance.
    const some = Array.from(plain, (value, i) => (i < 3 * 64 ? (all[i] ?? NaN) : value));
    const asked = { ...model, guidedChannels: 3 };
    expect(await predict(asked, 2)).toBeAllClose(some, 1e-5);
    expect(await predict({ ...asked, backbone: { ...model.backbone, unread } }, 2)).toBeAllClose(some, 1e-5);
    expect(all.slice(3 * 64, 4 * 64)).not.toEqual(plain.slice(3 * 64, 4 * 64));
  });

  it('is all of them by the name of all', () => {
    expect(channelsOf({ guidanceChannels: 'all' })).toBeUndefined();
    expect(channelsOf({})).toBeUndefined();
    expect(channelsOf({ guidanceChannels: 3 })).toBe(3);
  });
});
