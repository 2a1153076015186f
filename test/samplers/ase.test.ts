import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { headPlan } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { sample, type Denoise } from '../../src/samplers/sampler.js';
import { fixtureJson, fixtureTensors, pick } from '../fixtures.js';
import { tinySpec as spec } from '../tiny-dit.js';
import { onnx } from '../training/tiny.js';

const size = 4 * 8 * 8;
const file = fixtureTensors('ase/ddim.safetensors');
const run = fixtureJson('ase/ddim.json') as {
  readonly exit_nums: readonly number[];
  readonly timesteps_in_call_order: readonly number[];
  readonly exit_in_call_order: readonly number[];
};
const floats = (name: string): Float32Array => Float32Array.from(pick(file, name).data);
/** Of the largest number of the run. */
const tolerance = 1e-5 * 618;

async function states(start: Float32Array, denoise: Denoise): Promise<readonly Float32Array[]> {
  const seen: Float32Array[] = [];
  const options = {
    ...{ solver: { kind: 'ddim', eta: 0 } as const, diffusion: diffusion(ddpmBetas) },
    ...{ timesteps: respace(1000, '20'), clip: false, count: 2, noise: () => new Float32Array() },
  };
  const last = await sample(options, start, (x, t, call) => {
    seen.push(x);
    return denoise(x, t, call);
  });
  return [...seen.slice(1), last];
}

function expectStates(found: readonly Float32Array[], name: string): void {
  const expected = floats(name);
  expect(found.length * 2 * size).toBe(expected.length);
  found.forEach((x, step) =>
    expect(x).toBeAllClose(expected.subarray(step * 2 * size, (step + 1) * 2 * size), tolerance),
  );
}

describe('DDIM of ASE, whose exit follows the time', () => {
  it('asks at the times of the reference, each of which runs the exit of its hundred', () => {
    expect(respace(1000, '20')).toEqual(run.timesteps_in_call_order);
    expect(run.timesteps_in_call_order.map((t) => run.exit_nums[Math.floor(t / 100)])).toEqual(
      run.exit_in_call_order,
    );
  });

  it.each(['exits', 'full'])('is followed on recorded predictions: %s', async (which) => {
    const recorded = floats(`model_out_${which}`);
    const found = await states(floats('x_T'), (_x, _t, call) =>
      Promise.resolve(recorded.slice(call * 4 * size, (call + 1) * 4 * size)),
    );
    expectStates(found, `x_${which}`);
  });

  it.each([
    ['plain', 'x_T', 'y', 'x_exits', 1],
    ['guided on three of four channels', 'cfg_x_T', 'cfg_y', 'cfg_x_exits', 1.5],
  ])('is followed by exits of this DiT, %s', async (_how, start, labels, expected, guidance) => {
    const model: Model = {
      ...{ spec, backbone: fixtureTensors('dit/model.safetensors'), heads: {}, guidedChannels: 3 },
      plans: [2, 3, 4, 5].map((exit) => headPlan('shared', exit)),
    };
    const denoiser = await openDenoiser(onnx, model, run.exit_in_call_order, guidance !== 1);
    const trajectory = denoiser.begin();
    const y = Int32Array.from(pick(file, labels).data.slice(0, 2));
    const found = await states(floats(start).slice(0, 2 * size), (x, t, call) =>
      trajectory.predict(run.exit_in_call_order[call] ?? NaN, { x, t, y, guidance }),
    );
    expectStates(found, expected);
    await denoiser.dispose();
  });
});
