import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { configYaml, loadConfig } from '../src/config/load.js';
import { folderWith } from './config/files.js';

const files = readdirSync('configs', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => join('configs', name))
  .sort();
const runs = files.filter((path) => !path.startsWith(join('configs', 'base')));
const text = (path: string): string => readFileSync(path, 'utf8');

describe('every config', () => {
  it('is one of those found', () => {
    expect(runs.length).toBeGreaterThanOrEqual(6);
  });

  it.each(files)('%s starts with its purpose and its command', (path) => {
    expect(text(path)).toMatch(
      /^# Purpose: .+\n(# .+\n)*# Command: exithead (pretrain|train) configs\/\S+\.yaml/,
    );
  });

  it.each(runs)('%s names itself in its command, and loads for that verb', async (path) => {
    const [, verb, named] = /^# Command: exithead (pretrain|train) (\S+)/m.exec(text(path)) ?? [];
    expect(named).toBe(path);
    const kind = verb === 'pretrain' ? 'pretrain' : 'train';
    const loaded = await loadConfig(path, { kind });
    expect(loaded.sources.at(-1)).toBe(path);
    const folder = folderWith({});
    writeFileSync(join(folder, 'config.yaml'), configYaml(loaded, folder));
    expect((await loadConfig(join(folder, 'config.yaml'), { kind })).config).toEqual(loaded.config);
  });

  it('has a name of its own', () => {
    const names = runs.map((path) => /^name: (.+)$/m.exec(text(path))?.[1]);
    expect(new Set(names).size).toBe(runs.length);
    expect(names).not.toContain(undefined);
  });
});
