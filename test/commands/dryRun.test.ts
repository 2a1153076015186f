import { beforeAll, describe, expect, it } from '@jest/globals';
import { cpSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { exithead, listing, told, workshop } from '../workshop.js';

const { root, at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');

beforeAll(async () => {
  const { backbone } = await told('pretrain', pretrain, '--out', at('runs'), '--set', 'train.steps=2');
  cpSync(String(backbone), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'), '--set', 'train.steps=2');
  await told('profile', run);
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
});

/** All there is, with the bytes of every file and the times of all. */
const everything = (): unknown[] =>
  listing(root).map((name) => {
    const { mtimeMs } = statSync(join(root, name));
    return [name, mtimeMs, statSync(join(root, name)).isFile() && readFileSync(join(root, name)).length];
  });

const calls: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['pretrain', [pretrain, '--out', at('new')], /steps +60 of 16 images\nmultiply-adds +[\d.e+-]+ T\ntime/],
  ['train', [heads, '--out', at('new')], /weights to train +[\d,]+\nsteps +12 of 16 images\nmultiply-adds/],
  ['train', [run, '--resume'], /steps +2 of 16 images/],
  ['profile', [run], /3 exits on 90 noisy images of .*test-images, in 5 time bins\nat least [\d.e+-]+ T/],
  ['schedule', [run, '--speedup', '1.1'], /predicted speed-up +1\.\d+x.*\n(.*\n)*Nothing was written\./],
  [
    'sample',
    [at('bundle'), '-n', '5', '--out', at('new')],
    /5 images, ddim, 10 steps, guidance 2: [\d.e+-]+ T.*\nNothing was written/,
  ],
  [
    'sample',
    [at('bundle'), '-n', '5', '--solver', 'heun', '--steps', '4,3', '--out', at('new')],
    /5 images, heun, 7 steps of 13 calls, guidance 2: [\d.e+-]+ T.*\nNothing was written/,
  ],
];

describe.each(calls)('%s --dry-run', (verb, words, shown) => {
  const line = [verb, ...words, '--dry-run'];

  it('says what it would cost, and writes nothing', async () => {
    const before = everything();
    const { code, out, err } = await exithead(line);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(shown);
    expect(everything()).toEqual(before);
  });

  it('prints one JSON document with --json, and nothing else on stdout', async () => {
    const before = everything();
    const { code, out } = await exithead([...line, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ dryRun: true });
    expect(out.endsWith('}\n')).toBe(true);
    expect(await exithead([...line, '--json', '--quiet'])).toMatchObject({ code: 0, err: '' });
    expect(everything()).toEqual(before);
  });
});

describe('a dry run', () => {
  it('finds the mistakes that the run would find', async () => {
    const set = ['--set', 'heads.exits=[1,3]'];
    const { code, err } = await exithead(['train', heads, ...set, '--dry-run', '--quiet']);
    expect(code).toBe(2);
    expect(err).toContain('a head is planned at exit 3, but DiT-3x16/4 has exits 1 to 2 for heads');
  });

  it('of shared heads has nothing to train', async () => {
    const set = ['--set', 'heads.kind=shared'];
    expect(await told('train', heads, ...set, '--dry-run')).toMatchObject({
      trainable: 0,
      macs: 0,
      seconds: 0,
    });
  });

  it('counts the backward pass: three times forward for all weights, less for heads alone', async () => {
    const whole = await told('pretrain', pretrain, '--dry-run');
    const part = await told('train', heads, '--dry-run');
    const { exits } = await told('inspect', at('backbone'));
    const full = (exits as { macs: number }[]).at(-1)?.macs ?? NaN;
    // Forward, and two products of the same size backward; the first layer needs no gradient of its input.
    expect(Number(whole['macs']) / full).toBeGreaterThan(2.5);
    expect(Number(whole['macs']) / full).toBeLessThanOrEqual(3.1);
    expect(Number(part['macs']) / full).toBeLessThan(2);
    expect(Number(part['trainable'])).toBeLessThan(Number(whole['trainable']));
  });
});
