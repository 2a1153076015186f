import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseSetting } from '../../src/config/layers.js';
import { loadConfig, type Loaded } from '../../src/config/load.js';
import { UserError } from '../../src/errors.js';
import { createRun } from '../../src/training/runFolder.js';
import { startRun } from '../../src/training/startRun.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();

/** A config in `root`, with settings on top. */
async function configIn(root: string, ...set: string[]): Promise<Loaded<'train'>> {
  const path = join(root, 'heads.yaml');
  await writeFile(path, 'name: a\nbackbone: { path: model }\ndata: { kind: mnist }\ntrain: { steps: 5 }\n');
  return loadConfig(path, { kind: 'train', set: set.map(parseSetting) });
}

describe('a command that starts a run', () => {
  it('makes a new folder with the whole config, which loads as the same', async () => {
    const root = await folder();
    const loaded = await configIn(root);
    const run = await startRun(loaded, { root, resume: false });
    expect(basename(run.path)).toBe('001-a');
    expect((await loadConfig(run.config, { kind: 'train' })).config).toEqual(loaded.config);
    expect(basename((await startRun(loaded, { root, resume: false })).path)).toBe('002-a');
  });

  it('goes on with the newest run of that name, by number', async () => {
    const root = await folder();
    const loaded = await configIn(root);
    for (let i = 0; i < 11; i++) await startRun(loaded, { root, resume: false });
    await createRun(root, 'a-b', () => 'seed: 1\n');
    const run = await startRun(loaded, { root, resume: true });
    expect(basename(run.path)).toBe('011-a');
    expect(run).toEqual(await startRun(loaded, { root, resume: true }));
  });

  it('refuses to go on with another config, and leaves the run as it is', async () => {
    const root = await folder();
    const run = await startRun(await configIn(root), { root, resume: false });
    const before = await readFile(run.config, 'utf8');
    const changed = startRun(await configIn(root, 'optimizer.lr=0.5'), { root, resume: true });
    await expect(changed).rejects.toThrow(UserError);
    await expect(changed).rejects.toThrow(`${run.path} was started with another config than this one`);
    expect(await readFile(run.config, 'utf8')).toBe(before);
  });

  it.each(['empty', 'nowhere'])('says so when there is no run to go on with: %s', async (where) => {
    const root = await folder();
    const loaded = await configIn(root);
    const runs = where === 'empty' ? root : join(root, 'nowhere');
    const resumed = startRun(loaded, { root: runs, resume: true });
    await expect(resumed).rejects.toThrow(UserError);
    await expect(resumed).rejects.toThrow(`there is no run ${join(runs, '...-a')} to resume`);
  });
});
