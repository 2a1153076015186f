import { describe, expect, it } from '@jest/globals';
import { dit } from '../../src/backbones/dit.js';
import { fineTunable } from '../../src/backbones/init.js';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { addNoise } from '../../src/diffusion/forward.js';
import type { Feeds } from '../../src/engine/engine.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { checkedPlans, headPlan, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { queryOf } from '../../src/exits/model.js';
import { stream } from '../../src/random.js';
import { gatheredGroups, stratifiedGroups, type ExitGroup } from '../../src/training/exitGroups.js';
import { earlyExits, exitsByTime } from '../../src/training/exitsByTime.js';
import { exitsInputs, exitsStep, learnsVariance, predictionsByGroup } from '../../src/training/exitsStep.js';
import { part } from '../../src/training/state.js';
import { mixtureFeeds } from '../../src/training/target.js';
import { spreadTimes } from '../../src/training/times.js';
import { boundInputs, boundTables } from '../../src/training/variance.js';
import { fixtureFloats, fixtureTensors, pick } from '../fixtures.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';
import { madePixart } from '../tiny-pixart.js';
import { tinyUvit } from '../tiny-uvit.js';
import {
  eager,
  expectSame,
  feedsFor,
  livelyWeights,
  onnx,
  runSteps,
  spec,
  steady,
  type Training,
} from './tiny.js';

const official = diffusion(ddpmBetas);
const counts = [6, 6, 5, 5, 4, 4, 3, 3, 2, 2];
const officialExits = exitsByTime({ kind: 'counts', counts }, tinySpec, official.steps);
const plain = (frozen: object, trained: object): never => ({ ...frozen, ...trained }) as never;
const sharedAt = (of: BackboneSpec, exits: Float32Array): readonly HeadPlan[] =>
  checkedPlans(
    of,
    earlyExits(exits, of.depth).map((exit) => headPlan('shared', exit)),
  );
/** All that moves where only the loss is looked at. */
const { 'final_layer.linear.bias': bias, ...allButLastBias } = tinyWeights;
const lastBias: HostTensors = { 'final_layer.linear.bias': bias! };

describe('a batch of mixed times', () => {
  const mixed = fixtureTensors('ase/mixed_batch.safetensors');
  const times = Float32Array.from(pick(mixed, 't').data);
  const order = Array.from(times.keys()).toSorted(
    (a, b) => (officialExits[times[b]!] ?? 0) - (officialExits[times[a]!] ?? 0),
  );

  it('leaves where the official code leaves', () => {
    expect([...times].map((t) => officialExits[t])).toEqual([...pick(mixed, 'exit').data]);
  });

  /** The samples of every exit, no more: here the times are known. */
  const own = order.map((i) => officialExits[times[i]!]);
  const exact: readonly ExitGroup[] = [2, 3, 4, 6].map((exit) => ({
    exit,
    from: own.indexOf(exit),
    to: own.lastIndexOf(exit) + 1,
  }));
  const sorted = (name: string): number[] => {
    const { data } = pick(mixed, name);
    const size = data.length / times.length;
    return order.flatMap((i) => [...data.slice(i * size, (i + 1) * size)]);
  };

  const forms: [string, readonly ExitGroup[]][] = [
    ['when all blocks run for all', gatheredGroups(officialExits, times.length)],
    ['when blocks are skipped', exact],
  ];

  it.each(forms)('predicts what the official code predicts %s', async (_, groups) => {
    const plans = sharedAt(tinySpec, officialExits);
    const step = await onnx.compile(
      (_state, inputs, weights) => {
        const backbone = dit.bind(tinySpec, weights);
        const each = predictionsByGroup(backbone, { plans, weights }, queryOf(inputs, tinySpec), groups);
        return {
          state: {},
          out: Object.fromEntries(each.map(({ exit, prediction }) => [`${exit}`, prediction])),
        };
      },
      { state: {}, batch: exitsInputs(tinySpec, times.length), frozen: tinyWeights },
    );
    const nothing = { noise: sorted('x'), exit: own, lambda: own, lr: 0 };
    const bound = Object.fromEntries(Object.keys(boundInputs).map((name) => [name, sorted('t')]));
    const fed = { x: sorted('x'), t: sorted('t'), ...nothing, ...bound };
    const out = await step({ ...floats(fed), y: Int32Array.from(sorted('y')) });
    await step.dispose();
    const expected = sorted('out');
    const size = expected.length / times.length;
    const found = own.flatMap((exit, place) => {
      const { from = NaN } = groups.find((group) => group.exit === exit) ?? {};
      return [...(out[`${exit}`]?.data.slice((place - from) * size, (place - from + 1) * size) ?? [])];
    });
    expect(found).toBeAllClose(expected, 1e-4);
  });

  it.each(forms)('counts every sample by its own weight, its error and its bound, %s', async (_, groups) => {
    const [x, out, t] = [sorted('x'), sorted('out'), sorted('t')];
    const { channels, imageSize } = tinySpec;
    const size = channels * imageSize ** 2;
    const noise = [...stream(5, 'noise').normals(x.length)];
    const lambda = [0.3, 2, 0.7, 1.1, 0.1, 1.6, 0.9, 3];
    const training: Training = {
      of: tinySpec,
      step: exitsStep(tinySpec, sharedAt(tinySpec, officialExits), groups, plain, steady),
      ...{ weights: lastBias, frozen: allButLastBias },
      inputs: exitsInputs(tinySpec, t.length),
    };
    const tables = Object.entries(boundTables(official)).map(
      ([name, table]) => [name, t.map((at) => table[at])] as const,
    );
    const feeds = {
      ...floats({ x, noise, t, lambda, exit: own, lr: 0, ...Object.fromEntries(tables) }),
      y: Int32Array.from(sorted('y')),
    };
    const { results } = await runSteps(onnx, training, [feeds]);

    const expected = t.map((at, i) => {
      const pixels = Array.from(Array(size).keys(), (j) => {
        const [epsilon, variance] = [out[2 * i * size + j]!, out[(2 * i + 1) * size + j]!];
        const [e, seen] = [noise[i * size + j]!, x[i * size + j]!];
        return (epsilon - e) ** 2 + boundOf(at, { epsilon, variance, noise: e, x: seen });
      });
      return pixels.reduce((sum, value) => sum + value, 0) / size;
    });
    const loss = expected.reduce((sum, value, i) => sum + lambda[i]! * value, 0) / t.length;
    expect((results[0]?.['loss'] ?? NaN) / loss).toBeCloseTo(1, 5);
  });
});

/**
 * In bits, of one pixel: the divergence of the model's step from the posterior's, and at t = 0 the likelihood of its level
 * of 256, with all that lies beyond black and white.
 */
function boundOf(
  t: number,
  { epsilon, variance, noise, x }: Readonly<Record<'epsilon' | 'variance' | 'noise' | 'x', number>>,
): number {
  const at = Math.max(t, 1);
  const before = official.alphasCumprod[at - 1]!;
  const posterior = (official.betas[at]! * (1 - before)) / (1 - official.alphasCumprod[at]!);
  const [a, beta] = [official.alphasCumprod[t]!, official.betas[t]!];
  const share = (variance + 1) / 2;
  const model = beta ** share * posterior ** (1 - share);
  const x0Gap = Math.sqrt((1 - a) / a) * (epsilon - noise);
  if (t > 0) {
    const meanGap = ((beta * Math.sqrt(before)) / (1 - a)) * x0Gap;
    return (Math.log(model / posterior) + (posterior + meanGap ** 2) / model - 1) / 2 / Math.LN2;
  }
  const below = (gap: number): number => {
    const z = gap / Math.sqrt(model);
    return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)));
  };
  const [up, down] = [below(x0Gap + 1 / 255), below(x0Gap - 1 / 255)];
  const image = (x - Math.sqrt(1 - a) * noise) / Math.sqrt(a);
  const inside = image > 0.999 ? 1 - down : up - down;
  return -Math.log2(Math.max(image < -0.999 ? up : inside, 1e-12));
}

function floats(record: Readonly<Record<string, number | readonly (number | undefined)[]>>): Feeds {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : Float32Array.from(value, (one) => one ?? NaN),
    ]),
  );
}

describe('the loss of a backbone that is trained at its exits', () => {
  const file = 'ase/training_losses.safetensors';
  const recorded = (name: string): Float32Array => fixtureFloats(file, name);
  const t = Float32Array.from(pick(fixtureTensors(file), 't').data);
  const full = new Float32Array(official.steps).fill(tinySpec.depth);

  it.each([...t.keys()])('is that of the official code for sample %d of a full model', async (sample) => {
    const groups = gatheredGroups(full, t.length);
    const training: Training = {
      of: tinySpec,
      step: exitsStep(tinySpec, [], groups, plain, steady),
      ...{ weights: lastBias, frozen: allButLastBias },
      inputs: exitsInputs(tinySpec, t.length),
    };
    const bound = Object.entries(boundTables(official));
    const feeds: Feeds = {
      ...{ x: addNoise(official, recorded('x0'), recorded('noise'), t), noise: recorded('noise'), t },
      y: Int32Array.from(pick(fixtureTensors(file), 'y').data),
      ...Object.fromEntries(bound.map(([name, table]) => [name, t.map((at) => table[at] ?? NaN)])),
      exit: t.map(() => tinySpec.depth),
      lambda: t.map((_, i) => (i === sample ? t.length : 0)),
      lr: 0,
    };
    const { results } = await runSteps(onnx, training, [feeds]);
    const expected = recorded('loss')[sample] ?? NaN;
    expect((results[0]?.['loss'] ?? NaN) / expected).toBeCloseTo(1, 4);
  });
});

/** Three blocks and four exits' worth of times; the same samples, deepest first. */
const exits = exitsByTime({ kind: 'counts', counts: [3, 3, 2, 1, 1] }, spec, spec.timeSteps);
const batch = 11;

function feedsAt(of: BackboneSpec, shift: number, own: Float32Array): Feeds {
  const t = spreadTimes(shift, batch, of.timeSteps).toSorted((a, b) => (own[b] ?? 0) - (own[a] ?? 0));
  return { ...feedsFor(of, batch, Math.round(100 * shift)), t, exit: t.map((at) => own[at] ?? NaN) };
}

function trainingOf(
  groups: readonly ExitGroup[],
  kind: HeadPlan['kind'] = 'shared',
  all = livelyWeights(),
  of: BackboneSpec = spec,
  own = exits,
): Training {
  const moves = new Set(fineTunable(of));
  const chosen = (keep: (name: string) => boolean): HostTensors =>
    Object.fromEntries(Object.entries(all).filter(([name]) => keep(name)));
  const plans = checkedPlans(
    of,
    earlyExits(own, of.depth).map((exit) => headPlan(kind, exit, { bottleneck: 4, rank: 2 })),
  );
  return {
    of,
    step: exitsStep(of, plans, groups, plain, steady),
    weights: { ...chosen((name) => moves.has(name)), ...initialHeads(of, plans, all, 1) },
    frozen: chosen((name) => !moves.has(name)),
    inputs: exitsInputs(of, batch),
  };
}

describe('a step that skips the blocks after a sample’s exit', () => {
  const feeds = [0.03, 0.51, 0.77, 0.999].map((shift) => feedsAt(spec, shift, exits));

  it.each<HeadPlan['kind']>(['shared', 'adapter'])(
    'has the loss, the gradients and the weights after it of one that runs all blocks, with %s heads',
    async (kind) => {
      const gathered = await runSteps(onnx, trainingOf(gatheredGroups(exits, batch), kind), feeds);
      const skipped = await runSteps(onnx, trainingOf(stratifiedGroups(exits, batch), kind), feeds);
      expectSame(skipped, gathered, 1e-6);
    },
  );

  it('computes compiled what it does eagerly', async () => {
    const training = trainingOf(stratifiedGroups(exits, batch));
    expectSame(await runSteps(onnx, training, feeds), await runSteps(eager, training, feeds), 1e-6);
  });

  it('leaves the embedder of time and the positions as they are, and moves all else', async () => {
    const { state } = await runSteps(onnx, trainingOf(stratifiedGroups(exits, batch)), feeds);
    const before = livelyWeights();
    const moved = Object.entries(part(state, 'w'));
    expect(moved.map(([name]) => name).filter((name) => /t_embedder|pos_embed/.test(name))).toEqual([]);
    for (const [name, { data }] of moved) expect(data).not.toEqual(before[name]?.data);
  });
});

describe('the same in other families and of other predictions', () => {
  const uvit = tinyUvit('cond');
  const bare = tinyUvit('uncond', 'plain');
  const pixart = madePixart(4, 1, 3);

  it.each<[string, BackboneSpec, HostTensors]>([
    ['U-ViT that predicts v', { ...uvit.spec, prediction: 'v' }, uvit.weights],
    ['U-ViT without skips at exits, that predicts x0', { ...bare.spec, prediction: 'x0' }, bare.weights],
    ['PixArt that predicts v, its variance learned', { ...pixart, prediction: 'v' }, livelyWeights(pixart)],
    ['PixArt that predicts x0', { ...pixart, prediction: 'x0' }, livelyWeights(pixart)],
  ])('skipping is gathering in a %s', async (_, of, weights) => {
    const process = diffusion({ ...ddpmBetas, steps: of.timeSteps, prediction: of.prediction });
    const own = exitsByTime({ kind: 'falling', meanDepth: 0.6 }, of, of.timeSteps);
    expect(earlyExits(own, of.depth).length).toBeGreaterThan(0);
    const bound = learnsVariance(of) ? Object.entries(boundTables(process)) : [];
    const feeds = [0.03, 0.51].map((shift): Feeds => {
      const fed = feedsAt(of, shift, own);
      const t = fed['t'] as Float32Array;
      const tables = bound.map(([name, table]) => [name, t.map((at) => table[at] ?? NaN)] as const);
      return { ...fed, ...mixtureFeeds(process, t), ...Object.fromEntries(tables) };
    });
    const run = (groups: readonly ExitGroup[]): ReturnType<typeof runSteps> =>
      runSteps(onnx, trainingOf(groups, 'shared', weights, of, own), feeds);
    const gathered = await run(gatheredGroups(own, batch));
    expectSame(await run(stratifiedGroups(own, batch)), gathered, 1e-5);
    const [first, second] = gathered.results.map(({ loss }) => loss ?? NaN);
    expect(Number.isFinite(first) && first !== second).toBe(true);
  });
});
