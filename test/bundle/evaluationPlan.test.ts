import { describe, expect, it } from '@jest/globals';
import { planEvaluation, type EvaluationPlan } from '../../src/bundle/evaluationPlan.js';
import { planDrawing } from '../../src/bundle/draw.js';
import type { OpenedBundle } from '../../src/bundle/openBundle.js';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig } from '../../src/config/load.js';
import { respace } from '../../src/diffusion/respace.js';
import { exitMacs, type StoredModel } from '../../src/exits/model.js';
import { initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { measuredExits } from '../../src/schedules/profile.js';
import { depthOf, type Schedule } from '../../src/schedules/schedule.js';
import { livelyWeights, spec } from '../training/tiny.js';

const timesteps = respace(100, '10');
/** The first half of the steps leaves after block 1 of 3. */
const earlyFirst = timesteps.map((_, i) => (i < 5 ? 1 : 3));
const everySecond = timesteps.map((_, i) => (i % 2 === 0 ? 3 : 1));

function openedWith(plans: readonly HeadPlan[], exits = earlyFirst): OpenedBundle {
  const backbone = livelyWeights();
  const model: StoredModel = { spec, backbone, plans, heads: initialHeads(spec, plans, backbone, 1) };
  const available = measuredExits(model);
  const depthUsed = depthOf(available, exits);
  const schedule: Schedule = {
    ...{ format: 'exithead-schedule', version: 2, backbone: 'b', heads: 'h', steps: 100 },
    ...{ available, timesteps, exits, weights: timesteps.map(() => 1) },
    asked: { speedup: 1, monotone: false, rule: 'optimal' },
    predicted: { depthUsed, speedup: 1 / depthUsed, excess: 0, excessStandardError: 0 },
  };
  return {
    bundle: {
      backbone: { spec, source: 'models/tiny', fingerprint: 'b', frozenPrecision: 'fp32' },
      diffusion: {
        ...{ prediction: 'epsilon', betas: 'linear', betaStart: 1e-4, betaEnd: 0.2, steps: 100 },
        ...{ timeAxis: 'discrete', guidance: 1, clip: true },
      },
      ...{ plans, heads: {}, schedule },
    },
    model,
  };
}

const trained = openedWith([
  { kind: 'linear', exit: 1 },
  { kind: 'linear', exit: 2 },
]);

async function planned(opened: OpenedBundle, ...settings: string[]): Promise<EvaluationPlan> {
  const set = settings.map((text) => parseSetting(text));
  const { config } = await loadConfig(undefined, { kind: 'evaluate', set });
  return planEvaluation(opened, opened.model, [], config);
}
const named = ({ ways }: EvaluationPlan): string[] => ways.map(({ name }) => name);

describe('the plan of an evaluation', () => {
  it('compares at the depth that the schedule uses, each way once', async () => {
    const plan = await planned(trained, 'evaluate.depths=[0.5, 0.3]', 'evaluate.candidates=1');
    const [full, scheduled] = plan.ways;
    const [one, , whole] = [1, 2, 3].map((exit) => exitMacs(trained.model, exit));
    const used = (5 * (one ?? NaN) + 5 * (whole ?? NaN)) / (10 * (whole ?? NaN));
    expect(full.macs).toBe(10 * (whole ?? NaN));
    expect(scheduled?.depthUsed).toBeCloseTo(used, 12);
    const steps = [used, 0.5, 0.3].map((depth) => `${Math.round(10 * depth)} steps`);
    expect(named(plan).slice(0, 2 + steps.length)).toEqual(['full depth', 'scheduled', ...steps]);
    // Half of exit 1 and half of exit 3 costs what exit 2 does, which thus lies within; no head is deeper.
    const fixed = plan.ways.filter(({ kind }) => kind === 'fixed-exit');
    expect(fixed.map(({ name }) => name)).toEqual(['exit 2']);
    expect(fixed[0]?.depthUsed).toBeCloseTo(used, 12);
    const cached = plan.ways.filter(({ kind }) => kind === 'caching');
    expect(cached.length).toBe(1);
    expect(Math.abs((cached[0]?.depthUsed ?? NaN) - used)).toBeLessThan(0.1);
    expect(cached[0]?.model.plans.every(({ kind }) => kind === 'remembered')).toBe(true);
  });

  it('compares with full depth at the most steps that the schedule was chosen among', async () => {
    const { bundle } = trained;
    const { predicted } = bundle.schedule;
    const fewer = { of: 20, speedup: 2 * predicted.speedup, drift: 0.1, loss: 0.1 };
    const schedule = { ...bundle.schedule, predicted: { ...predicted, fewer } };
    const opened = { ...trained, bundle: { ...bundle, schedule } };
    const [full, scheduled, next] = (await planned(opened, 'evaluate.depths=[]')).ways;
    expect(full.timesteps).toEqual(respace(100, '20'));
    expect(scheduled?.timesteps).toEqual(timesteps);
    expect(scheduled?.depthUsed).toBeCloseTo(1 / fewer.speedup, 12);
    expect(next?.name).toBe(`${Math.round(20 / fewer.speedup)} steps`);
    // Other steps than its own are compared with as many at full depth.
    const [other, stretched] = (await planned(opened, 'sample.steps=5')).ways;
    expect(other.timesteps).toHaveLength(5);
    expect(stretched?.timesteps).toHaveLength(5);
  });

  it('compares with what is asked for alone', async () => {
    const plan = await planned(trained, 'evaluate.against=[]');
    expect(named(plan)).toEqual(['full depth', 'scheduled']);
    const kinds = (await planned(trained, 'evaluate.against=[caching]')).ways.map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(['full-depth', 'scheduled', 'caching']));
  });

  it('lets no head stand alone that remembers', async () => {
    const plan = await planned(openedWith([{ kind: 'remembered', exit: 1 }], everySecond));
    expect(plan.ways.some(({ kind }) => kind === 'fixed-exit')).toBe(false);
  });

  it('refuses steps at which nothing could be remembered yet', async () => {
    const opened = openedWith([{ kind: 'remembered', exit: 1 }], everySecond);
    // From 90 on, the nearest of 99, 88, ... is 88, whose exit remembers.
    await expect(planned(opened, 'sample.steps=10', 'sample.spacing=leading')).rejects.toThrow(
      'exit 1 at step 1 remembers the last full-depth step, and there was none before it',
    );
  });

  it('runs between steps what the schedule runs there, as sampling does', async () => {
    const opened = openedWith([{ kind: 'linear', exit: 1 }], everySecond);
    const stepping = ['sample.steps=4', 'sample.solver=dpm-solver', 'sample.singlestep=true'];
    const { ways } = await planned(opened, ...stepping, 'evaluate.against=[]');
    const [full, scheduled] = ways;
    const set = stepping.map((text) => parseSetting(text));
    const { config } = await loadConfig(undefined, { kind: 'sample', set });
    const { calls, exits } = planDrawing(opened, config.sample);
    const [one = NaN, whole = NaN] = [1, 3].map((exit) => exitMacs(opened.model, exit));
    expect(calls).not.toEqual(scheduled?.timesteps);
    expect(scheduled?.macs).toBe(exits.reduce((sum, exit) => sum + (exit === 1 ? one : whole), 0));
    expect(full.macs).toBe(calls.length * whole);
  });

  it('draws fewer steps where the spacing has them', async () => {
    const { ways } = await planned(
      trained,
      'sample.steps=10',
      'sample.spacing=above-zero',
      'evaluate.depths=[0.5]',
    );
    const fewer = ways.filter(({ kind }) => kind === 'fewer-steps').find(({ name }) => name === '5 steps');
    expect(fewer?.timesteps).toEqual([99, 79, 59, 40, 20]);
  });

  it('counts calls, not steps, where a solver asks more than once at first', async () => {
    const stepping = ['sample.steps=10', 'sample.solver=f-pndm', 'evaluate.depths=[0.68]'];
    const { ways } = await planned(trained, ...stepping);
    // Nine calls more than steps: 13 of 19 are nearest, where 7 steps would be 16.
    expect(ways.find(({ name }) => name === '4 steps')?.depthUsed).toBeCloseTo(13 / 19, 12);
  });

  it('leaves caching out, and says why, where guidance is not alike at all times', async () => {
    const set = ['sample.guidance=2', 'sample.guidanceInterval=[20, 80]'];
    const { ways, leftOut } = await planned(trained, ...set);
    expect(leftOut).toEqual([
      expect.stringMatching(/^caching is left out: guidance is on at some times alone/),
    ]);
    expect(ways.some(({ kind }) => kind === 'caching')).toBe(false);
    expect(ways.some(({ kind }) => kind === 'fewer-steps')).toBe(true);
    expect((await planned(trained)).leftOut).toEqual([]);
  });

  it('stretches the schedule over the steps that are asked for, and counts both passes of guidance', async () => {
    const plan = await planned(trained, 'sample.steps=4', 'sample.guidance=2', 'evaluate.against=[]');
    const [full, scheduled] = plan.ways;
    expect(scheduled?.timesteps).toEqual(respace(100, '4'));
    expect(scheduled?.exits).toEqual([1, 1, 3, 3]);
    expect(full.macs).toBe(2 * 4 * exitMacs(trained.model, 3));
  });
});
