import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { scratch } from '../scratch.js';
import { difference } from '../../scripts/bench/versus/agreement.js';
import { tinyCases } from '../../scripts/bench/versus/cases.js';
import { renewed } from '../../scripts/bench/versus/page.js';
import type { Results } from '../../scripts/bench/versus/results.js';
import { sides } from '../../scripts/bench/versus/sides.js';

const { path } = scratch();
const torchFolder = 'scripts/bench/torch';

function bench(...args: string[]) {
  const program = ['--import', 'tsx', 'scripts/bench/against-torch.ts'];
  return spawnSync(process.execPath, [...program, ...args], { encoding: 'utf8' });
}

describe('the bench against PyTorch', () => {
  it('runs our side alone where there is no PyTorch, and says so', () => {
    const { status, stdout, stderr } = bench(
      'tiny',
      '--rounds',
      '1',
      '--json',
      '--python',
      path('no-python'),
    );
    expect(stderr).toMatch(/No PyTorch .* our side runs alone/);
    expect(status).toBe(0);
    const { cases } = JSON.parse(stdout) as Results;
    expect(cases.map(({ name }) => name)).toEqual(tinyCases.map(({ name }) => name));
    for (const { sides, notes } of cases) {
      expect(notes).toEqual([]);
      expect(sides.map(({ name }) => name)).toContain('onnx');
      for (const { name, milliseconds } of sides) {
        expect(name).not.toMatch(/torch/);
        expect(milliseconds).toBeGreaterThan(0);
      }
    }
  }, 240_000);

  it('names the cases there are when asked for another', () => {
    const { status, stderr } = bench('forward-nothing-1');
    expect(stderr).toMatch(/error: there is no case forward-nothing-1; those are product, forward-digits-1,/);
    expect(status).toBe(2);
  }, 60_000);

  const python = spawnSync('python3', ['--version']);
  (python.status === 0 ? it : it.skip)(
    'has a PyTorch side that is sound Python (skipped without python3)',
    () => {
      const files = readdirSync(torchFolder).filter((name) => name.endsWith('.py'));
      expect(files).toContain('side.py');
      const { status, stderr } = spawnSync(
        'python3',
        ['-m', 'py_compile', ...files.map((name) => `${torchFolder}/${name}`)],
        { encoding: 'utf8', env: { ...process.env, PYTHONPYCACHEPREFIX: path('compiled') } },
      );
      expect(stderr).toBe('');
      expect(status).toBe(0);
    },
  );

  it('refuses to compare sides that find different numbers', () => {
    const found = { results: [[1, 2], [3]], state: [1, 1] };
    expect(difference('onnx', sides.onnx, found, found)).toBe(0);
    const other = { ...found, results: [[1, 2], [3.1]] };
    expect(() => difference('torch eager', sides['torch eager'], other, found)).toThrow(/does other work/);
    expect(() => difference('onnx', sides.onnx, { ...found, results: [[1, 2], [NaN]] }, found)).toThrow();
    expect(() => difference('onnx', sides.onnx, { ...found, results: [[1, 2]] }, found)).toThrow();
  });

  it('renews the tables of docs/performance.md and nothing else', () => {
    const page = readFileSync('docs/performance.md', 'utf8');
    const side = { milliseconds: 2, best: 1, peakMegabytes: 100, idleMegabytes: 50, difference: 0 };
    const results: Results = {
      ...{ format: 'exithead-bench', version: 1, machine: 'two cores', threads: 2, rounds: 3 },
      cases: [
        {
          ...{ name: 'forward-digits-1', batch: 1, macs: 10, notes: ['a note'] },
          sides: [
            { ...side, name: 'onnx' },
            { ...side, name: 'torch eager', milliseconds: 3, peakMegabytes: 90, idleMegabytes: 20 },
          ],
          ratios: [{ side: 'onnx', than: 'torch eager', times: 1.5 }],
        },
      ],
    };
    const next = renewed(page, results);
    expect(next).toMatch(
      /forward-digits-1 +\| onnx >= 1.35x torch eager and torch compile +\| +1.50x \| +reached/,
    );
    expect(next).toMatch(/onnx in less memory than torch +\| +100 of 90 MB \| missed by 10%/);
    expect(next).toMatch(/\| +\| torch eager +\| 3.00 \|/);
    expect(next).toContain('- forward-digits-1: a note');
    const outside = (text: string): string => text.replace(/<!-- results[^]*<!-- end of results -->/, '');
    expect(outside(next)).toBe(outside(page));
    expect(renewed(next, results)).toBe(next);
  });
});
