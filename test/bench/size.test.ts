import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { scratch } from '../scratch.js';

const { path } = scratch();

function script(name: string, ...args: string[]) {
  const program = ['--import', 'tsx', `scripts/bench/${name}.ts`];
  return spawnSync(process.execPath, [...program, ...args], { encoding: 'utf8' });
}

describe('the bench of large backbones', () => {
  it('inspects, trains heads on and samples a checkpoint made for it, and tells memory and time', () => {
    const made = script('make-dit-xl', path('small'), 'F16', 'DiT-S/8');
    expect(made.stderr).toBe('');
    expect(made.stdout).toMatch(/DiT-S\/8, 33 M random weights in F16/);

    const { status, stdout, stderr } = script('size', path('small'));
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const rows = stdout.split('\n').filter((line) => /^\| (inspect|\d)/.test(line));
    expect(rows).toHaveLength(3);
    const memory = /^\| [^|]+(\| \d+ \| \d+\.\d\d ){3}\| \d+\.\d \|/;
    for (const row of rows) expect(row).toMatch(memory);
    expect(rows[1]).toMatch(/\| \d+\.\d \| \d+\.\d \| \d+\.\d\d, \d+\.\d\d, \d+\.\d\d \|$/);
  }, 240_000);
});
