import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { fineTunable } from '../../src/backbones/init.js';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { readTensors } from '../../src/checkpoints/stored.js';
import { parseSetting } from '../../src/config/layers.js';
import { parseTrain } from '../../src/config/parse.js';
import { loadConfig } from '../../src/config/load.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { Interrupted, UserError } from '../../src/errors.js';
import { sizeOf, type HostTensors } from '../../src/engine/tensors.js';
import { latestCheckpoint } from '../../src/training/checkpoints.js';
import { loraPath, rehearseTuning, tunedBackbonePath, tuningParts } from '../../src/training/finetune.js';
import { merged } from '../../src/training/lora.js';
import { readMetrics } from '../../src/training/metrics.js';
import { trainRun } from '../../src/training/modes.js';
import { openTrained } from '../../src/training/openTrained.js';
import { openRun, type Run } from '../../src/training/runFolder.js';
import { shapesOf, type Work } from '../../src/training/fit.js';
import { part, stateShapes } from '../../src/training/state.js';
import { temporaryFolders } from '../folder.js';
import { quiet, runOf, stopAfter, untimed, writeProject } from './project.js';
import { livelyWeights, onnx, spec } from './tiny.js';

const folder = temporaryFolders();
const common = ['heads.kind=shared', 'finetune.exits=[3,2,1]', 'finetune.ema=0.9', 'train.steps=12'];
const ase = ['mode=finetune', 'finetune.lr=0.01', ...common];
const lora = ['mode=lora', 'lora.rank=2', 'lora.alpha=4', 'lora.lr=0.01', ...common];

async function train({ path }: Run, work: Work = quiet): Promise<string> {
  const run = await openRun(path);
  const { config } = await loadConfig(run.config, { kind: 'train' });
  return trainRun(run, config, await openBackbone(config.backbone), work);
}

async function tuned(...set: readonly string[]): Promise<Run> {
  const run = await runOf(await writeProject(await folder()), false, ...set);
  await train(run);
  return run;
}

const weightsIn = async (path: string) =>
  readTensors((await openBackbone({ path, weights: 'auto' })).weights);

describe.each([
  ['finetune', ase],
  ['lora', lora],
])('training in mode %s', (_, set) => {
  it('ends in the same backbone, byte for byte, when it was stopped', async () => {
    const path = await writeProject(await folder());
    const whole = await runOf(path, false, ...set);
    await train(whole);
    const stopped = await runOf(path, false, ...set);
    await expect(train(stopped, stopAfter(7))).rejects.toThrow(Interrupted);
    await train(await runOf(path, true, ...set));
    const bytes = (run: Run): Buffer => readFileSync(join(tunedBackbonePath(run.path), 'model.safetensors'));
    expect(bytes(stopped).equals(bytes(whole))).toBe(true);
    expect(await untimed(stopped)).toEqual(await untimed(whole));
  });

  it('leaves a backbone of its own, which opens with shared heads at the exits in use', async () => {
    const run = await tuned(...set);
    const { backbone, heads, config } = await openTrained(run.path);
    const given = await openBackbone(config.backbone);
    expect(backbone.source).toBe(tunedBackbonePath(run.path));
    expect(backbone.fingerprint).not.toBe(given.fingerprint);
    expect(heads.plans).toEqual([
      { kind: 'shared', exit: 1 },
      { kind: 'shared', exit: 2 },
    ]);
    await expect(openTrained(run.path, [parseSetting('mode=frozen')])).rejects.toThrow(UserError);
  });
});

describe('what moves', () => {
  it('in mode finetune is all but positions and the embedder of time', async () => {
    const made = await weightsIn(tunedBackbonePath((await tuned(...ase)).path));
    const before = livelyWeights();
    const moved = Object.keys(made).filter((name) =>
      made[name]?.data.some((value, i) => value !== before[name]?.data[i]),
    );
    expect(moved.toSorted()).toEqual([...fineTunable(spec)].toSorted());
  });

  it('is nothing behind the deepest exit', async () => {
    const made = await weightsIn(tunedBackbonePath((await tuned(...ase, 'finetune.exits=[2,1]')).path));
    const before = livelyWeights();
    expect(made['blocks.2.mlp.fc1.weight']).toEqual(before['blocks.2.mlp.fc1.weight']);
    expect(made['blocks.1.mlp.fc1.weight']?.data).not.toEqual(before['blocks.1.mlp.fc1.weight']?.data);
  });

  it('in mode lora are factors, kept beside the backbone that they are merged into', async () => {
    const run = await tuned(...lora);
    const { tensors, metadata } = await openSafetensors(loraPath(run));
    expect(metadata).toMatchObject({ format: 'exithead-lora', version: '1', rank: '2', alpha: '4' });
    const factors = await readTensors(tensors);
    const [made, before] = [await weightsIn(tunedBackbonePath(run.path)), livelyWeights()];
    expect(Object.keys(factors)).toHaveLength(2 * 4 * 3);
    for (const [name, weight] of Object.entries(before))
      expect(made[name]?.data).toEqual(
        `lora.${name}.up` in factors
          ? merged(name, weight, factors, { rank: 2, alpha: 4 }).data
          : weight.data,
      );
  });

  it('in mode lora are labels, too, where the config says so', async () => {
    const made = await weightsIn(tunedBackbonePath((await tuned(...lora, 'lora.labels=true')).path));
    const name = 'y_embedder.embedding_table.weight';
    expect(made[name]?.data).not.toEqual(livelyWeights()[name]?.data);
  });

  it('are heads with the backbone, where they have weights', async () => {
    const run = await tuned(...ase, 'heads.kind=linear');
    const { heads, backbone } = await openTrained(run.path);
    const bias = 'exits.1.last.linear.bias';
    expect(heads.plans.map(({ kind }) => kind)).toEqual(['linear', 'linear']);
    expect(heads.weights[bias]?.data).not.toEqual(livelyWeights()['final_layer.linear.bias']?.data);
    expect(Object.keys(backbone.weights)).not.toContain(bias);
    expect(await readdir(run.checkpoints)).toContain('step-12.safetensors');
  });
});

describe('what a tuning is made of', () => {
  it.each<[string, readonly string[], object]>([
    ['finetune', [], { lr: 1e-5, ema: 0.9999, weightDecay: 0, warmup: 5 }],
    ['lora', [], { lr: 1e-3, ema: 0.9999, weightDecay: 0, warmup: 5 }],
    ['finetune', ['finetune.lr=0.002', 'finetune.ema=0.5'], { lr: 0.002, ema: 0.5 }],
    ['lora', ['finetune.lr=0.002', 'finetune.ema=0.5', 'lora.lr=0.003'], { lr: 0.003, ema: 0.5 }],
  ])('has times, exits and an optimizer as the config says, in mode %s with %j', async (mode, set, moves) => {
    const exits = ['heads.kind=shared', 'finetune.exits=[3,2,1]', 'loss.lambda=min-snr'];
    const run = await runOf(await writeProject(await folder()), false, `mode=${mode}`, ...exits, ...set);
    const { config } = await loadConfig(run.config, { kind: 'train' });
    const parts = await tuningParts(config, await openBackbone(config.backbone));
    const { lambda = [], exit = [], ...others } = parts.timeWeights;
    expect(others).toEqual({});

    const { alphasCumprod } = diffusion({ ...ddpmBetas, steps: 100 });
    const snr = Array.from(alphasCumprod, (a) => a / (1 - a));
    expect(snr.map((r, t) => ((lambda[t] ?? NaN) * r) / Math.min(r, 5))).toBeAllClose(
      snr.map(() => 1),
      1e-6,
    );
    // Thirds of a hundred times: a time belongs to the third that it begins in.
    const thirds = [34, 33, 33].flatMap((length, third) => Array<number>(length).fill(3 - third));
    expect([...exit]).toEqual(thirds);
    expect([...parts.deepestFirst]).toEqual(thirds);
    expect(parts.config.optimizer).toMatchObject(moves);
  });
});

describe('the first step', () => {
  const one = ['train.steps=1', 'optimizer.warmup=0', 'optimizer.clip=0'];
  const largest = (differences: readonly number[]): number => Math.max(...differences.map(Math.abs));

  /** AdamW's first step is the learning rate up or down; the average keeps min(ema, 2 / 11) of where it was. */
  it.each([
    ['0.1', 0.9 * 0.02],
    ['0.9', (9 / 11) * 0.02],
  ])('of mode finetune moves weights by what its rate and an average of %s make of it', async (ema, move) => {
    const run = await tuned(...ase, ...one, 'finetune.lr=0.02', `finetune.ema=${ema}`);
    const [made, before] = [await weightsIn(tunedBackbonePath(run.path)), livelyWeights()];
    const differences = fineTunable(spec).flatMap((name) =>
      Array.from(made[name]?.data ?? [], (value, i) => value - (before[name]?.data[i] ?? NaN)),
    );
    expect(largest(differences)).toBeCloseTo(move, 6);
    // Those fall short whose gradients are near eps, as of a label that did not come, or of the keys' biases.
    const whole = differences.filter((difference) => Math.abs(difference) > 0.99 * move);
    expect(whole.length).toBeGreaterThan(0.98 * differences.length);
    expect(whole.some((d) => d > 0) && whole.some((d) => d < 0)).toBe(true);
  });

  it('of mode lora moves the factors that were zero by its own rate, and the others not yet', async () => {
    const run = await tuned(...lora, ...one, 'finetune.lr=0.02', 'lora.lr=0.004', 'finetune.ema=0.1');
    const factors = await readTensors((await openSafetensors(loraPath(run))).tensors);
    const ups = Object.entries(factors).filter(([name]) => name.endsWith('.up'));
    expect(ups).toHaveLength(4 * 3);
    expect(largest(ups.flatMap(([, { data }]) => [...data]))).toBeCloseTo(0.9 * 0.004, 7);
    const { state } = await lastOf(run, factors);
    const momentOf = (kind: string): number =>
      largest(
        Object.entries(part(state, 'm')).flatMap(([name, { data }]) =>
          name.endsWith(kind) ? [...data] : [],
        ),
      );
    expect(momentOf('.up')).toBeGreaterThan(0);
    expect(momentOf('.down')).toBe(0);
  });

  it.each([
    ['as it is with a floor of 1', ['optimizer.floor=1'], () => 0.004],
    [
      'along half a cosine without one',
      [],
      (done: number) => 0.002 * (1 + Math.cos((Math.PI * (done - 1)) / 12)),
    ],
  ])('is followed by others whose rate goes on %s', async (_, set, rate) => {
    const run = await tuned(...ase, 'finetune.lr=0.004', 'optimizer.warmup=0', ...set);
    const lines = await readMetrics(run.metrics);
    expect(lines.map(({ step }) => step)).toEqual([1, 3, 6, 9, 12]);
    expect(lines.map(({ lr }) => lr ?? NaN)).toBeAllClose(
      lines.map(({ step }) => rate(step)),
      1e-9,
    );
  });
});

/** The newest state of a run that trains weights of these shapes. */
async function lastOf(run: Run, weights: HostTensors) {
  const { config } = await loadConfig(run.config, { kind: 'train' });
  const { fingerprint } = await openBackbone(config.backbone);
  const last = await latestCheckpoint(
    run,
    stateShapes(shapesOf(weights)),
    { origin: fingerprint },
    quiet.warn,
  );
  if (!last) throw new Error('the run left a checkpoint');
  return last;
}

describe('what is kept', () => {
  it('is the backbone of the averages, not of the last weights', async () => {
    const run = await tuned(...ase);
    const made = await weightsIn(tunedBackbonePath(run.path));
    const moves = new Set(fineTunable(spec));
    const of = (weights: HostTensors): HostTensors =>
      Object.fromEntries(Object.entries(weights).filter(([name]) => moves.has(name)));
    const { step, state } = await lastOf(run, of(made));
    expect(step).toBe(12);
    expect(of(made)).toEqual(part(state, 'ema'));
    const weights = part(state, 'w');
    for (const [name, { data }] of Object.entries(of(made))) expect(weights[name]?.data).not.toEqual(data);
  });

  it('are the averages of factors in mode lora', async () => {
    const run = await tuned(...lora);
    const factors = await readTensors((await openSafetensors(loraPath(run))).tensors);
    const { state } = await lastOf(run, factors);
    expect(factors).toEqual(part(state, 'ema'));
    expect(factors).not.toEqual(part(state, 'w'));
  });
});

describe('a dry run', () => {
  it('counts what moves, and multiply-adds by how often each exit is left at', async () => {
    const path = await writeProject(await folder());
    const rehearsed = async (...set: string[]) => {
      const run = await runOf(path, false, ...ase, ...set);
      const { config } = await loadConfig(run.config, { kind: 'train' });
      return rehearseTuning(config, await openBackbone(config.backbone), onnx);
    };
    const full = await rehearsed('finetune.exits=[3]');
    const half = await rehearsed('finetune.exits=[3,1]');
    const one = await rehearsed('finetune.exits=[1]');
    const gathered = await rehearsed('finetune.exits=[3,1]', 'finetune.form=gather');
    expect(half.macs).toBeCloseTo((full.macs + one.macs) / 2, 6);
    expect(gathered.macs).toBeGreaterThan(full.macs);
    const sizes = fineTunable(spec).map((name) => sizeOf(livelyWeights()[name]?.shape ?? []));
    expect(full.trainable).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(one.trainable).toBeLessThan(full.trainable);
  });
});

describe('the keys of a mode', () => {
  const settings = { backbone: { path: 'model' }, data: { kind: 'mnist' }, train: { steps: 1 } };
  const refusal = (more: object): string => {
    try {
      parseTrain({ ...settings, ...more });
    } catch (error) {
      if (error instanceof UserError) return error.message;
      throw error;
    }
    return 'none';
  };

  it.each<[object, string]>([
    [{ finetune: { lr: 1 } }, 'finetune: goes with mode finetune or lora, and mode is frozen'],
    [{ mode: 'finetune', lora: {} }, 'lora: goes with mode lora, and mode is finetune'],
    [{ mode: 'lora', engine: { kind: 'onnx', frozenPrecision: 'int8' } }, 'is int8, expected fp32'],
    [{ mode: 'finetune', heads: { kind: 'memory' } }, 'heads.kind: is memory, and mode is finetune'],
    [{ mode: 'finetune', loss: { times: 'independent' } }, 'finetune.form: is skip, which needs loss.times'],
    [{ mode: 'finetune', finetune: { form: 'gather' }, loss: { times: 'independent' } }, 'none'],
    [{ mode: 'lora', finetune: { exits: [3, 2] }, lora: { rank: 2 } }, 'none'],
  ])('%j', (more, expected) => {
    expect(refusal(more)).toContain(expected);
  });
});
