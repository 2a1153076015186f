import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ditSpec } from '../src/backbones/spec.js';
import { writeBackbone } from '../src/checkpoints/writeBackbone.js';
import { readErrorTable } from '../src/schedules/errorTable.js';
import { vaePath, writePhotos } from './encode/photos.js';
import { scratch } from './scratch.js';
import { livelyWeights } from './training/tiny.js';
import { abortsAtLook, exithead, listing, refusalOf, told } from './workshop.js';

const { path, put } = scratch();
const photos = path('photos');
const encode = (...words: string[]): string[] => [
  'encode',
  photos,
  '--vae',
  vaePath,
  '--image-size',
  '16',
  '--engine',
  'onnx',
  ...words,
];

const spec = ditSpec({
  ...{ input_size: 8, patch_size: 4, in_channels: 4, hidden_size: 16, depth: 3, num_heads: 2, mlp_ratio: 2 },
  ...{ num_classes: 3, learn_sigma: false, time_steps: 100 },
});

beforeAll(async () => {
  await writePhotos(photos, 60);
  await writeBackbone(path('backbone'), spec, livelyWeights(spec));
});

/** Trains heads for a few steps on these data, and profiles them. @returns losses and the error table */
async function pipeline(name: string, backbone: string, data: string) {
  const config = put(
    `${name}.yaml`,
    `name: ${name}
backbone: { path: ${backbone} }
data: ${data}
diffusion: { steps: 100, betaEnd: 0.2 }
heads: { kind: adapter, bottleneck: 4 }
optimizer: { lr: 0.01, warmup: 2 }
train: { batch: 8, steps: 6, logEvery: 1, checkpointEvery: 3 }
profile: { samples: 30, batch: 8, bins: 3 }
engine: { kind: onnx, threads: 1 }
`,
  );
  const { run } = await told('train', config, '--out', path(`runs-${name}`));
  await told('profile', String(run));
  const lines = readFileSync(join(String(run), 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return {
    losses: lines.map((line) => Number((JSON.parse(line) as { loss: number }).loss)),
    table: await readErrorTable(join(String(run), 'error-table.json')),
  };
}

describe('a folder of images', () => {
  it('is encoded, and heads train on its latents and are profiled on those held out', async () => {
    const out = path('latents');
    const { folders, images } = await told(...encode('--out', out, '--test-share', '0.3', '--flips'));
    expect(images).toBe(60);
    expect(listing(out)).toEqual(expect.arrayContaining(['test/index.json', 'train/index.json']));
    expect((folders as { folder: string }[]).map(({ folder }) => folder)).toEqual([
      join(out, 'train'),
      join(out, 'test'),
    ]);
    const { losses, table } = await pipeline(
      'on-latents',
      'backbone',
      '{ kind: latents, train: latents/train, test: latents/test }',
    );
    expect(losses).toHaveLength(6);
    expect(losses.every((loss) => Number.isFinite(loss) && loss > 0)).toBe(true);
    expect(table.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
  });

  it('is trained on as it is by a backbone of pixels', async () => {
    const pixels = ditSpec({
      ...{ input_size: 8, patch_size: 4, in_channels: 3, hidden_size: 16, depth: 2, num_heads: 2 },
      ...{ mlp_ratio: 2, num_classes: 3, learn_sigma: false, time_steps: 100 },
    });
    await writeBackbone(path('pixels'), pixels, livelyWeights(pixels));
    const data = '{ kind: images, train: photos, test: photos, flip: true }';
    const { losses, table } = await pipeline('on-images', 'pixels', data);
    expect(losses.every((loss) => Number.isFinite(loss) && loss > 0)).toBe(true);
    expect(table.exits.map(({ exit }) => exit)).toEqual([1, 2]);
  });
});

describe('exithead encode', () => {
  it('says what it would do with --dry-run, and does nothing', async () => {
    const { code, out, err } = await exithead(
      encode('--out', path('dry'), '--test-share', '0.3', '--dry-run'),
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/60 images, 3 classes\n/);
    expect(out).toMatch(/crops of 16 x 16 become latents of 4 x 8 x 8, to be scaled by 0\.18215\n/);
    expect(out).toMatch(
      /on the disk +\S+ MB in F16\n(.*\n)*multiply-adds +\S+ T\ntime +about .*\nNothing was written\.\n$/,
    );
    expect(existsSync(path('dry'))).toBe(false);
    const facts = await told(...encode('--out', path('dry'), '--dry-run'));
    expect(facts).toMatchObject({ dryRun: true, images: 60, classes: 3, folders: [path('dry')] });
    expect(Number(facts['macs'])).toBeGreaterThan(1e6);
  });

  it('stops on Ctrl-C with what is finished, and says how to go on', async () => {
    const words = encode('--out', path('stopped'), '--shard', '4');
    const { code, err } = await exithead(words, abortsAtLook(15));
    expect(code).toBe(130);
    expect(err).toMatch(
      /stopped after \d+ of 60 images; files that were finished are kept. Go on with --resume\./,
    );
    const { out } = await exithead([...words, '--resume']);
    expect(out).toMatch(/there already: [1-9] files?\n.*60 latents in 15 files\n/);
  });

  const asked = ['encode', 'x', '--vae', vaePath];
  it.each<[string[], string]>([
    [['encode', 'x'], 'needs --vae'],
    [asked, 'needs --out'],
    [[...asked, '--out', 'y'], 'x: cannot be listed'],
    [[...asked, '--out', 'y', '--captions', '--classes', 'z'], 'give one of them'],
    [[...asked, '--out', 'y', '--dtype', 'F8'], 'F8'],
    [encode('--out', 'y', '--threads', '-1'), '--threads: found -1'],
    [[...asked, '--out', 'y', '--provider', 'cuda', '--engine', 'wasm'], '--provider: found cuda'],
  ])('refuses %p', async (words, reason) => {
    expect(await refusalOf(...words)).toContain(reason);
  });
});

/** Runs `exithead encode` in a process of its own. */
function encoding(...words: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...encode(...words)]);
  const ended = once(child, 'exit').then(([code, signal]) => ({
    code: code as number,
    signal: signal as string,
  }));
  return { child, ended };
}

describe('an encoding that is killed', () => {
  it('ends in the same bytes, once it is resumed', async () => {
    const words = ['--shard', '1', '--flips'];
    const [cut, whole] = [path('cut'), path('whole')];
    const killed = encoding('--out', cut, ...words);
    const isBegun = (): boolean =>
      existsSync(cut) && readdirSync(cut).some((name) => name.startsWith('shard-'));
    for (let i = 0; i < 6000 && !isBegun(); i++) await setTimeout(5);
    killed.child.kill('SIGKILL');
    expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL' });
    expect(existsSync(join(cut, 'index.json'))).toBe(false);
    const { kept } = await told(...encode('--out', cut, ...words, '--resume'));
    expect(Number(kept)).toBeGreaterThan(0);
    expect(Number(kept)).toBeLessThan(60);
    await told(...encode('--out', whole, ...words));
    const bytes = (folder: string): unknown[] =>
      listing(folder)
        .filter((name) => !name.startsWith('.') && statSync(join(folder, name)).isFile())
        .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);
    expect(bytes(cut)).toEqual(bytes(whole));
  }, 120_000);
});
