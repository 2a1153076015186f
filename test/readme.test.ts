import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { verbs } from '../src/commands/verbs.js';
import { scratch } from './scratch.js';
import { exithead } from './workshop.js';

const readme = readFileSync('README.md', 'utf8');
const commands = [...readme.matchAll(/```sh\n([^`]+)```/g)].flatMap(([, block = '']) =>
  block.split('\n').filter((line) => line !== ''),
);
const { path } = scratch();

/** What makes a command quick; what it does stays the same. */
const quick: Readonly<Record<string, readonly string[]>> = {
  train: ['--out', path('runs'), '--set', 'train.steps=2', '--set', 'train.batch=4'],
  profile: ['--samples', '64', '--bins', '2'],
  sample: ['--set', 'sample.count=2', '--out', path('samples')],
  // Training its judge takes minutes; test/pipelineEvaluate.test.ts goes all the way.
  evaluate: ['--dry-run', '--batch', '4'],
};

/** Runs and bundles of the README lie in the working folder; those of the test in its own. */
function moved(word: string): string {
  return word === 'bundle' || /^(runs\/|digits-for-)/.test(word) ? path(word) : word;
}

describe('the README', () => {
  it('has the commands that the test looks for', () => {
    expect(commands.length).toBeGreaterThanOrEqual(10);
    expect(
      commands.every((command) => /^(npm ci && npm (run \w+|test)|exithead [a-z]+ .+)$/.test(command)),
    ).toBe(true);
  });

  it.each(commands.filter((command) => command.startsWith('exithead ')))(
    'gives a command that works: %s',
    async (command) => {
      const [, verb = '', ...words] = command.split(' ');
      const { code, err } = await exithead([verb, ...words.map(moved), ...(quick[verb] ?? [])]);
      expect(err).not.toMatch(/error:/);
      expect(code).toBe(0);
    },
    240_000,
  );

  it('gets what the commands promise', () => {
    const made = ['runs/001-mnist-heads/schedule.json', 'bundle/README.md', 'samples/full-depth.png'];
    for (const file of [...made, 'digits-for-diffusers/config.json'])
      expect(existsSync(path(file))).toBe(true);
  });

  it('names npm scripts that exist, and a quickstart that is ready to run', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const [, name = ''] of readme.matchAll(/npm run ([\w:]+)/g))
      expect(Object.keys(scripts)).toContain(name);
    expect(scripts['quickstart']).toBe('tsx scripts/quickstart.ts');
    const { status, stdout } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/quickstart.ts', '--dry-run', '--out', path('quickstart')],
      { encoding: 'utf8' },
    );
    expect(stdout).toMatch(/steps +\d+ of 64 images/);
    expect(status).toBe(0);
    expect(existsSync(path('quickstart'))).toBe(false);
  }, 120_000);

  it('names every verb', () => {
    for (const { name } of verbs) expect(readme).toContain(`\`exithead ${name}\``);
  });

  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = '']) => target);
    expect(links.length).toBeGreaterThan(5);
    for (const target of links)
      if (!/^https?:/.test(target)) expect(existsSync(join('.', target))).toBe(true);
  });
});
