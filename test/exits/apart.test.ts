import { describe, expect, it } from '@jest/globals';
import { openApart } from '../../src/exits/apart.js';
import { openDenoiser, type Request } from '../../src/exits/denoiser.js';
import { headPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { fixtureTensors } from '../fixtures.js';
import { tinySpec as spec } from '../tiny-dit.js';
import { onnx } from '../training/tiny.js';

const model: Model = {
  ...{ spec, backbone: fixtureTensors('dit/model.safetensors'), heads: {} },
  plans: [headPlan('shared', 2), headPlan('remembered', 3)],
};
const length = 2 * 4 * 8 * 8;
const at = (t: number): Request => ({
  ...{ x: stream(0, 'x').normals(length), t, y: Int32Array.of(3, 1), guidance: 2.5 },
});

describe('halves of guidance that leave apart', () => {
  it('are one guided pass where they leave together, memories and all', async () => {
    for (const guidedChannels of [undefined, 3]) {
      const of = { ...model, guidedChannels };
      const [together, apart] = [
        await openDenoiser(onnx, of, [2, 3, 6], true),
        await openApart(onnx, of, [2, 3, 6]),
      ];
      const [one, two] = [together.begin(), apart.begin()];
      for (const [exit, t] of [
        [6, 900],
        [3, 800],
        [2, 700],
      ] as const)
        expect(await two.predict(exit, exit, at(t))).toBeAllClose(await one.predict(exit, at(t)), 1e-5);
      await together.dispose();
      await apart.dispose();
    }
  });

  it('combine what each exit says to its prompt', async () => {
    const [plain, apart] = [
      await openDenoiser(onnx, model, [2, 6], false),
      await openApart(onnx, model, [2, 6]),
    ];
    const request = at(500);
    const unguided = { ...request, guidance: 1 };
    const on = await plain.begin().predict(6, unguided);
    const off = await plain.begin().predict(2, { ...unguided, y: Int32Array.of(spec.classes, spec.classes) });
    const found = await apart.begin().predict(6, 2, request);
    const image = spec.outChannels * 64;
    const expected = on.map((value, i) => {
      const isEpsilon = i % image < spec.channels * 64;
      return isEpsilon ? (off[i] ?? NaN) + 2.5 * (value - (off[i] ?? NaN)) : value;
    });
    expect(found).toBeAllClose(expected, 1e-6);
    // Unguided, the other half is not run: exit 3 would refuse.
    expect(await apart.begin().predict(6, 3, unguided)).toEqual(on);
    await plain.dispose();
    await apart.dispose();
  });

  it('remember the full depth of their own half', async () => {
    const apart = await openApart(onnx, model, [2, 3, 6]);
    const trajectory = apart.begin();
    await trajectory.predict(6, 2, at(900));
    await expect(trajectory.predict(3, 3, at(800))).rejects.toThrow(
      /exit 3 remembers the last full-depth step/,
    );
    await trajectory.predict(6, 6, at(800));
    expect(await trajectory.predict(3, 3, at(700))).toHaveLength(2 * spec.outChannels * 64);
    await apart.dispose();
  });
});
