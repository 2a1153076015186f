import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSetting } from '../../src/config/layers.js';
import { configYaml, loadConfig } from '../../src/config/load.js';
import { folderWith, least, load, messageFrom } from './files.js';

const file = (text: string): string => join(folderWith({ 'c.yaml': text }), 'c.yaml');

describe('loading a config', () => {
  it('fills in defaults and says what it was made of', async () => {
    const path = file(least);
    const { config, sources } = await load(path, 'train', ['train.batch=8']);
    expect(config.train).toEqual({
      batch: 8,
      steps: 10,
      logEvery: 10,
      checkpointEvery: 200,
      keep: 2,
    });
    expect(config.heads).toEqual({
      ...{ kind: 'adapter', exits: 'all', bottleneck: 64, rank: 4 },
      memory: { steps: 25, every: 3, pairs: 'noise', ages: 'whole' },
    });
    expect(config.engine).toEqual({ kind: 'auto', provider: 'cpu', threads: 0, frozenPrecision: 'fp32' });
    expect(sources).toEqual([path, '--set train.batch=8']);
  });

  it('freezes the config all the way down', async () => {
    const { config } = await load(file(`${least}heads: { exits: [1, 2] }`), 'train');
    for (const part of [config, config.train, config.heads, config.heads.exits])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => Object.assign(config.train, { batch: 1 })).toThrow(TypeError);
  });

  it('reports all problems at once, each with its place, what was found and what was expected', async () => {
    const path = file(
      [
        'seed: -1',
        'optimzier: { lr: 1 }',
        'backbone: { path: x, wieghts: ema }',
        'data:',
        '  kind: mnist',
        '  train: { images: a }',
        'heads:',
        '  exits: [1, 0]',
        'train:',
        '  batch_size: 5',
        '  lr: 3',
        'profile:',
      ].join('\n'),
    );
    expect((await messageFrom(path, ['sample.eta=big', 'engine.kind=tpu'])).split('\n')).toEqual([
      '--set engine.kind=tpu  engine.kind: found "tpu", expected one of auto, onnx, cuda, native, webgpu, wasm',
      '--set sample.eta=big  sample.eta: found "big", expected a number from 0 to 1',
      'c.yaml:1:7  seed: found -1, expected a whole number from 0 to 2147483647',
      'c.yaml:2:1  optimzier: is unknown; did you mean optimizer?',
      'c.yaml:3:22  backbone.wieghts: is unknown; did you mean backbone.weights?',
      'c.yaml:6:3  data.train: does not go with data.kind, which is "mnist"; remove it',
      'c.yaml:8:14  heads.exits.1: found 0, expected a whole number from 1 to 1000',
      'c.yaml:9:1  train.steps: is missing, expected a whole number from 1 to 16777215 (number of steps)',
      'c.yaml:10:3  train.batch_size: is unknown; did you mean train.batch?',
      'c.yaml:11:3  train.lr: is unknown here; did you mean optimizer.lr?',
      'c.yaml:12:9  profile: found nothing, expected a map with samples, batch, bins, binning, guidance, standardError, trajectories, pairs, stepCounts',
    ]);
  });

  it('points to the file in which the wrong key stands, not to the one that extends it', async () => {
    const folder = folderWith({
      'base.yaml': 'optimizer:\n  lr: fast\n',
      'c.yaml': `extends: base.yaml\n${least}`,
    });
    expect(await messageFrom(join(folder, 'c.yaml'))).toBe(
      'base.yaml:2:7  optimizer.lr: found "fast", expected a number above 0 and at most 10',
    );
  });

  it.each([
    [
      'diffusion: { betaStart: 0.5 }',
      'diffusion.betaEnd: found 0.02, expected at least diffusion.betaStart, which is 0.5; it is not set, and that is its default',
    ],
    [
      'schedule: { steps: 1001 }',
      'schedule.steps: found 1001, expected at most diffusion.steps, which is 1000',
    ],
    ['heads: { exits: [2, 1, 2] }', 'heads.exits: has 2 twice, expected each exit once'],
    [
      'heads: { exits: [1, 2] }\nloss: { exitWeights: [1] }',
      'loss.exitWeights: has 1 numbers, expected one for each of the 2 exits in heads.exits',
    ],
    [
      'loss: { exitWeights: [0, 0] }',
      'loss.exitWeights: has only zeros, expected at least one exit that counts',
    ],
    [
      'loss: { denoising: 0, distillation: 0 }',
      'loss.denoising: is 0 and so is loss.distillation, expected at least one of them above 0',
    ],
    [
      'loss: { distillation: 0, sensitivity: s.json }',
      'loss.sensitivity: weighs the distance to the full backbone, but loss.distillation is 0; change one of them',
    ],
    [
      'heads: { kind: memory, memory: { steps: 2000 } }',
      'heads.memory.steps: found 2000, expected at most diffusion.steps, which is 1000',
    ],
    [
      'schedule: { halves: separate }\nsample: { guidance: 2, guidanceInterval: [10, 900] }',
      'schedule.halves: is separate, but outside sample.guidanceInterval there is one half alone; leave one of them out',
    ],
    [
      'loss: { lambda: table }',
      'loss.table: is missing, and loss.lambda is table, which reads it; add the path of the file',
    ],
    [
      'loss: { errorTable: e.json }',
      'loss.errorTable: goes with loss.lambda error alone, and that is uniform; change one of them',
    ],
    [
      'engine: { kind: webgpu, provider: cuda }',
      'engine.provider: found cuda, but engine.kind is webgpu, and only onnx has providers; set engine.kind to onnx, or remove this',
    ],
  ])('holds rules between keys: %s', async (extra, message) => {
    expect(await messageFrom(file(`${least}${extra}`))).toContain(`  ${message}`);
  });

  it('checks the shape of a backbone to make', async () => {
    const path = file(
      'backbone: { imageSize: 28, channels: 1, patch: 3, depth: 2, width: 30, heads: 4, classes: 10 }\ndata: { kind: mnist }\ntrain: { steps: 1 }',
    );
    expect((await messageFrom(path, [], 'pretrain')).split('\n')).toEqual([
      'c.yaml:1:48  backbone.patch: found 3, expected a divisor of backbone.imageSize, which is 28',
      'c.yaml:1:68  backbone.width: found 30, expected a multiple of 4',
      'c.yaml:1:79  backbone.heads: found 4, expected a divisor of backbone.width, which is 30',
    ]);
  });

  it('names the verb that a config is for', async () => {
    const path = file(least);
    expect(await messageFrom(path, [], 'pretrain')).toBe(
      'c.yaml: is a config for train, not for pretrain; run `exithead train c.yaml` or give another one',
    );
  });

  it('needs no file where everything has a default', async () => {
    const { config, sources } = await loadConfig(undefined, {
      kind: 'sample',
      set: [parseSetting('sample.steps=20')],
    });
    expect(config.sample).toMatchObject({ solver: 'ddim', steps: 20, count: 64 });
    expect(config.sample.guidance).toBeUndefined();
    expect(sources).toEqual(['--set sample.steps=20']);
  });
});

describe('paths in a config', () => {
  it('are relative to the file that they stand in, and to the working folder once loaded', async () => {
    const folder = folderWith({
      'base/b.yaml': 'backbone: { path: ../models/a, config: /etc/a.json }\n',
      'runs/c.yaml':
        'extends: ../base/b.yaml\ndata: { kind: idx, train: { images: i, labels: l }, test: { images: ./x/i, labels: l } }\ntrain: { steps: 1 }\n',
    });
    const { config } = await load(join(folder, 'runs/c.yaml'), 'train');
    expect(config.backbone).toMatchObject({
      path: relative('.', join(folder, 'models/a')),
      config: '/etc/a.json',
    });
    expect(config.data).toMatchObject({ test: { images: relative('.', join(folder, 'runs/x/i')) } });
  });

  it('of --set are relative to the working folder', async () => {
    const { config } = await load(file(least), 'train', ['backbone.path=models/mnist-dit/']);
    expect(config.backbone.path).toBe('models/mnist-dit');
  });
});

describe('a source on the hub', () => {
  it('stays as it is, whatever folder it stands in, and in the resolved config', async () => {
    const folder = folderWith({
      'far/c.yaml': least.replace(/path: [^\s,}]+/, 'path: hf://owner/name@v1/transformer'),
    });
    const loaded = await load(join(folder, 'far/c.yaml'), 'train', ['vae.path=hf://owner/name/vae']);
    expect(loaded.config).toMatchObject({
      backbone: { path: 'hf://owner/name@v1/transformer' },
      vae: { path: 'hf://owner/name/vae' },
    });
    expect(configYaml(loaded, folder)).toMatch(/path: hf:\/\/owner\/name@v1\/transformer\n/);
  });
});

describe('the resolved config', () => {
  it('loads to the same config again from the folder it is saved in', async () => {
    const loaded = await load('configs/mnist/quickstart.yaml', 'train', [
      'backbone.config=/etc/x.json',
      'loss.lambda=min-snr',
    ]);
    const folder = folderWith({});
    mkdirSync(join(folder, 'runs/001-x'), { recursive: true });
    const saved = join(folder, 'runs/001-x/config.yaml');
    writeFileSync(saved, configYaml(loaded, join(folder, 'runs/001-x')));
    const again = await load(saved, 'train');
    expect(again.config).toEqual(loaded.config);
    expect(configYaml(again, join(folder, 'runs/001-x'))).toBe(
      configYaml(loaded, join(folder, 'runs/001-x')),
    );
  });

  it('keeps every number exactly', async () => {
    const number = fc.double({ min: 1e-12, max: 1, minExcluded: true, noNaN: true });
    await fc.assert(
      fc.asyncProperty(number, number, fc.integer({ min: 0, max: 2 ** 31 - 1 }), async (lr, eps, seed) => {
        const loaded = await load(file(least), 'train', [
          `optimizer.lr=${lr}`,
          `optimizer.eps=${eps}`,
          `seed=${seed}`,
        ]);
        expect(loaded.config).toMatchObject({ seed, optimizer: { lr, eps } });
        const folder = folderWith({});
        writeFileSync(join(folder, 'config.yaml'), configYaml(loaded, folder));
        expect((await load(join(folder, 'config.yaml'), 'train')).config).toEqual(loaded.config);
      }),
      { numRuns: 30 },
    );
  });
});
