import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readBundle, writeBundle, type BundleContents } from '../../src/bundle/bundle.js';
import { UserError } from '../../src/errors.js';
import { headShapes, initialHeads, type HeadPlan } from '../../src/exits/heads.js';
import { requireSameBackbone } from '../../src/exits/headsFile.js';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { exitAt } from '../../src/schedules/schedule.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { scratch } from '../scratch.js';
import { madeTable } from '../schedules/tables.js';
import { tinySpec, tinyWeights } from '../tiny-dit.js';

const { path } = scratch();
const plans: readonly HeadPlan[] = [
  { kind: 'shared', exit: 1 },
  { kind: 'linear', exit: 2 },
  { kind: 'adapter', exit: 3, bottleneck: 8, variance: 'shared' },
  { kind: 'block', exit: 4 },
];
const measured: MeasuredExit[] = [
  ...plans.map(({ kind, exit }) => ({ kind, exit, macs: 1000 * exit + 10 })),
  { kind: 'backbone', exit: tinySpec.depth, macs: 1000 * tinySpec.depth },
];
const excess = measured.map(({ exit }) =>
  [4, 3, 2, 1].map((scale) => (scale * (tinySpec.depth - exit)) / 60),
);
const timesteps = Array.from({ length: 20 }, (_, i) => 950 - 50 * i);

const contents: BundleContents = {
  backbone: { spec: tinySpec, source: 'models/tiny', fingerprint: 'backbone-1', frozenPrecision: 'fp32' },
  diffusion: {
    prediction: 'epsilon',
    betas: 'linear',
    betaStart: 0.0001,
    betaEnd: 0.02,
    steps: 1000,
    timeAxis: 'discrete',
    guidance: 1.5,
    clip: false,
  },
  plans,
  heads: initialHeads(tinySpec, plans, tinyWeights, 1),
  schedule: solveSchedule({ table: madeTable(excess, measured), timesteps }, 1.5),
};

let made = 0;
/** A bundle of its own for a test to spoil. */
async function written(): Promise<string> {
  const folder = path(`bundle-${made++}`);
  await writeBundle(folder, contents);
  return folder;
}

function edit(file: string, change: (json: Record<string, unknown>) => unknown): void {
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(change(json)));
}

describe('a bundle', () => {
  it('says for which channels and at which times it is guided', async () => {
    const folder = path('guided-in-part');
    const readme = (): string => readFileSync(join(folder, 'README.md'), 'utf8');
    const diffusion = { ...contents.diffusion, guidanceChannels: 3, guidanceInterval: [100, 600] };
    await writeBundle(folder, { ...contents, diffusion });
    expect(readme()).toContain(
      'scale: 1.5 (1 is unguided), for the first 3 channels alone, from t 100 to 600, elsewhere 1.',
    );
    expect((await readBundle(folder)).diffusion).toEqual(diffusion);
    expect(readFileSync(join(await written(), 'README.md'), 'utf8')).toContain('scale: 1.5 (1 is unguided).');
  });

  it('gives back what was written', async () => {
    const folder = await written();
    const bundle = await readBundle(folder);
    expect(readdirSync(folder).sort()).toEqual([
      'README.md',
      'bundle.json',
      'heads.safetensors',
      'schedule.json',
    ]);
    expect({ ...bundle, heads: {} }).toEqual({ ...contents, heads: {} });
    const shapes = Object.assign({}, ...plans.map((plan) => headShapes(tinySpec, plan))) as object;
    const found = Object.entries(bundle.heads).map(([name, { shape }]) => [name, shape] as const);
    expect(Object.fromEntries(found)).toEqual(shapes);
  });
  it('tells people what it is, how to sample and what runs when', async () => {
    const text = readFileSync(join(await written(), 'README.md'), 'utf8');
    expect(text).toContain('exithead sample . -n 16 --solver ddim --steps 20');
    expect(text).toContain('def exit_at(t):');
    expect(text).toContain('Noise: linear betas from 0.0001 to 0.02 in 1000 steps.');
    const rows = [...text.matchAll(/^\| (\d+)(?: to (\d+))? \| (\d+) \| (\d+) \|$/gm)].map((row) =>
      row.map(Number),
    );
    expect(rows.reduce((sum, [, , , steps = 0]) => sum + steps, 0)).toBe(timesteps.length);
    for (const [, from = 0, , , exit] of rows) expect(exitAt(contents.schedule, from)).toBe(exit);
  });
  it('does not turn text that came with a checkpoint into markup', async () => {
    const folder = path('markup');
    const source = 'x`\n\n<script>alert(1)</script> [a](javascript:b)';
    await writeBundle(folder, { ...contents, backbone: { ...contents.backbone, source } });
    const text = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(text).not.toMatch(/<script|\[a\]/);
    expect((await readBundle(folder)).backbone.source).toBe(source);
  });
  it.each<[string, Partial<BundleContents>, RegExp]>([
    [
      'a schedule for another backbone',
      { backbone: { ...contents.backbone, fingerprint: 'other' } },
      /backbone that the schedule is for: found backbone-1, expected other/,
    ],
    [
      'a schedule for other exits',
      { plans: plans.slice(1), heads: initialHeads(tinySpec, plans.slice(1), tinyWeights, 1) },
      /exits of the schedule/,
    ],
    [
      'other diffusion steps',
      { diffusion: { ...contents.diffusion, steps: 500 } },
      /diffusion steps of the schedule: found 1000, expected 500/,
    ],
    ['missing weights', { heads: {} }, /weight exits\.2\.last\.\S+: found none/],
    [
      'weights of another shape',
      {
        heads: initialHeads(
          tinySpec,
          [...plans.slice(0, 2), { kind: 'adapter', exit: 3, bottleneck: 4 }, ...plans.slice(3)],
          tinyWeights,
          1,
        ),
      },
      /adapter\.down\.weight: found \[4, /,
    ],
  ])('is not written with %s', async (_, part, message) => {
    const folder = path('refused');
    await expect(writeBundle(folder, { ...contents, ...part })).rejects.toThrow(UserError);
    await expect(writeBundle(folder, { ...contents, ...part })).rejects.toThrow(message);
    expect(() => readdirSync(folder)).toThrow();
  });
  it.each<[string, (json: Record<string, unknown>) => unknown, RegExp]>([
    [
      'another format',
      (json) => ({ ...json, format: 'zip' }),
      /is not a bundle description: its format is "zip"/,
    ],
    ['a later version', (json) => ({ ...json, version: 2 }), /version 2, and this exithead reads version 1/],
    [
      'a path upwards',
      (json) => ({ ...json, headsFile: '../heads.safetensors' }),
      /headsFile: must be a path inside the bundle/,
    ],
    [
      'a path that goes up inside',
      (json) => ({ ...json, headsFile: 'a/../../heads.safetensors' }),
      /headsFile/,
    ],
    ['an absolute path', (json) => ({ ...json, schedule: '/etc/passwd' }), /schedule: must be a path inside/],
    [
      'a Windows path',
      (json) => ({ ...json, schedule: '..\\schedule.json' }),
      /schedule: must be a path inside/,
    ],
    ['a drive', (json) => ({ ...json, schedule: 'C:/schedule.json' }), /schedule: must be a path inside/],
    ['the folder itself', (json) => ({ ...json, schedule: '.' }), /schedule: must be a path inside/],
    ['a file that is not there', (json) => ({ ...json, schedule: 'other.json' }), /other\.json is missing/],
    ['no backbone', ({ backbone: _, ...json }) => json, /backbone: /],
    [
      'an impossible backbone',
      (json) => ({ ...json, backbone: { ...(json.backbone as object), spec: { depth: -1 } } }),
      /describes no DiT/,
    ],
    [
      'betas out of range',
      (json) => ({ ...json, diffusion: { ...contents.diffusion, betaEnd: 2 } }),
      /diffusion\.betaEnd/,
    ],
    [
      'betas that fall',
      (json) => ({ ...json, diffusion: { ...contents.diffusion, betaStart: 0.1 } }),
      /less than betaStart/,
    ],
    [
      'an interval of guidance the wrong way round',
      (json) => ({ ...json, diffusion: { ...contents.diffusion, guidanceInterval: [500, 100] } }),
      /goes from 500 to 100, the wrong way round/,
    ],
    [
      'other steps than the backbone',
      (json) => ({ ...json, diffusion: { ...contents.diffusion, steps: 10 } }),
      /knows 1000 diffusion steps, but diffusion\.steps is 10/,
    ],
    [
      'another prediction than the backbone',
      (json) => ({ ...json, diffusion: { ...contents.diffusion, prediction: 'v' } }),
      /the backbone predicts epsilon, but diffusion\.prediction is v/,
    ],
    [
      'an exit beyond the backbone',
      (json) => ({ ...json, heads: [{ exit: 99, kind: 'linear', macs: 1 }] }),
      /planned at exit 99/,
    ],
    [
      'an adapter without bottleneck',
      (json) => ({ ...json, heads: [{ exit: 3, kind: 'adapter', macs: 1 }] }),
      /heads\.0\.bottleneck: is missing/,
    ],
    [
      'other heads',
      (json) => ({ ...json, headsFingerprint: 'other' }),
      /heads that the schedule is for: found heads-1, expected other/,
    ],
    ['other costs', (json) => ({ ...json, fullMacs: 1 }), /exits of the schedule/],
  ])('is refused with %s', async (_, change, message) => {
    const folder = await written();
    edit(join(folder, 'bundle.json'), change);
    await expect(readBundle(folder)).rejects.toThrow(UserError);
    await expect(readBundle(folder)).rejects.toThrow(message);
    await expect(readBundle(folder)).rejects.toThrow(folder);
  });
  it('does not follow a link out of its folder', async () => {
    const folder = await written();
    renameSync(join(folder, 'schedule.json'), path('outside.json'));
    symlinkSync(path('outside.json'), join(folder, 'schedule.json'));
    await expect(readBundle(folder)).rejects.toThrow(/is a link to .*outside\.json, outside the bundle/);
  });
  it('may be a link itself, and hold links that stay inside', async () => {
    const folder = await written();
    symlinkSync(folder, path('link'));
    renameSync(join(folder, 'schedule.json'), join(folder, 'real.json'));
    symlinkSync('real.json', join(folder, 'schedule.json'));
    expect((await readBundle(path('link'))).schedule).toEqual(contents.schedule);
  });
  it('says what is missing', async () => {
    await expect(readBundle(path('nowhere'))).rejects.toThrow(/bundle\.json is missing.*exithead export/);
    mkdirSync(path('empty'));
    await expect(readBundle(path('empty'))).rejects.toThrow(/bundle\.json is missing/);
    const folder = await written();
    unlinkSync(join(folder, 'heads.safetensors'));
    await expect(readBundle(folder)).rejects.toThrow(/heads\.safetensors is missing/);
  });
});

describe('a backbone', () => {
  it('must be the one that a bundle was made for', () => {
    expect(() => requireSameBackbone('a', 'a', 'the bundle x')).not.toThrow();
    const other = () => requireSameBackbone('a', 'b', 'the bundle x');
    expect(other).toThrow(UserError);
    expect(other).toThrow(
      /the bundle x was made for the backbone with fingerprint a, but this backbone has b\. Give/,
    );
  });
});
