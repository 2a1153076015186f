import { describe, expect, it } from '@jest/globals';
import { planDrawing } from '../../src/bundle/draw.js';
import type { OpenedBundle } from '../../src/bundle/openBundle.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import type { SampleConfig } from '../../src/config/schema.js';
import { UserError } from '../../src/errors.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import type { Schedule } from '../../src/schedules/schedule.js';
import { madeTable } from '../schedules/tables.js';
import { tinySpec } from '../tiny-dit.js';

/** Exits 1 (30 multiply-adds), 2 (55) and 4, the backbone (100). */
const schedule: Schedule = {
  ...solveSchedule({ table: madeTable(), timesteps: [900, 600, 300, 0] }, 1),
  exits: [1, 2, 2, 4],
};
const opened: OpenedBundle = {
  bundle: {
    backbone: { spec: tinySpec, source: 'models/tiny', fingerprint: 'backbone-1', frozenPrecision: 'fp32' },
    diffusion: {
      ...{ prediction: 'epsilon', betas: 'linear', betaStart: 1e-4, betaEnd: 0.02, steps: 1000 },
      ...{ timeAxis: 'discrete', guidance: 1.5, clip: true },
    },
    ...{ plans: [], heads: {}, schedule },
  },
  model: { spec: tinySpec, backbone: {}, plans: [], heads: {} },
};

async function config(...settings: string[]): Promise<SampleConfig['sample']> {
  const set = settings.map((text) => parseSetting(`sample.${text}`));
  return (await loadConfig(undefined, { kind: 'sample', set })).config.sample;
}

describe('the plan of a drawing', () => {
  it('costs what its exits cost, counted by hand', async () => {
    const unguided = planDrawing(opened, await config('count=3', 'guidance=1'));
    expect(unguided.timesteps).toEqual([900, 600, 300, 0]);
    expect(unguided.exits).toEqual([1, 2, 2, 4]);
    expect(unguided.depthUsed).toBe(240 / 400);
    expect(unguided.macs).toBe(3 * (30 + 55 + 55 + 100));
  });

  it('counts two passes a step where it is guided', async () => {
    for (const guidance of [0, 2])
      expect(planDrawing(opened, await config('count=3', `guidance=${guidance}`)).macs).toBe(2 * 3 * 240);
  });

  it('takes guidance and clipping from the bundle unless told otherwise', async () => {
    expect(planDrawing(opened, await config())).toMatchObject({ guidance: 1.5, clip: true });
    const told = planDrawing(opened, await config('guidance=1', 'clip=false'));
    expect(told).toMatchObject({ guidance: 1, clip: false });
  });

  it('does not depend on the batch or the solver', async () => {
    const plan = planDrawing(opened, await config());
    expect(planDrawing(opened, await config('batch=1', 'solver=ddpm', 'columns=2'))).toEqual(plan);
  });

  it('stretches the schedule over another number of steps, its own left as they are', async () => {
    expect(planDrawing(opened, await config('steps=4'))).toMatchObject({ timesteps: [900, 600, 300, 0] });
    const { timesteps, exits, depthUsed } = planDrawing(opened, await config('steps=3'));
    // Evenly from 0 to 999: 499.5 rounds to 500, nearest to 600.
    expect(timesteps).toEqual([999, 500, 0]);
    expect(exits).toEqual([1, 2, 4]);
    expect(depthUsed).toBeCloseTo((30 + 55 + 100) / 300, 12);
  });

  it('refuses more steps than there are times', async () => {
    const many = await config('steps=1001');
    expect(() => planDrawing(opened, many)).toThrow(UserError);
    expect(() => planDrawing(opened, many)).toThrow('1001 sampling steps were asked of 1000');
  });
});
