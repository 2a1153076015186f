import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { openBackbone } from '../../src/checkpoints/backbone.js';
import { openSafetensors } from '../../src/checkpoints/safetensors.js';
import { readTensors } from '../../src/checkpoints/stored.js';
import { parsePretrain } from '../../src/config/parse.js';
import type { Engine } from '../../src/engine/engine.js';
import { Interrupted } from '../../src/errors.js';
import { initialWeights } from '../../src/backbones/init.js';
import { pretrain, rehearsePretraining, specToMake } from '../../src/training/pretrain.js';
import { createRun } from '../../src/training/runFolder.js';
import { temporaryFolders } from '../folder.js';
import { quiet, stopAfter, untimed, writeProject } from './project.js';
import { onnx, spec } from './tiny.js';

const folder = temporaryFolders();

/** A config of the tiny backbone on the images of a project. */
async function config(more: object = {}) {
  const root = join(await writeProject(await folder()), '..');
  const files = (name: string) => ({
    images: join(root, `${name}.images`),
    labels: join(root, `${name}.labels`),
  });
  const parsed = parsePretrain({
    seed: 4,
    backbone: { imageSize: 8, channels: 1, patch: 4, depth: 3, width: 16, heads: 2, mlpRatio: 2, classes: 4 },
    data: { kind: 'idx', train: files('train'), test: files('test') },
    diffusion: { steps: 100 },
    optimizer: { lr: 0.01, warmup: 2, ema: 0.9 },
    train: { batch: 8, steps: 8, logEvery: 2, checkpointEvery: 2, sampleEvery: 4 },
    sample: { steps: 5, count: 6, columns: 3, guidance: 2, clip: true },
    ...more,
  });
  return { config: parsed, newRun: () => createRun(join(root, 'runs'), 'tiny', () => 'seed: 4\n') };
}

describe('pretraining', () => {
  it('ends in the same backbone, byte for byte, when it was stopped, and draws the same previews', async () => {
    const { config: settings, newRun } = await config();
    const [whole, stopped] = [await newRun(), await newRun()];
    const made = await pretrain(whole, settings, quiet);
    await expect(pretrain(stopped, settings, stopAfter(5))).rejects.toThrow(Interrupted);
    expect(existsSync(join(stopped.path, 'backbone'))).toBe(false);
    expect((await pretrain(stopped, settings, quiet)).fingerprint).toBe(made.fingerprint);
    const same = (...path: string[]): boolean =>
      readFileSync(join(whole.path, ...path)).equals(readFileSync(join(stopped.path, ...path)));
    expect(same('backbone', 'model.safetensors')).toBe(true);
    expect(await untimed(stopped)).toEqual(await untimed(whole));
    expect((await readdir(whole.samples)).toSorted()).toEqual(['step-4.png', 'step-8.png']);
    for (const name of ['step-4.png', 'step-8.png']) expect(same('samples', name)).toBe(true);
    const { width, height } = await sharp(join(whole.samples, 'step-8.png')).metadata();
    // Three columns and two rows of 8 x 8, however they are framed and enlarged.
    expect({ wide: width >= 24, high: height >= 16, wider: width > height }).toEqual({
      wide: true,
      high: true,
      wider: true,
    });
  });

  it('says what was saved when it is stopped while it draws', async () => {
    const { config: settings, newRun } = await config();
    const run = await newRun();
    const controller = new AbortController();
    let compiled = 0;
    const compile: Engine['compile'] = (...given) => {
      // First the training step, then the one that draws.
      if (++compiled === 2) controller.abort();
      return onnx.compile(...given);
    };
    const stopped = pretrain(run, settings, {
      ...quiet,
      engine: { ...onnx, compile },
      signal: controller.signal,
    });
    await expect(stopped).rejects.toThrow(Interrupted);
    await expect(stopped).rejects.toThrow(/stopped after 4 of 8 steps; saved .*step-4.*Go on with --resume/);
    expect(await readdir(run.samples)).toEqual([]);
  });

  it('leaves a backbone that opens, with all moved but the positions, and says how it was made', async () => {
    const { config: settings, newRun } = await config({ sample: { steps: 5 } });
    const { path, fingerprint } = await pretrain(await newRun(), settings, quiet);
    const opened = await openBackbone({ path, weights: 'auto' });
    expect(opened.fingerprint).toBe(fingerprint);
    expect(opened.spec).toEqual(spec);
    expect(opened.spec).toEqual(specToMake(settings));
    const { tensors, metadata } = await openSafetensors(join(path, 'model.safetensors'));
    expect(metadata).toMatchObject({ made_by: 'exithead pretrain', seed: '4', images_seen: '64' });
    const still = Object.entries(await readTensors(tensors)).filter(([name, { data }]) =>
      data.every((value, i) => value === initialWeights(spec, 4)[name]?.data[i]),
    );
    expect(still.map(([name]) => name)).toEqual(['pos_embed']);
  });

  it('can be rehearsed', async () => {
    const { config: settings } = await config();
    const rehearsal = await rehearsePretraining(settings, onnx);
    const weights = Object.entries(initialWeights(spec, 4)).filter(([name]) => name !== 'pos_embed');
    expect(rehearsal).toMatchObject({
      steps: 8,
      trainable: weights.reduce((sum, [, { data }]) => sum + data.length, 0),
    });
  });
});
