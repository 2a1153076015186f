import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { engines } from '../../src/engine/engines.js';
import { engineFolder } from '../../src/engine/install/folder.js';
import { autoChoice, pickEngine } from '../../src/engine/pick.js';
import { scratch } from '../scratch.js';

const { path, put } = scratch();
const before = process.cwd();
beforeAll(() => {
  process.env.EXITHEAD_CACHE = path('cache');
  process.env.CUDA_VISIBLE_DEVICES = '';
  process.chdir(path('.'));
});
afterAll(() => process.chdir(before));

describe('an engine of TensorFlow that is not installed', () => {
  it.each(['native', 'cuda'] as const)('is not opened, and names what installs %s', async (kind) => {
    const found = await engines[kind].probe();
    expect(found).toMatchObject({ usable: false, remedy: expect.stringMatching(/^(install it: .*|)$/) });
    await expect(pickEngine({ kind, threads: 0 })).rejects.toThrow(UserError);
    await expect(pickEngine({ kind, threads: 0 })).rejects.toThrow(`engine ${kind} does not run here: `);
  });
});

describe('an engine that is half installed', () => {
  it('counts as not installed', async () => {
    mkdirSync(join(engineFolder('cuda'), 'steps'), { recursive: true });
    writeFileSync(join(engineFolder('cuda'), 'installed.json'), '{"format": "exithead-engine", ');
    expect(await engines.cuda.probe()).toMatchObject({ usable: false, why: 'it is not installed' });
  });
});

describe('cuda that is installed where no GPU is visible', () => {
  it('is not what auto takes, and says why', async () => {
    const facts = { format: 'exithead-engine', version: 1, kind: 'cuda', tensorflow: '1.0', source: 'made' };
    writeFileSync(join(engineFolder('cuda'), 'installed.json'), JSON.stringify(facts));
    expect(await engines.cuda.probe()).toMatchObject({
      usable: false,
      why: 'it is installed, but no NVIDIA GPU is visible',
    });
    expect((await autoChoice()).kind).not.toBe('cuda');
  });
});

describe("TensorFlow.js's stock package in the user's project", () => {
  it('serves as native where none is installed', async () => {
    const place = path('project/node_modules/@tensorflow/tfjs-node');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'package.json'), '{"name": "@tensorflow/tfjs-node", "main": "index.js"}');
    put('project/node_modules/@tensorflow/tfjs-node/index.js', 'globalThis.stockIsLoaded = true;');
    process.chdir(path('project'));
    expect(await engines.native.probe()).toEqual({
      usable: true,
      device: 'CPU, with the @tensorflow/tfjs-node of this project',
    });
    expect((await pickEngine({ kind: 'native', threads: 0 })).kind).toBe('native');
    expect(globalThis).toHaveProperty('stockIsLoaded', true);
  });
});
