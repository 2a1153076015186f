import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writeSafetensors } from '../../src/checkpoints/safetensors.js';
import type { HostTensors } from '../../src/engine/tensors.js';
import { UserError } from '../../src/errors.js';
import { latestCheckpoint, saveCheckpoint } from '../../src/training/checkpoints.js';
import { createRun, openRun } from '../../src/training/runFolder.js';
import { initialState, stateShapes } from '../../src/training/state.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();
const newRun = async () => createRun(await folder(), 'a', () => 'seed: 1\n');
const shapes = stateShapes({ weight: [2, 2], bias: [2] });
const stateAt = (step: number): HostTensors => ({
  ...initialState({
    weight: { shape: [2, 2], data: Float32Array.of(step, -1e-30, Math.PI, 3e38) },
    bias: { shape: [2], data: Float32Array.of(0.1, -0) },
  }),
  step: { shape: [], data: Float32Array.of(step) },
});
const silent = (message: string): void => {
  throw new Error(`unexpected warning: ${message}`);
};

describe('training checkpoints', () => {
  it('give back every bit of the state', async () => {
    const run = await newRun();
    const saved = await saveCheckpoint(run, stateAt(7));
    expect(saved.path).toBe(join(run.checkpoints, 'step-7.safetensors'));
    const loaded = await latestCheckpoint(run, shapes, {}, silent);
    expect(loaded).toMatchObject({ path: saved.path, step: 7 });
    const sorted = (state: HostTensors) => Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(loaded!.state)).toEqual(sorted(stateAt(7)));
  });
  it('are none before the first', async () => {
    expect(await latestCheckpoint(await newRun(), shapes, {}, silent)).toBeUndefined();
  });
  it('keep the newest two, by number and not by name', async () => {
    const run = await newRun();
    for (const step of [8, 9, 10, 100]) await saveCheckpoint(run, stateAt(step));
    expect((await readdir(run.checkpoints)).sort()).toEqual(['step-10.safetensors', 'step-100.safetensors']);
    expect((await latestCheckpoint(run, shapes, {}, silent))?.step).toBe(100);
  });
  it('remove what lies ahead of the one just saved', async () => {
    const run = await newRun();
    for (const step of [20, 30]) await saveCheckpoint(run, stateAt(step));
    await writeFile(join(run.checkpoints, 'notes.txt'), 'mine');
    await saveCheckpoint(run, stateAt(25));
    expect((await readdir(run.checkpoints)).sort()).toEqual([
      'notes.txt',
      'step-20.safetensors',
      'step-25.safetensors',
    ]);
  });
  it.each([
    ['cut short', async (path: string) => truncate(path, 300)],
    ['empty', async (path: string) => truncate(path, 0)],
    ['of another kind', async (path: string) => writeSafetensors(path, stateAt(20), {})],
    [
      'changed in one bit',
      async (path: string) => {
        const bytes = await readFile(path);
        bytes[bytes.length - 3]! ^= 1;
        await writeFile(path, bytes);
      },
    ],
    [
      'of a later version',
      async (path: string) =>
        writeSafetensors(path, stateAt(20), { metadata: { format: 'exithead-checkpoint', version: '2' } }),
    ],
  ])('fall back on the one before when the newest is %s', async (_, damage) => {
    const run = await newRun();
    await saveCheckpoint(run, stateAt(10));
    const { path } = await saveCheckpoint(run, stateAt(20));
    await damage(path);
    const warnings: string[] = [];
    const loaded = await latestCheckpoint(run, shapes, {}, (message) => warnings.push(message));
    expect(loaded?.step).toBe(10);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(path);
  });
  it('say so when all of them are damaged', async () => {
    const run = await newRun();
    await truncate((await saveCheckpoint(run, stateAt(10))).path, 5);
    const latest = latestCheckpoint(run, shapes, {}, silent);
    await expect(latest).rejects.toThrow(UserError);
    await expect(latest).rejects.toThrow(/step-10.safetensors/);
  });
  it('refuse a config that has changed', async () => {
    const run = await newRun();
    await saveCheckpoint(run, stateAt(10));
    await writeFile(run.config, 'seed: 2\n');
    const latest = latestCheckpoint(await openRun(run.path), shapes, {}, silent);
    await expect(latest).rejects.toThrow(UserError);
    await expect(latest).rejects.toThrow(/config.yaml has changed since/);
  });
  it('refuse other weights of times, and ask for none where they are not told', async () => {
    const run = await newRun();
    await saveCheckpoint(run, stateAt(10), { times: 'a' });
    const other = latestCheckpoint(run, shapes, { times: 'b' }, silent);
    await expect(other).rejects.toThrow(UserError);
    await expect(other).rejects.toThrow(
      /a file that .*config.yaml names has changed since .* Restore it, or start/,
    );
    expect((await latestCheckpoint(run, shapes, { times: 'a' }, silent))?.step).toBe(10);
    expect((await latestCheckpoint(run, shapes, {}, silent))?.step).toBe(10);
  });
  it('refuse another model', async () => {
    const run = await newRun();
    await saveCheckpoint(run, stateAt(10));
    const other = latestCheckpoint(run, stateShapes({ weight: [4, 2], bias: [2] }), {}, silent);
    await expect(other).rejects.toThrow(/another state.*w\.weight \[4, 2\]/);
    await expect(latestCheckpoint(run, stateShapes({ bias: [2] }), {}, silent)).rejects.toThrow(UserError);
  });
});
