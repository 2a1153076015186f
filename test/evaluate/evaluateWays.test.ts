import { describe, expect, it } from '@jest/globals';
import { diffusion, ddpmBetas } from '../../src/diffusion/betas.js';
import type { Engine } from '../../src/engine/engine.js';
import { Interrupted } from '../../src/errors.js';
import type { FeatureExtractor } from '../../src/evaluate/features.js';
import {
  evaluateWays,
  differenceBetween,
  distanceOf,
  exitsOfCalls,
  macsOfWay,
  type BatchKey,
  type DrawnBatch,
  type EvaluateOptions,
  type KeptBatches,
  type Row,
  type Sampling,
} from '../../src/evaluate/evaluateWays.js';
import { judge, referenceOf } from '../../src/evaluate/judge.js';
import { fullDepth, type SamplingWay } from '../../src/evaluate/ways.js';
import { openDenoiser } from '../../src/exits/denoiser.js';
import { openGuided } from '../../src/exits/guided.js';
import { headPlan, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { exitMacs, type Model } from '../../src/exits/model.js';
import { promptsOf } from '../../src/exits/prompts.js';
import { stream } from '../../src/random.js';
import { drift } from '../../src/samplers/compare.js';
import { generateBatch, labelsFor } from '../../src/samplers/generate.js';
import { measuredExits } from '../../src/schedules/profile.js';
import { macsOf } from '../../src/schedules/schedule.js';
import { exitsForHeads } from '../../src/backbones/families.js';
import { tinyUvit } from '../tiny-uvit.js';
import { livelyWeights, moved, onnx, spec } from '../training/tiny.js';

const backbone = livelyWeights();
const plans: readonly HeadPlan[] = [{ kind: 'adapter', exit: 1, bottleneck: 4 }];
const model: Model = { spec, backbone, plans, heads: moved(initialHeads(spec, plans, backbone, 1), 0.05) };
const length = spec.channels * spec.imageSize ** 2;
const timesteps = [90, 60, 30, 0];
const silent = { update: () => undefined, end: () => undefined };
const full: SamplingWay = { ...fullDepth(timesteps, spec.depth), model };
const mixed: SamplingWay = {
  ...{ name: 'mixed', kind: 'scheduled', timesteps, model },
  exits: [1, 1, spec.depth, spec.depth],
};
const fewer: SamplingWay = { ...full, name: '2 steps', timesteps: [90, 0], exits: [spec.depth, spec.depth] };

/** The first four numbers of an image; it decides for the class of the largest. */
const extractor: FeatureExtractor = {
  ...{ name: 'four', fingerprint: 'four', width: 4, classes: 4 },
  see: (images) => {
    const features = Float32Array.from({ length: (images.length / length) * 4 }, (_, i) =>
      Math.tanh(images[Math.floor(i / 4) * length + (i % 4)] ?? NaN),
    );
    const probabilities = features.map((value, i) => {
      const row = features.subarray(i - (i % 4), i - (i % 4) + 4);
      return Math.exp(value) / row.reduce((sum, other) => sum + Math.exp(other), 0);
    });
    return Promise.resolve({ features, probabilities });
  },
  dispose: () => Promise.resolve(),
};

const reference = await referenceOf(stream(0, 'real').normals(20 * 4), 4);
const options: EvaluateOptions = {
  ...{ engine: onnx, extractor, reference, seeds: [3], decidesLabels: true, progress: silent },
  sampling: {
    ...{ solver: { kind: 'ddim', eta: 0 }, diffusion: diffusion({ ...ddpmBetas, steps: spec.timeSteps }) },
    ...{ guidance: 2, clip: true, prompts: promptsOf(spec), count: 7, batch: 3 },
  },
  signal: new AbortController().signal,
};
/** Of `mixed`, the half that asks for nothing leaves early for longer. */
const apart: SamplingWay = { ...mixed, name: 'apart', unconditional: [1, 1, 1, spec.depth] };
/** Without seconds, which no two runs share. */
const numbersOf = (rows: readonly Row[]): unknown =>
  rows.map(({ macs, depthUsed, seeds }) => ({
    ...{ macs, depthUsed },
    seeds: seeds.map((one) => ({ ...one, seconds: one.seconds.length })),
  }));

/** Batches in memory, and what was asked for. */
function keeping(): KeptBatches & { readonly kept: Map<string, DrawnBatch>; readonly read_: string[] } {
  const kept = new Map<string, DrawnBatch>();
  const read_: string[] = [];
  const nameOf = ({ way, seed, from }: BatchKey): string => `${way}/${seed}/${from}`;
  return {
    ...{ kept, read_ },
    read: (key) => {
      const found = kept.get(nameOf(key));
      if (found) read_.push(nameOf(key));
      return Promise.resolve(found);
    },
    write: (key, batch) => {
      kept.set(nameOf(key), batch);
      return Promise.resolve();
    },
  };
}

describe('evaluating ways', () => {
  it('finds no difference between full depth and itself under another name', async () => {
    const [one, again] = await evaluateWays([full, { ...full, name: 'again' }], options);
    if (!one || !again) throw new Error('two rows come out');
    expect(again.seeds[0]?.drift).toBe(0);
    expect(again.seeds[0]?.fid).toEqual(one.seeds[0]?.fid);
    for (const distance of ['fid', 'kid'] as const)
      expect(differenceBetween(again, one, distance)).toEqual({ value: 0, standardError: 0 });
    expect(again.depthUsed).toBe(1);
  });

  it('gives the drift, agreement, judgement and cost of what the sampler draws by itself', async () => {
    const [, row, few] = await evaluateWays([full, mixed, fewer], options);
    const { sampling } = options;
    const denoiser = await openDenoiser(onnx, model, [1, spec.depth], true);
    const drawn = (way: SamplingWay): Promise<Float32Array> =>
      generateBatch(
        {
          ...{ ...sampling, seed: 3, length, classes: spec.classes, signal: options.signal },
          timesteps: way.timesteps,
        },
        0,
        7,
        (x, t, y) =>
          denoiser.begin().predict(way.exits[way.timesteps.indexOf(t)] ?? NaN, { x, t, y, guidance: 2 }),
      );
    const [deep, images] = [await drawn(full), await drawn(mixed)];
    await denoiser.dispose();
    expect(row?.seeds[0]?.drift).toBeCloseTo(drift(images, deep), 9);
    expect(row?.seeds[0]?.drift).toBeGreaterThan(1e-6);
    const labels = labelsFor(0, 7, spec.classes);
    const right = labels.filter((label, i) => {
      const row = images.subarray(i * length, i * length + 4);
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(row?.seeds[0]?.agreement).toBe(right.length / 7);
    const judged = await judge(await extractor.see(images), labels, reference);
    for (const measure of ['fid', 'kid'] as const) {
      const [found, expected] = [row?.seeds[0]?.[measure], judged[measure]];
      expect([found?.value ?? NaN, found?.standardError ?? NaN]).toBeAllClose(
        [expected.value, expected.standardError],
        1e-5,
      );
      expect(found?.terms ?? []).toBeAllClose(expected.terms, 1e-5);
    }
    const { precision, recall } = judged;
    expect(row?.seeds[0]).toMatchObject({ precision, recall });
    expect(row?.seeds[0]?.inceptionScore).toBeCloseTo(judged.inceptionScore ?? NaN, 5);
    const [early, whole] = [exitMacs(model, 1), exitMacs(model, spec.depth)];
    expect(row?.macs).toBe(2 * (2 * early + 2 * whole));
    expect(row?.depthUsed).toBeCloseTo((2 * early + 2 * whole) / (4 * whole), 12);
    expect(few?.depthUsed).toBe(0.5);
  });

  it('counts and draws every call of a solver, at the exit of the nearest time', async () => {
    const sampling: Sampling = {
      ...options.sampling,
      ...{ solver: { kind: 'edm', order: 2 }, guidanceInterval: [50, 70] },
    };
    const exits = [1, 1, 1, spec.depth, spec.depth, spec.depth, spec.depth];
    expect(exitsOfCalls(mixed, sampling)).toEqual({ exits, unconditional: undefined });
    const [, row] = await evaluateWays([full, mixed], { ...options, sampling });
    const [early, whole] = [exitMacs(model, 1), exitMacs(model, spec.depth)];
    // Heun asks at 90, twice at 60, where it is guided, twice at 30, and twice at 0.
    expect(row?.macs).toBe(early + 2 * 2 * early + 4 * whole);
    const denoiser = await openGuided(onnx, model, [1, spec.depth], sampling);
    const drawn = (at: readonly number[]): Promise<Float32Array> =>
      generateBatch(
        {
          ...{ ...sampling, seed: 3, length, classes: spec.classes, signal: options.signal },
          timesteps,
        },
        0,
        7,
        (x, t, y, call) => denoiser.begin().predict(at[call] ?? NaN, { x, t, y, guidance: t === 60 ? 2 : 1 }),
      );
    const [deep, images] = [await drawn(exits.map(() => spec.depth)), await drawn(exits)];
    await denoiser.dispose();
    expect(row?.seeds[0]?.drift).toBeCloseTo(drift(images, deep), 9);
    expect(row?.seeds[0]?.drift).toBeGreaterThan(1e-6);
  });

  it('draws halves of guidance that leave apart, each at its cost', async () => {
    const together: SamplingWay = { ...mixed, name: 'together', unconditional: mixed.exits };
    const [, row, same, other] = await evaluateWays([full, mixed, together, apart], options);
    expect(same?.seeds[0]?.drift).toBeCloseTo(row?.seeds[0]?.drift ?? NaN, 6);
    expect(same?.macs).toBe(row?.macs);
    const [early, whole] = [exitMacs(model, 1), exitMacs(model, spec.depth)];
    expect(other?.macs).toBe(2 * early + 2 * whole + 3 * early + whole);
    expect(other?.seeds[0]?.drift).not.toBeCloseTo(row?.seeds[0]?.drift ?? NaN, 6);
  });

  it('gives the same numbers in batches of another size', async () => {
    const rows = await evaluateWays([full, mixed], options);
    const whole = await evaluateWays([full, mixed], {
      ...options,
      sampling: { ...options.sampling, batch: 7 },
    });
    for (const [i, { seeds }] of rows.entries()) {
      expect(seeds[0]?.fid.value).toBeCloseTo(whole[i]?.seeds[0]?.fid.value ?? NaN, 4);
      expect(seeds[0]?.kid.value).toBeCloseTo(whole[i]?.seeds[0]?.kid.value ?? NaN, 4);
    }
  });

  it('gives every seed a row of its own, the same as it has alone', async () => {
    const [, both] = await evaluateWays([full, mixed], { ...options, seeds: [3, 4] });
    const [, alone] = await evaluateWays([full, mixed], { ...options, seeds: [4] });
    expect(both?.seeds.map(({ seed }) => seed)).toEqual([3, 4]);
    expect(both?.seeds[1]).toEqual({ ...alone?.seeds[0], seconds: expect.anything() });
    expect(both?.seeds[1]?.fid.value).not.toBe(both?.seeds[0]?.fid.value);
  });

  it('counts steps to the end, with every seed', async () => {
    const heard: [number, number][] = [];
    const progress = {
      ...silent,
      update: (done: number, total: number): void => void heard.push([done, total]),
    };
    await evaluateWays([full, fewer], { ...options, seeds: [0, 1], progress });
    // Two seeds, three batches, 4 + 2 steps.
    expect(heard).toEqual(Array.from({ length: 36 }, (_, i) => [i + 1, 36]));
  });

  it('runs all that is compiled twice in every size of batch before it draws, and never again', async () => {
    const calls: { step: number; size: number; draws: boolean }[] = [];
    let steps = 0;
    const engine: Engine = {
      ...onnx,
      compile: async (...given) => {
        const compiled = await onnx.compile(...given);
        const step = steps++;
        return Object.assign((feeds: Parameters<typeof compiled>[0]) => {
          const [x, y] = [feeds['x'] as Float32Array, feeds['y'] as Int32Array];
          // What is drawn comes from noise, warm-up from zeros.
          calls.push({ step, size: y.length, draws: x.some((value) => value !== 0) });
          return compiled(feeds);
        }, compiled);
      },
    };
    let atFirst: number | undefined;
    const progress = { ...silent, update: (): void => void (atFirst ??= calls.length) };
    const other: SamplingWay = { ...fewer, model: { ...model } };
    await evaluateWays([full, apart, other], { ...options, engine, progress });
    // Full depth guided; exits 1 and 3 plain, for halves apart; full depth guided, of the other model.
    expect(steps).toBe(4);
    const warm = calls.slice(0, 4 * 4);
    for (let step = 0; step < steps; step++)
      expect(warm.filter((call) => call.step === step).map(({ size }) => size)).toEqual([3, 3, 1, 1]);
    expect(warm.some(({ draws }) => draws)).toBe(false);
    expect(calls.slice(warm.length).every(({ draws }) => draws)).toBe(true);
    // Progress is first told after the first call that draws.
    expect(atFirst).toBe(warm.length + 1);
  });

  it('refuses two ways of one name', async () => {
    await expect(evaluateWays([full, full], options)).rejects.toThrow('share a name');
  });
});

describe('finished batches', () => {
  it('are enough for the same numbers, seconds among them, with nothing computed', async () => {
    const store = keeping();
    const rows = await evaluateWays([full, mixed], { ...options, kept: store });
    const engine = { ...onnx, compile: () => Promise.reject(new Error('nothing is to be compiled')) };
    expect(await evaluateWays([full, mixed], { ...options, engine, kept: store })).toEqual(rows);
    expect(store.read_.length).toBe(6);
  });

  it('come in turns, batch by batch and seed by seed', async () => {
    const store = keeping();
    await evaluateWays([full, mixed], { ...options, seeds: [3, 4], kept: store });
    const turns = [3, 4].flatMap((seed) =>
      [0, 3, 6].flatMap((from) => ['full depth', 'mixed'].map((way) => `${way}/${seed}/${from}`)),
    );
    expect([...store.kept.keys()]).toEqual(turns);
  });

  it('are kept when the work is stopped, which then goes on to the same numbers', async () => {
    const store = keeping();
    const controller = new AbortController();
    const stopping = {
      ...store,
      write: async (key: BatchKey, batch: DrawnBatch) => {
        await store.write(key, batch);
        if (store.kept.size === 3) controller.abort();
      },
    };
    const stopped = evaluateWays([full, mixed], { ...options, kept: stopping, signal: controller.signal });
    await expect(stopped).rejects.toThrow(Interrupted);
    expect(store.kept.size).toBe(3);
    const rows = await evaluateWays([full, mixed], { ...options, kept: store });
    expect(store.read_.length).toBe(3);
    expect(numbersOf(rows)).toEqual(numbersOf(await evaluateWays([full, mixed], options)));
  });
});

describe('a distance of several seeds', () => {
  it('of one seed is its own', async () => {
    const [row] = await evaluateWays([full], options);
    expect(distanceOf(row?.seeds ?? [], 'kid')).toEqual(row?.seeds[0]?.kid);
  });
});

it('multiply-adds hold what full depth keeps for exits that remember, as those of schedules do', () => {
  const { spec, weights } = tinyUvit('cond');
  const plans = exitsForHeads(spec).map((exit) => headPlan('remembered', exit));
  const model: Model = { spec, backbone: weights, plans, heads: {} };
  const available = measuredExits(model);
  const [first = NaN] = exitsForHeads(spec);
  const exits = [spec.depth, first, spec.depth, first];
  const way: SamplingWay = { name: 'cached', kind: 'caching', timesteps, exits, model };
  const unguided = { ...options.sampling, guidance: 1 };
  expect(available[0]?.refreshMacs).toBeGreaterThan(0);
  expect(macsOfWay(way, unguided)).toBe(macsOf(available, exits));
  expect(macsOfWay({ ...way, ...fullDepth(timesteps, spec.depth) }, unguided)).toBe(
    4 * (available.at(-1)?.macs ?? NaN),
  );
});
