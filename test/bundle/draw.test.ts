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

  it('is compared with full depth at the most steps that its schedule was chosen among', async () => {
    const predicted = { ...schedule.predicted, fewer: { of: 10, speedup: 4, drift: 0.1, loss: 0.1 } };
    const fewer = { ...opened, bundle: { ...opened.bundle, schedule: { ...schedule, predicted } } };
    const plan = planDrawing(fewer, await config('count=3', 'guidance=1'));
    expect(plan.timesteps).toEqual([900, 600, 300, 0]);
    expect(plan.fullTimesteps).toEqual([999, 888, 777, 666, 555, 444, 333, 222, 111, 0]);
    expect(plan.depthUsed).toBeCloseTo(240 / 1000, 12);
    const even = { ...fewer.bundle.schedule, timesteps: [999, 666, 333, 0] };
    const spaced = { ...fewer, bundle: { ...fewer.bundle, schedule: even } };
    const same = planDrawing(spaced, await config('count=3', 'guidance=1', 'steps=4', 'spacing=even'));
    expect(same.fullTimesteps).toHaveLength(10);
    const asked = planDrawing(fewer, await config('count=3', 'guidance=1', 'steps=5'));
    expect(asked.fullTimesteps).toEqual(asked.timesteps);
  });

  it('counts two passes a step where it is guided', async () => {
    for (const guidance of [0, 2])
      expect(planDrawing(opened, await config('count=3', `guidance=${guidance}`)).macs).toBe(2 * 3 * 240);
  });

  it('counts each half where they leave apart, and one pass where guidance is off', async () => {
    const apart: OpenedBundle = {
      ...opened,
      bundle: { ...opened.bundle, schedule: { ...schedule, unconditional: [1, 1, 1, 2] } },
    };
    const plan = planDrawing(apart, await config('count=3', 'guidance=2'));
    expect(plan.unconditional).toEqual([1, 1, 1, 2]);
    expect(plan.macs).toBe(3 * (240 + 3 * 30 + 55));
    expect(plan.depthUsed).toBeCloseTo((240 + 145) / 800, 12);
    const few = planDrawing(apart, await config('count=3', 'guidance=2', 'guidanceInterval=[300,600]'));
    expect(few.macs).toBe(3 * (240 + 2 * 30));
    const plain = planDrawing(apart, await config('count=3', 'guidance=1'));
    expect(plain.unconditional).toBeUndefined();
    expect(plain.macs).toBe(3 * 240);
  });

  it('counts one pass where guidance is off', async () => {
    const plan = planDrawing(opened, await config('guidance=2', 'guidanceInterval=[300,600]'));
    expect(plan).toMatchObject({ guidance: 2, guidanceInterval: [300, 600] });
    // Exits 1, 2, 2 and 4 at 900, 600, 300 and 0.
    expect(plan.macs).toBe(64 * (30 + 2 * 55 + 2 * 55 + 100));
    expect(plan.depthUsed).toBeCloseTo(350 / 600, 12);
    await expect(config('guidanceInterval=[600,300]')).rejects.toThrow('expected the smaller time first');
  });

  it('takes the channels and the times of guidance from the bundle unless told otherwise', async () => {
    const { diffusion } = opened.bundle;
    const told: OpenedBundle = {
      ...opened,
      bundle: {
        ...opened.bundle,
        diffusion: { ...diffusion, guidanceChannels: 3, guidanceInterval: [0, 400] },
      },
    };
    expect(planDrawing(told, await config())).toMatchObject({
      guidedChannels: 3,
      guidanceInterval: [0, 400],
    });
    const asked = await config('guidanceChannels=all', 'guidanceInterval=[0,999]');
    const plan = planDrawing(told, asked);
    expect(plan).not.toHaveProperty('guidedChannels');
    expect(plan.guidanceInterval).toEqual([0, 999]);
    const many = await config('guidanceChannels=5');
    expect(() => planDrawing(opened, many)).toThrow('guidance is to move 5 channels');
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

  it('takes the exit of the nearest time for every call, and counts it', async () => {
    const { timesteps, calls, exits, depthUsed, macs } = planDrawing(
      opened,
      await config('solver=f-pndm', 'count=3', 'guidance=1'),
    );
    expect(timesteps).toEqual([900, 600, 300, 0]);
    expect(calls).toEqual([900, 750, 750, 600, 600, 450, 450, 300, 300, 150, 150, 0, 0]);
    // Half-way, the time nearer data decides.
    expect(exits).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4]);
    expect(macs).toBe(3 * (30 + 8 * 55 + 4 * 100));
    expect(depthUsed).toBeCloseTo((30 + 8 * 55 + 4 * 100) / 1300, 12);
  });

  it('spreads the steps as it is told', async () => {
    const plan = planDrawing(opened, await config('steps=4', 'spacing=trailing'));
    expect(plan.timesteps).toEqual([999, 749, 499, 249]);
    expect(plan.exits).toEqual([1, 2, 2, 2]);
    const own = planDrawing(opened, await config('spacing=leading'));
    expect(own.timesteps).toEqual([750, 500, 250, 0]);
    const sections = planDrawing(opened, await config('steps=2,1'));
    expect(sections.timesteps).toEqual([500, 499, 0]);
    await expect(config('steps=2,1', 'spacing=karras')).rejects.toThrow(
      'sample.spacing: is karras, but sample.steps is 2,1, which says where the steps lie',
    );
    await expect(config('steps=2;1')).rejects.toThrow('counts of sections such as 10,15,20');
    await expect(config('churnFrom=2', 'churnTo=1')).rejects.toThrow('expected at least sample.churnFrom');
  });

  it('refuses more steps than there are times', async () => {
    const many = await config('steps=1001');
    expect(() => planDrawing(opened, many)).toThrow(UserError);
    expect(() => planDrawing(opened, many)).toThrow('1001 sampling steps were asked of 1000');
  });
});
