import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { createRun, logLine, openRun } from '../../src/training/runFolder.js';
import { temporaryFolders } from '../folder.js';

const folder = temporaryFolders();
const config = () => 'seed: 1\n';

describe('createRun', () => {
  it('lays out the folder', async () => {
    const run = await createRun(join(await folder(), 'runs'), 'mnist', (path) => `# ${basename(path)}\n`);
    expect(basename(run.path)).toBe('001-mnist');
    expect((await readdir(run.path)).sort()).toEqual([
      'checkpoints',
      'config.yaml',
      'log.txt',
      'metrics.jsonl',
      'samples',
      'tensorboard',
    ]);
    expect(await readFile(run.config, 'utf8')).toBe('# 001-mnist\n');
    expect(await openRun(run.path)).toEqual(run);
  });
  it('takes the number after the largest one, whatever else lies there', async () => {
    const root = await folder();
    for (const name of ['002-a', '0007-b', '1000-c', '.003', '12-short', 'notes', '999999-'])
      await mkdir(join(root, name));
    expect(basename((await createRun(root, 'next', config)).path)).toBe('1001-next');
    expect(basename((await createRun(root, 'next', config)).path)).toBe('1002-next');
  });
  it('passes over a number that a crash left half made', async () => {
    const root = await folder();
    await mkdir(join(root, '.001'));
    expect(basename((await createRun(root, 'a', config)).path)).toBe('002-a');
  });
  it('gives every one of many at once a number of its own', async () => {
    const root = await folder();
    const runs = await Promise.all(Array.from({ length: 12 }, (_, i) => createRun(root, `r${i}`, config)));
    const numbers = runs.map(({ path }) => Number(basename(path).slice(0, 3))).sort((a, b) => a - b);
    expect(new Set(numbers).size).toBe(12);
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
  it('leaves nothing behind when it fails', async () => {
    const root = await folder();
    const broken = createRun(root, 'a', () => {
      throw new UserError('no config');
    });
    await expect(broken).rejects.toThrow('no config');
    expect(await readdir(root)).toEqual([]);
  });
  it('says so when the folder of all runs cannot be', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    await expect(createRun(join(file, 'runs'), 'a', config)).rejects.toThrow(UserError);
  });
});

describe('openRun', () => {
  it('refuses what is no run folder, and says what it found', async () => {
    const root = await folder();
    await writeFile(join(root, 'file'), '');
    await expect(openRun(join(root, 'gone'))).rejects.toThrow(/gone does not exist/);
    await expect(openRun(join(root, 'file'))).rejects.toThrow(/file is (a file|no)/);
    await expect(openRun(root)).rejects.toThrow(/has no config.yaml, so it is no run folder/);
    await expect(openRun(root)).rejects.toThrow(UserError);
    await mkdir(join(root, 'config.yaml'));
    await expect(openRun(root)).rejects.toThrow(/config.yaml is not a file/);
  });
  it('knows a config from a changed one', async () => {
    const run = await createRun(await folder(), 'a', config);
    await writeFile(run.config, 'seed: 2\n');
    expect((await openRun(run.path)).configHash).not.toBe(run.configHash);
  });
});

describe('logLine', () => {
  it('appends the time and the text', async () => {
    const run = await createRun(await folder(), 'a', config);
    await logLine(run, 'one');
    await logLine(run, 'two');
    expect(await readFile(run.log, 'utf8')).toMatch(/^\d{4}-.*Z one\n\d{4}-.*Z two\n$/);
  });
});
