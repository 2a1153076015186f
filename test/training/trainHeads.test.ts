import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ditSpec, specJson } from '../../src/backbones/spec.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { openSafetensors, writeSafetensors } from '../../src/checkpoints/safetensors.js';
import { readTensors } from '../../src/checkpoints/stored.js';
import { writeBackbone } from '../../src/checkpoints/writeBackbone.js';
import { main } from '../../src/commands/main.js';
import { verbs } from '../../src/commands/verbs.js';
import { parseTrain } from '../../src/config/parse.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { readHeads } from '../../src/exits/headsFile.js';
import { headPlan, initialHeads } from '../../src/exits/heads.js';
import { exitMacs } from '../../src/exits/model.js';
import { writeSensitivity } from '../../src/schedules/sensitivity.js';
import { latestCheckpoint } from '../../src/training/checkpoints.js';
import { part, stateShapes } from '../../src/training/state.js';
import {
  headsAtStart,
  headsLoss,
  headsObjective,
  headsPath,
  headsToTrain,
  rehearseHeads,
} from '../../src/training/trainHeads.js';
import { screen } from '../commands/world.js';
import { temporaryFolders } from '../folder.js';
import { quiet, runOf, stopAfter, train, untimed, writeProject } from './project.js';
import { livelyWeights, onnx, spec } from './tiny.js';

const folder = temporaryFolders();
const settings = { backbone: { path: 'model' }, data: { kind: 'mnist' }, train: { steps: 1 } };
const uncounted = (): never => {
  throw new Error('nothing asks for multiply-adds');
};
const configOf = (more: object) => parseTrain({ ...settings, ...more });

describe('training heads', () => {
  it.each<[string, number, string[]]>([
    ['adapters, between two checkpoints', 7, []],
    ['blocks, at a checkpoint', 10, ['heads.kind=block']],
    [
      'heads in turn that imitate alone, at times of EDM',
      9,
      [
        'loss.curriculum=rotating',
        'loss.denoising=0',
        'loss.exitWeights=macs',
        'loss.times=log-normal',
        'loss.lambda=edm',
      ],
    ],
    ['one linear head, after one step', 1, ['heads.kind=linear', 'heads.exits=[2]', 'loss.lambda=min-snr']],
  ])('ends in the same file, byte for byte, when it was stopped: %s', async (_, count, set) => {
    const path = await writeProject(await folder());
    const whole = await runOf(path, false, ...set);
    await train(whole);
    const stopped = await runOf(path, false, ...set);
    await expect(train(stopped, stopAfter(count))).rejects.toThrow(Interrupted);
    expect(existsSync(headsPath(stopped))).toBe(false);
    const resumed = await runOf(path, true, ...set);
    expect(resumed).toEqual(stopped);
    await train(resumed);
    expect(readFileSync(headsPath(resumed)).equals(readFileSync(headsPath(whole)))).toBe(true);
    expect(await untimed(resumed)).toEqual(await untimed(whole));
    expect((await untimed(whole)).map(({ step }) => step)).toEqual([1, 3, 6, 9, 12, 15, 18, 20]);
  });

  it('leaves the averages of the last state, which have moved from where they began', async () => {
    const path = await writeProject(await folder());
    const run = await runOf(path, false);
    const backbone = await openBackbone({ path: join(path, '..', 'backbone'), weights: 'auto' });
    const heads = await readHeads(await train(run), spec, backbone.fingerprint);
    const shapes = Object.fromEntries(
      Object.entries(heads.weights).map(([name, { shape }]) => [name, shape]),
    );
    const last = await latestCheckpoint(
      run,
      stateShapes(shapes),
      { origin: backbone.fingerprint },
      quiet.warn,
    );
    expect(last?.step).toBe(20);
    expect(heads.weights).toEqual(part(last?.state ?? {}, 'ema'));
    const start = await headsAtStart(backbone, heads.plans, 3);
    expect(start).toEqual(initialHeads(spec, heads.plans, livelyWeights(), 3));
    for (const [name, { data }] of Object.entries(start)) expect(heads.weights[name]?.data).not.toEqual(data);
  });

  it('writes the same heads again when a finished run is resumed, and measures nothing more', async () => {
    const run = await runOf(await writeProject(await folder()), false);
    const first = readFileSync(await train(run));
    const metrics = await untimed(run);
    await rm(headsPath(run));
    expect(readFileSync(await train(run)).equals(first)).toBe(true);
    expect(await untimed(run)).toEqual(metrics);
  });

  it('refuses to go on with another backbone', async () => {
    const path = await writeProject(await folder());
    const run = await runOf(path, false);
    await expect(train(run, stopAfter(7))).rejects.toThrow(Interrupted);
    await writeBackbone(join(path, '..', 'backbone'), spec, livelyWeights(spec, 2));
    await expect(train(run)).rejects.toThrow(UserError);
    await expect(train(run)).rejects.toThrow(/belongs to a run on the backbone with fingerprint/);
    expect(existsSync(headsPath(run))).toBe(false);
  });

  it('has nothing to train in shared heads', async () => {
    const run = await runOf(await writeProject(await folder()), false, 'heads.kind=shared');
    const { tensors, metadata } = await openSafetensors(await train(run));
    expect(tensors).toEqual({});
    expect(JSON.parse(metadata['plans'] ?? '')).toEqual([
      { kind: 'shared', exit: 1 },
      { kind: 'shared', exit: 2 },
    ]);
    expect(await readdir(run.checkpoints)).toEqual([]);
  });
});

describe('numbers that are not finite', () => {
  it('are refused in the backbone before anything starts', async () => {
    const path = await writeProject(await folder());
    const file = join(path, '..', 'backbone', 'model.safetensors');
    const weights = await readTensors((await openSafetensors(file)).tensors);
    weights['blocks.1.mlp.fc1.bias']!.data[3] = NaN;
    await writeSafetensors(file, weights);
    const run = await runOf(path, false);
    await expect(train(run)).rejects.toThrow(UserError);
    await expect(train(run)).rejects.toThrow(
      /blocks\.1\.mlp\.fc1\.bias: 1, the first is NaN at flat index 3/,
    );
    expect(await readdir(run.checkpoints)).toEqual([]);
  });

  it('end a training that runs away, naming the step, and leave no heads', async () => {
    // Each step multiplies the weights by 1 - 10 * 10.
    const wild = ['optimizer.lr=10', 'optimizer.weightDecay=10', 'optimizer.clip=0', 'optimizer.warmup=0'];
    const run = await runOf(await writeProject(await folder()), false, ...wild, 'train.steps=200');
    const error: unknown = await train(run).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    const [, step] =
      /became (?:Infinity|NaN) in step (\d+)\..*smaller optimizer\.lr/.exec(String(error)) ?? [];
    expect(Number(step)).toBeGreaterThan(1);
    expect(existsSync(headsPath(run))).toBe(false);
    expect(readFileSync(run.log, 'utf8')).toContain(`in step ${step}`);
  });
});

describe('the command train', () => {
  const exithead = async (...words: string[]) => {
    const [out, err] = [screen(), screen()];
    const world = { stdout: out.stream, stderr: err.stream, env: {}, version: '0', signal: quiet.signal };
    const code = await main(words, verbs, world);
    await new Promise(setImmediate);
    return { code, out: out.text(), err: err.text() };
  };

  it('goes on with the folder of a run, but not with other settings', async () => {
    const path = await writeProject(await folder());
    const run = await runOf(path, false);
    await expect(train(run, stopAfter(7))).rejects.toThrow(Interrupted);
    const { code, err } = await exithead('train', run.path, '--resume', '--set', 'optimizer.lr=1');
    expect(code).toBe(2);
    expect(err).toContain(
      'goes on with the config that it began with, so --set optimizer.lr=1 cannot change it',
    );
    expect((await exithead('train', run.path)).err).toContain('Add --resume to go on with that run');
    expect(existsSync(headsPath(run))).toBe(false);
    const resumed = await exithead('train', run.path, '--resume');
    expect({ code: resumed.code, heads: existsSync(headsPath(run)) }).toEqual({ code: 0, heads: true });
    expect(resumed.out).toContain('going on after step 7 of 20');
  });
});

describe('heads to train', () => {
  it('are those of all blocks but the last, or those that were asked for, in order', () => {
    expect(headsToTrain(spec, configOf({ heads: { kind: 'block' } }))).toEqual([
      { kind: 'block', exit: 1 },
      { kind: 'block', exit: 2 },
    ]);
    const some = configOf({ heads: { kind: 'adapter', exits: [2, 1], bottleneck: 8 } });
    expect(headsToTrain(spec, some).map(({ exit }) => exit)).toEqual([1, 2]);
    expect(() => headsToTrain(spec, configOf({ heads: { exits: [3] } }))).toThrow(UserError);
  });

  it('share the variance of the backbone if told, and it must predict one', () => {
    const learned = ditSpec({ ...specJson(spec), learn_sigma: true });
    const sharing = (kind: string) =>
      configOf({ heads: { kind, exits: [1], rank: 2 }, loss: { variance: 'share' } });
    expect(headsToTrain(learned, sharing('linear'))).toEqual([
      { kind: 'linear', exit: 1, variance: 'shared' },
    ]);
    expect(headsToTrain(learned, sharing('shared'))).toEqual([{ kind: 'shared', exit: 1 }]);
    const refused = (): unknown => headsToTrain(spec, sharing('linear'));
    expect(refused).toThrow(UserError);
    expect(refused).toThrow('loss.variance is share, but');
  });

  it('learn a variance where there is one, and a distance to the noise that teaches it', () => {
    const learning = configOf({ heads: { exits: [1] }, loss: { variance: 'learn' } });
    const none = (): unknown => headsToTrain(spec, learning);
    expect(none).toThrow(UserError);
    expect(none).toThrow(
      /^loss\.variance is learn, but .* predicts no variance: 1 channels go in, as many come out/,
    );
    const learned = ditSpec({ ...specJson(spec), learn_sigma: true });
    expect(headsToTrain(learned, learning)).toHaveLength(1);
    const alone = (kind: string): unknown =>
      headsToTrain(learned, configOf({ heads: { kind, exits: [1] }, loss: { distillation: 0 } }));
    expect(() => alone('linear')).toThrow(/^loss\.distillation is 0, and .* predicts a variance/);
    // It takes both from the backbone, whatever it is trained for.
    expect(alone('shared')).toHaveLength(1);
    const untaught = configOf({ heads: { exits: [1] }, loss: { variance: 'learn', denoising: 0 } });
    const refused = (): unknown => headsToTrain(learned, untaught);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow('loss.variance is learn, but loss.denoising is 0');
  });

  it('count the same together as one, unless told', () => {
    const all = configOf({ heads: { kind: 'linear' }, loss: { distillation: 0.5 } });
    const plans = headsToTrain(spec, all);
    expect(headsLoss(plans, all, uncounted)).toEqual({
      denoising: 1,
      distillation: 0.5,
      exitWeights: [0.5, 0.5],
    });
    expect(headsLoss(plans, configOf({ loss: { exitWeights: [1, 3] } }), uncounted).exitWeights).toEqual([
      0.25, 0.75,
    ]);
    const three = configOf({ loss: { exitWeights: [1, 2, 3] } });
    expect(() => headsLoss(plans, three, uncounted)).toThrow(UserError);
    expect(() => headsLoss(plans, three, uncounted)).toThrow('has 3 numbers for the 2 exits');
  });
});

describe('what heads are trained for', () => {
  const objectiveOf = (more: object) =>
    headsObjective(
      configOf({ diffusion: { steps: 100 }, schedule: { steps: 10 }, sample: { steps: 10 }, ...more }),
      { spec, weights: livelyWeights(), fingerprint: 'b' },
    );
  const linear = { kind: 'linear', exits: [1, 2] };
  const t = Array.from({ length: 100 }, (_, at) => at);

  it('is each distance with its own weight of time, the one by lambda, the other by a sensitivity', async () => {
    const sensitivity = join(await folder(), 'sensitivity.json');
    await writeSensitivity(sensitivity, {
      ...{ format: 'exithead-sensitivity', version: 1, backbone: 'b', heads: 'h', steps: 100 },
      ...{ timesteps: [90, 50, 10], solver: 'ddim', eta: 0, guidance: 1, clip: false },
      ...{ samples: 8, deviation: 0.03, exit: null },
      noise: { value: [8, 4, 2], standardError: [0.1, 0.1, 0.1] },
    });
    const loss = { lambda: 'min-snr', denoising: 2, distillation: 0.5, sensitivity };
    const { timeWeights } = await objectiveOf({ heads: linear, loss });
    expect(Object.keys(timeWeights)).toEqual(['lambda', 'lambdaFull']);

    const { alphasCumprod } = diffusion({ ...ddpmBetas, steps: 100 });
    const snr = Array.from(alphasCumprod, (a) => a / (1 - a));
    expect(snr.some((r) => r > 5) && snr.some((r) => r < 5)).toBe(true);
    expect(
      snr.map((r, at) => (timeWeights['lambda']?.[at] ?? NaN) / ((2 * Math.min(r, 5)) / r)),
    ).toBeAllClose(
      snr.map(() => 1),
      1e-6,
    );
    const felt = t.map((at) => {
      const within = Math.min(Math.max(at, 10), 90);
      return within < 50 ? 2 + (within - 10) / 20 : 4 + (within - 50) / 10;
    });
    const mean = felt.reduce((sum, weight) => sum + weight, 0) / 100;
    expect(timeWeights['lambdaFull']).toBeAllClose(
      felt.map((weight) => (0.5 * weight) / mean),
      1e-6,
    );
  });

  it.each<[object, readonly [step: number, importance: readonly number[]][]]>([
    [
      { curriculum: 'rotating' },
      [
        [0, [2 / 3, 0]],
        [1, [0, 4 / 3]],
        [2, [2 / 3, 0]],
      ],
    ],
    [{ curriculum: 'rotating', curriculumGroup: 2 }, [[1, [1 / 3, 2 / 3]]]],
    // Of twenty steps a quarter.
    [
      { curriculum: 'gradual', curriculumShare: 0.25 },
      [
        [4, [0, 1]],
        [5, [1 / 3, 2 / 3]],
      ],
    ],
  ])('lets exits count by depth in their turn: %j', async (curriculum, turns) => {
    const loss = { exitWeights: 'linear', ...curriculum };
    const { feedsAt } = await objectiveOf({ heads: linear, loss, train: { steps: 20 } });
    for (const [step, importance] of turns)
      expect(feedsAt?.(step)['importance']).toBeAllClose(importance, 1e-7);
  });

  it('lets exits count by the share of multiply-adds that they save', async () => {
    const importance = async (kind: string) =>
      (await objectiveOf({ heads: { kind, exits: [1, 2] }, loss: { exitWeights: 'macs' } })).feedsAt?.(0)[
        'importance'
      ];
    // Linear heads are last layers, so of three blocks alike two are saved, or one.
    expect(await importance('linear')).toBeAllClose([2 / 3, 1 / 3], 1e-7);

    const plans = [1, 2].map((exit) => headPlan('adapter', exit, { bottleneck: 64 }));
    const backbone = livelyWeights();
    const model = { spec, backbone, plans, heads: initialHeads(spec, plans, backbone, 1) };
    const [one = NaN, two = NaN, full = NaN] = [1, 2, 3].map((exit) => exitMacs(model, exit));
    const saved = [(full - one) / full, (full - two) / full];
    const sum = saved.reduce((total, share) => total + share, 0);
    const expected = saved.map((share) => share / sum);
    // What an adapter costs is missing from both, so the shallow one counts more than 2/3.
    expect(expected[0]).toBeGreaterThan(0.67);
    expect(await importance('adapter')).toBeAllClose(expected, 1e-7);
  });

  it('is a pair for heads that remember, as the config says', async () => {
    const memory = { steps: 12, every: 4, ages: 'between' };
    const of = (kind: string, pairs: string) =>
      objectiveOf({ heads: { kind, exits: [1, 2], memory: { ...memory, pairs } } });
    const each = { shape: ['batch'] };
    const full = { xFull: { shape: ['batch', 1, 8, 8] }, tFull: each };
    const solver = await of('memory', 'solver');
    expect(solver.pairs).toEqual({ ...memory, pairs: 'solver' });
    const { inputs: none, pairs } = await objectiveOf({ heads: linear });
    expect(pairs).toBeUndefined();
    expect(solver.inputs).toEqual({ ...none, ...full, keepX: each, addEpsilon: each, keepNoise: each });
    const noise = await of('remembered', 'noise');
    expect(noise.pairs).toEqual({ ...memory, pairs: 'noise' });
    expect(noise.inputs).toEqual({ ...none, ...full });
  });
});

describe('a rehearsal', () => {
  it('says what training takes and leaves nothing', async () => {
    const path = await writeProject(await folder());
    const backbone = await openBackbone({ path: join(path, '..', 'backbone'), weights: 'auto' });
    const before = await readdir(join(path, '..'));
    const files = (name: string) => ({
      images: join(path, '..', `${name}.images`),
      labels: join(path, '..', `${name}.labels`),
    });
    const data = { kind: 'idx', train: files('train'), test: files('test') };
    const of = (kind: string) =>
      rehearseHeads(
        configOf({
          heads: { kind },
          data,
          diffusion: { steps: 100 },
          schedule: { steps: 10 },
          sample: { steps: 10 },
        }),
        backbone,
        onnx,
      );
    const linear = await of('linear');
    // Per head a last layer of [16, 16] and [32, 16] with biases.
    expect(linear).toMatchObject({ trainable: 2 * (16 * 16 + 16 + 32 * 16 + 32), steps: 1 });
    expect(linear.macs).toBeGreaterThan(0);
    expect(linear.secondsPerStep).toBeGreaterThan(0);
    expect(linear.peakBytes).toBeGreaterThan(20e6);
    expect(await of('shared')).toMatchObject({ trainable: 0, macs: 0, secondsPerStep: 0, steps: 0 });
    expect(await readdir(join(path, '..'))).toEqual(before);
  });
});
