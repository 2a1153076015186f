import { describe, expect, it } from '@jest/globals';
import { examples } from '../../src/data/batches.js';
import { imagesInMemory } from '../../src/data/memory.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { openDenoiser, type Request } from '../../src/exits/denoiser.js';
import { scaleAt } from '../../src/exits/guided.js';
import { headPlan, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { exitMacs, type Model } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { drift } from '../../src/samplers/compare.js';
import { mergedTable, type ErrorPart } from '../../src/schedules/errorParts.js';
import { measuredExits, profile, profilePart, type ProfileOptions } from '../../src/schedules/profile.js';
import { profileInputs, profileStep } from '../../src/schedules/profileStep.js';
import { binsOf, timeBins } from '../../src/schedules/timeBins.js';
import { fixtureJson, fixtureTensors, pick } from '../fixtures.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';
import { tinyUvit } from '../tiny-uvit.js';
import { eager, livelyWeights, moved, onnx, spec } from '../training/tiny.js';

const backbone = livelyWeights();
const plans: readonly HeadPlan[] = [
  { kind: 'shared', exit: 1 },
  { kind: 'block', exit: 2 },
];
const model: Model = { spec, backbone, plans, heads: moved(initialHeads(spec, plans, backbone, 1), 0.05) };

const random = stream(1, 'images');
const dataset = imagesInMemory({
  name: 'made up',
  channels: 1,
  imageSize: 8,
  classes: 4,
  pixels: Uint8Array.from({ length: 20 * 64 }, () => random.integer(256)),
  labels: Uint8Array.from({ length: 20 }, (_, i) => i % 4),
});

const hundred = diffusion({ ...ddpmBetas, steps: 100 });
/** 50 samples, more than there are images. */
const options: ProfileOptions = {
  engine: onnx,
  model,
  fingerprints: { backbone: 'b', heads: 'h' },
  dataset,
  diffusion: hundred,
  ...{ seed: 5, samples: 50, batch: 16, bins: timeBins(hundred, 5) },
  signal: new AbortController().signal,
  progress: { update: () => undefined, end: () => undefined },
};
const measured = (more: Partial<ProfileOptions> = {}) => profile({ ...options, ...more });

const flat = (rows: readonly (readonly (number | null)[])[]): number[] =>
  rows.flatMap((row) => row.map((value) => value ?? NaN));

describe('a step of profiling', () => {
  it('gives the recorded errors of the official early-exit model, sample by sample', async () => {
    const { t, mse } = fixtureJson('ase/error_table.json') as { t: number[]; mse: number[][] };
    const recorded = fixtureTensors('ase/error_table.safetensors');
    const perSample = pick(recorded, 'mse_per_sample').data;
    const noisy = pick(recorded, 'x_t').data;
    const shared: HeadPlan[] = [1, 2, 3, 4, 5].map((exit) => ({ kind: 'shared', exit }));
    const step = await onnx.compile(profileStep({ spec: tinySpec, plans: shared }), {
      state: {},
      batch: profileInputs(tinySpec),
      frozen: tinyWeights,
    });
    const size = noisy.length / t.length;
    for (const [row, at] of t.entries()) {
      const { toNoise, toFull } = await step({
        x: noisy.slice(row * size, (row + 1) * size),
        t: new Float32Array(6).fill(at),
        y: pick(recorded, 'y').data,
        noise: pick(recorded, 'noise').data,
      });
      expect(toNoise?.shape).toEqual([6, 6]);
      expect(toNoise?.data).toBeAllClose(perSample.subarray(row * 36, row * 36 + 36), 1e-5);
      const means = Array.from({ length: 6 }, (_, k) =>
        [0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + (toNoise?.data[i * 6 + k] ?? NaN) / 6, 0),
      );
      expect(means).toBeAllClose(mse[row] ?? [], 1e-5);
      // The last exit is the backbone, all others differ from it.
      toFull?.data.forEach((value, i) => expect(value === 0).toBe(i % 6 === 5));
    }
    await step.dispose();
  });
});

describe('a profile of heads that remember', () => {
  it('measures them as a trajectory uses them, one or two steps of the sampler after full depth', async () => {
    const remembered: Model = { ...model, plans: [headPlan('remembered', 1)], heads: {} };
    const ages = { steps: 12, every: 3 };
    const schedule = hundred;
    const table = await measured({
      ...{ model: remembered, ages, samples: 6, batch: 4 },
      bins: timeBins(hundred, 1),
    });
    expect(table.ages).toEqual(ages);
    expect(table.exits[0]).toEqual({ exit: 1, kind: 'remembered', macs: exitMacs(remembered, 1) });

    const { x: images, y } = await examples(dataset, 0, 6);
    const denoiser = await openDenoiser(onnx, remembered, [1, 3], false);
    const found: [number[], number[]] = [[], []];
    for (let i = 0; i < 6; i++) {
      const own = images.slice(64 * i, 64 * (i + 1));
      const noise = stream(5, 'profile noise', i).normals(64);
      const t = Math.floor(((i * 0.6180339887498949) % 1) * 100);
      // Twelve steps of a hundred are 9 apart.
      const at = (time: number): Request => ({
        ...{ x: addNoise(schedule, own, noise, [time]), t: time, guidance: 1 },
        y: y.slice(i, i + 1),
      });
      const age = 1 + stream(5, 'profile ages', i).integer(2);
      const trajectory = denoiser.begin();
      await trajectory.predict(3, at(Math.min(99, t + 9 * age)));
      const early = await trajectory.predict(1, at(t));
      const full = await denoiser.begin().predict(3, at(t));
      found[age === 1 ? 0 : 1].push(drift(early, full));
    }
    await denoiser.dispose();
    const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value / of.length, 0);
    expect(table.excess.mean[0]?.[0] ?? NaN).toBeCloseTo(mean(found.flat()), 6);
    expect(table.byAge?.map(({ age, count }) => [age, ...count])).toEqual([
      [1, found[0].length],
      [2, found[1].length],
    ]);
    for (const [i, of] of found.entries()) {
      expect(table.byAge?.[i]?.excess.mean[0]?.[0] ?? NaN).toBeCloseTo(mean(of), 6);
      expect(mean(of)).toBeGreaterThan(1e-4);
    }
  });

  it('is the same in any batch, and apart by age, whatever ages there are', async () => {
    const plans = [headPlan('memory', 1, { bottleneck: 4 })];
    const heads = moved(initialHeads(spec, plans, backbone, 1), 0.05);
    const options = { model: { ...model, plans, heads }, ages: { steps: 12, every: 4 } };
    const [one, other] = [await measured(options), await measured({ ...options, batch: 7 })];
    expect(flat(one.excess.mean)).toBeAllClose(flat(other.excess.mean), 1e-6);
    expect(one.byAge?.map(({ age }) => age)).toEqual([1, 2, 3]);
    for (const [bin, count] of one.count.entries()) {
      const parts = one.byAge?.map((of) => (of.count[bin] ?? 0) * (of.rise.mean[0]?.[bin] ?? 0)) ?? [];
      const whole = count * (one.rise.mean[0]?.[bin] ?? NaN);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBeCloseTo(whole, 9);
    }
  });

  it('counts what a full-depth step of a U-ViT takes more, since it joins skips for them', () => {
    const { spec, weights } = tinyUvit('cond');
    const plans = [2, 3].map((exit) => headPlan('remembered', exit));
    const { tokens, width, depth } = spec;
    const joined = 2 * width * width * tokens;
    const [at2, at3, full] = measuredExits({ spec, backbone: weights, plans, heads: {} });
    const skips = (depth - 1) / 2;
    expect(at2?.refreshMacs).toBe(skips * joined);
    expect(at3?.refreshMacs).toBe(skips * joined);
    expect(full?.refreshMacs).toBeUndefined();
  });
});

describe('a profile', () => {
  it('counts every sample once, spread over the bins, and names what it measured', async () => {
    const table = await measured();
    expect(table).toMatchObject({ backbone: 'b', heads: 'h', steps: 100 });
    expect(table.exits).toEqual([
      { exit: 1, kind: 'shared', macs: exitMacs(model, 1) },
      { exit: 2, kind: 'block', macs: exitMacs(model, 2) },
      { exit: 3, kind: 'backbone', macs: exitMacs(model, 3) },
    ]);
    expect(table.count.reduce((sum, count) => sum + count, 0)).toBe(50);
    // Multiples of the golden ratio: nearly the same number everywhere.
    for (const count of table.count) expect(Math.abs(count - 10)).toBeLessThanOrEqual(1);
    expect(table.excess.mean[2]).toEqual([0, 0, 0, 0, 0]);
    expect(table.rise.mean[2]).toEqual([0, 0, 0, 0, 0]);
    for (const value of flat(table.excess.mean.slice(0, 2))) expect(value).toBeGreaterThan(0);
    const [error, rise] = [flat(table.error.mean), flat(table.rise.mean)];
    const full = [...error.slice(10), ...error.slice(10), ...error.slice(10)];
    expect(rise).toBeAllClose(
      error.map((value, i) => value - (full[i] ?? NaN)),
      1e-6,
    );
  });

  it.each([1, 7, 50])('is the same in batches of %d', async (batch) => {
    const [table, expected] = [await measured({ batch }), await measured()];
    expect(table.count).toEqual(expected.count);
    for (const name of ['error', 'excess', 'rise'] as const)
      expect(flat(table[name].mean)).toBeAllClose(flat(expected[name].mean), 1e-6);
    expect(flat(table.error.standardError)).toBeAllClose(flat(expected.error.standardError), 1e-6);
  });

  it('is the same on an eager engine, and keeps no tensor there', async () => {
    const expected = await measured({ samples: 10 });
    await expect(async () => {
      const table = await measured({ samples: 10, engine: eager });
      expect(flat(table.excess.mean)).toBeAllClose(flat(expected.excess.mean), 1e-5);
    }).toKeepTensorCount();
  });

  it('depends on the seed', async () => {
    const [one, same, other] = [await measured(), await measured(), await measured({ seed: 6 })];
    expect(same).toEqual(one);
    expect(flat(other.error.mean)).not.toEqual(flat(one.error.mean));
  });

  it.each([onnx, eager])('stops on the signal between two batches, on the engine $kind', async (engine) => {
    const controller = new AbortController();
    const seen: string[] = [];
    const stopped = measured({
      ...{ engine, batch: 5 },
      signal: controller.signal,
      progress: {
        update: (done) => {
          seen.push(String(done));
          // As Ctrl-C arrives: from the event loop.
          if (done === 10) setImmediate(() => controller.abort());
        },
        end: () => seen.push('end'),
      },
    });
    await expect(stopped).rejects.toThrow(Interrupted);
    await expect(stopped).rejects.toThrow('stopped after 10 of 50 samples; nothing was written.');
    expect(seen).toEqual(['5', '10', 'end']);
  });

  it('is the same to the last bit in parts, in whatever order they are merged', async () => {
    const whole = await measured({ batch: 8 });
    const parts = [];
    for (const index of [3, 1, 2])
      parts.push(await profilePart({ ...options, batch: 8, shard: { index, of: 3 } }));
    expect(parts.map(({ batches }) => batches)).toEqual([2, 3, 2]);
    expect(mergedTable(parts, hundred)).toEqual(whole);
  });

  it('is the same to the last bit when it was stopped and went on', async () => {
    const controller = new AbortController();
    let kept: ErrorPart | undefined;
    const stopped = profilePart({
      ...{ ...options, batch: 8, signal: controller.signal },
      progress: {
        update: (done) => void (done === 24 && setImmediate(() => controller.abort())),
        end: () => undefined,
      },
      keep: (part) => Promise.resolve(void (kept = part)),
    });
    await expect(stopped).rejects.toThrow(
      'stopped after 3 of 7 batches, which are kept. Go on with --resume.',
    );
    expect(kept).toMatchObject({ batches: 3, done: false });
    const part = await profilePart({ ...options, batch: 8, from: kept });
    expect(part).toMatchObject({ batches: 7, done: true });
    expect(mergedTable([part], hundred)).toEqual(await measured({ batch: 8 }));
    // What is finished has nothing to go on with.
    expect(await profilePart({ ...options, batch: 8, from: part })).toEqual(part);
    for (const [more, message] of [
      [{ seed: 6 }, 'what was measured before is on other samples than what is asked for'],
      [{ diffusion: diffusion({ ...ddpmBetas, steps: 100, betaEnd: 0.03 }) }, 'is on other samples'],
      [{ fingerprints: { backbone: 'b', heads: 'g' } }, 'is of another backbone or other heads'],
      [{ shard: { index: 1, of: 2 } }, 'is another part than what is asked for'],
      [{ guidance: { guidance: 2 } }, 'has other exits, time bins, ages or guidance'],
    ] as const)
      await expect(profilePart({ ...options, batch: 8, from: kept, ...more })).rejects.toThrow(message);
  });

  it('stops as soon as standard errors are small beside all means, each part for all of them', async () => {
    const sure = { bins: timeBins(hundred, 1), samples: 400, batch: 4, standardError: 0.05 };
    const part = await profilePart({ ...options, ...sure });
    expect(part.done).toBe(true);
    const seen = 4 * part.batches;
    expect(seen).toBeLessThan(400);
    expect(seen).toBeGreaterThan(16);
    const { excess } = await measured({ ...sure, standardError: 0, samples: seen });
    const before = await measured({ ...sure, standardError: 0, samples: seen - 4 });
    const most = (of: typeof excess): number =>
      Math.max(...of.mean.slice(0, 2).map((row, i) => (of.standardError[i]?.[0] ?? NaN) / (row[0] ?? NaN)));
    expect(most(excess)).toBeLessThanOrEqual(0.05);
    expect(most(before.excess)).toBeGreaterThan(0.05);
    expect(mergedTable([part], hundred).excess).toEqual(excess);
    // Who wants to be surer goes on.
    const surer = await profilePart({ ...options, ...sure, standardError: 0.04, from: part });
    expect(surer.batches).toBeGreaterThan(part.batches);
    const half = await profilePart({ ...options, ...sure, shard: { index: 1, of: 2 } });
    expect(half.batches).toBeLessThan(part.batches);
  });

  it('measures at the steps of a solver alone, where its bins are these', async () => {
    const bins = binsOf('solver', hundred, { count: 0, timesteps: [99, 66, 33, 0] });
    const table = await measured({ bins, binning: 'solver', samples: 10, batch: 10 });
    expect(table).toMatchObject({ binning: 'solver', count: [3, 2, 3, 2] });
    const step = await onnx.compile(profileStep(model), {
      ...{ state: {}, batch: profileInputs(spec) },
      frozen: { ...model.backbone, ...model.heads },
    });
    const { x, y } = await examples(dataset, 0, 10);
    const place = (i: number): number => Math.floor(((i * 0.6180339887498949) % 1) * 4);
    const noisy = Array.from({ length: 10 }, (_, i) => i).filter((i) => place(i) === 3);
    const errors: number[] = [];
    for (const i of noisy) {
      const noise = stream(5, 'profile noise', i).normals(64);
      const { toFull } = await step({
        ...{ x: addNoise(hundred, x.slice(64 * i, 64 * i + 64), noise, [99]), noise },
        ...{ t: Float32Array.of(99), y: y.slice(i, i + 1) },
      });
      errors.push(toFull?.data[0] ?? NaN);
    }
    await step.dispose();
    expect(errors).toHaveLength(2);
    expect(table.excess.mean[0]?.[3]).toBeCloseTo(((errors[0] ?? NaN) + (errors[1] ?? NaN)) / 2, 6);
  });

  it('is that of the guided prediction after guidance, and of both passes apart', async () => {
    const scale = 3;
    const one = { samples: 3, batch: 3, bins: timeBins(hundred, 1) };
    const table = await measured({ ...one, guidance: { guidance: scale } });
    expect(table.guidance).toBe(scale);
    // Of the times 0, 61 and 23 one lies outside.
    const interval = { guidance: scale, guidanceInterval: [0, 60] };
    const inside = await measured({ ...one, guidance: interval });
    expect(inside).toMatchObject({ guidanceInterval: [0, 60] });
    const denoiser = await openDenoiser(onnx, model, [2, 3], true);
    const plain = await openDenoiser(onnx, model, [2, 3], false);
    const { x: images, y } = await examples(dataset, 0, 3);
    let [guided, conditional, unconditional, error, sometimes] = [0, 0, 0, 0, 0];
    for (let i = 0; i < 3; i++) {
      const noise = stream(5, 'profile noise', i).normals(64);
      const t = Math.floor(((i * 0.6180339887498949) % 1) * 100);
      const x = addNoise(hundred, images.slice(64 * i, 64 * (i + 1)), noise, [t]);
      const own = y.slice(i, i + 1);
      const at = (of: typeof plain, exit: number, label: Int32Array, guidance = 1) =>
        of.begin().predict(exit, { x, t, guidance, y: label });
      const both = await at(denoiser, 2, own, scale);
      guided += drift(both, await at(denoiser, 3, own, scale)) / 3;
      error += drift(both, noise) / 3;
      const then = scaleAt(interval, t);
      sometimes += drift(await at(denoiser, 2, own, then), await at(denoiser, 3, own, then)) / 3;
      const none = Int32Array.of(4);
      conditional += drift(await at(plain, 2, own), await at(plain, 3, own)) / 3;
      unconditional += drift(await at(plain, 2, none), await at(plain, 3, none)) / 3;
    }
    await denoiser.dispose();
    await plain.dispose();
    expect(table.excess.mean[1]?.[0]).toBeCloseTo(guided, 6);
    expect(table.error.mean[1]?.[0]).toBeCloseTo(error, 5);
    expect(table.halves?.conditional.mean[1]?.[0]).toBeCloseTo(conditional, 6);
    expect(table.halves?.unconditional.mean[1]?.[0]).toBeCloseTo(unconditional, 6);
    expect(guided).not.toBeCloseTo(conditional, 4);
    expect(inside.excess.mean[1]?.[0]).toBeCloseTo(sometimes, 6);
    expect(guided).not.toBeCloseTo(sometimes, 4);
  });

  it('remembers both passes of guidance', async () => {
    const remembered: Model = { ...model, plans: [headPlan('remembered', 1)], heads: {} };
    const bins = binsOf('solver', hundred, { count: 0, timesteps: [99, 50] });
    const table = await measured({
      ...{ model: remembered, ages: { steps: 2, every: 2 }, guidance: { guidance: 3 } },
      ...{ bins, binning: 'solver', samples: 2, batch: 2 },
    });
    expect(table.ages).toEqual({ steps: 2, every: 2 });
    // Sample 0 is at the step nearer data, one step of this solver after full depth.
    const { x: images, y } = await examples(dataset, 0, 1);
    const noise = stream(5, 'profile noise', 0).normals(64);
    const denoiser = await openDenoiser(onnx, remembered, [1, 3], true);
    const at = (t: number): Request => ({ x: addNoise(hundred, images, noise, [t]), t, y, guidance: 3 });
    const trajectory = denoiser.begin();
    await trajectory.predict(3, at(99));
    const early = await trajectory.predict(1, at(50));
    const full = await denoiser.begin().predict(3, at(50));
    await denoiser.dispose();
    expect(table.excess.mean[0]?.[0]).toBeCloseTo(drift(early, full), 6);
  });

  it('refuses heads that predict numbers that are not finite', async () => {
    const name = 'exits.2.last.linear.bias';
    const { shape, data } = model.heads[name] as { shape: number[]; data: Float32Array };
    const heads = { ...model.heads, [name]: { shape, data: data.map(() => NaN) } };
    const refused = measured({ model: { ...model, heads } });
    await expect(refused).rejects.toThrow(UserError);
    await expect(refused).rejects.toThrow(/exit 2 at bin 0 .*not finite/);
  });
});
