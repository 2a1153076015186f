import { cpSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { MeasuredExit } from '../src/schedules/errorTable.js';
import { readErrorTable } from '../src/schedules/errorTable.js';
import { lossesIn, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain, heads } = workshop();
const unguided = ['--set', 'sample.guidance=1'];
const uvit = ['--set', 'backbone.family=uvit', '--set', 'backbone.depth=5'];
const exitsIn = ({ exits }: Json): MeasuredExit[] => exits as MeasuredExit[];

/** Makes a backbone with that many classes. @returns what the verb told */
async function made(classes: number, ...more: string[]): Promise<Json> {
  const out = ['--out', at(`made-${classes}`)];
  return told('pretrain', pretrain, ...uvit, '--set', `backbone.classes=${classes}`, ...more, ...out);
}

/** Trains, profiles, solves, exports and samples. @returns the folder of the run */
async function whole(name: string, ...set: string[]): Promise<string> {
  const { run } = await told(
    'train',
    heads,
    '--out',
    at(name),
    '--set',
    'train.steps=6',
    ...unguided,
    ...set,
  );
  await told('profile', String(run));
  await told('schedule', String(run), '--speedup', '1.1');
  await told('export', String(run), '--out', at(name, 'bundle'));
  await told('sample', at(name, 'bundle'), '-n', '4', '--out', at(name, 'drawn'));
  return String(run);
}

const lastLoss = (metrics: string): number => lossesIn(metrics).at(-1) ?? NaN;

let unconditional: Json;

beforeAll(async () => {
  unconditional = await made(0, '--set', 'train.steps=40', ...unguided);
  cpSync(String(unconditional['backbone']), at('backbone'), { recursive: true });
});

describe('the pipeline on an unconditional U-ViT', () => {
  it('makes a backbone that opens as what it is, with a loss that fell', async () => {
    const said = await told('inspect', at('backbone'));
    expect(said).toMatchObject({ fingerprint: unconditional['fingerprint'] });
    expect(said['spec']).toMatchObject({
      ...{ family: 'uvit', size: 'U-ViT-4x16/4', depth: 5, tokens: 5, classes: 0, nullClass: false },
      ...{ timeAxis: 'continuous', exitRule: 'skips' },
    });
    const losses = lossesIn(at('made-0/001-tiny-pretrain/metrics.jsonl'));
    expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? NaN));
  });

  it('runs from heads to images, by either exit rule', async () => {
    const skips = await whole('skips');
    const plain = await whole('plain', '--set', 'backbone.exitRule=plain');
    const kept = await readErrorTable(`${skips}/error-table.json`);
    const dropped = await readErrorTable(`${plain}/error-table.json`);
    expect(kept.exits.map(({ exit }) => exit)).toEqual([2, 3, 4, 5]);
    expect(dropped.exits.map(({ exit }) => exit)).toEqual([1, 2, 3, 4, 5]);
    // Joining the skips costs two linear layers [16, 32] on five tokens, as long as no decoder block has run.
    const at3 = (table: typeof kept): number => table.exits.find(({ exit }) => exit === 3)?.macs ?? NaN;
    expect(at3(kept) - at3(dropped)).toBe(2 * 5 * 16 * 32);
    expect(exitsIn(await told('inspect', at('plain/bundle'))).map(({ exit }) => exit)).toEqual([
      1, 2, 3, 4, 5,
    ]);
  });

  it('trains every kind of head', async () => {
    for (const kind of ['shared', 'linear', 'block']) await whole(kind, '--set', `heads.kind=${kind}`);
  });

  it('trains on the backbone in 8 bits, which rounds its layers without bias and those of the skips, too', async () => {
    const onnx = ['--set', 'engine.kind=onnx'];
    const fine = await whole('fine', ...onnx);
    const coarse = await whole('coarse', ...onnx, '--set', 'engine.frozenPrecision=int8');
    const [a, b] = [fine, coarse].map((run) => lastLoss(`${run}/metrics.jsonl`)) as [number, number];
    expect(b).not.toBe(a);
    expect(Math.abs(b - a)).toBeLessThan(0.05 * a);
  });

  it('refuses guidance, exits before the last skip, and heads of the other rule', async () => {
    const train = ['train', heads, '--out', at('never'), ...unguided];
    expect(await refusalOf(...train, '--set', 'sample.guidance=2')).toBe(
      'guidance is 2, but U-ViT-4x16/4 cannot be guided: it is unconditional. Set it to 1.',
    );
    expect(await refusalOf('sample', at('skips/bundle'), '--set', 'sample.guidance=2')).toContain(
      'cannot be guided',
    );
    expect(await refusalOf(...train, '--set', 'heads.exits=[1,3]')).toMatch(
      /exit 1, but U-ViT-4x16\/4 has exits 2 to 4 for heads.*skips are missing/,
    );
    expect(
      await refusalOf('profile', at('skips/001-tiny-heads'), '--set', 'backbone.exitRule=plain'),
    ).toMatch(/was made for the exit rule skips, but this backbone is left by plain/);
  });
});

describe('a U-ViT to make', () => {
  it('may have classes and can be guided then', async () => {
    const { backbone } = await made(3, '--set', 'train.steps=2', '--set', 'sample.guidance=2');
    expect((await told('inspect', String(backbone)))['spec']).toMatchObject({ classes: 3, nullClass: true });
  });

  it('has a middle block between as many encoders as decoders', async () => {
    const words = ['pretrain', pretrain, '--set', 'backbone.family=uvit', '--out', at('never')];
    expect(await refusalOf(...words, '--set', 'backbone.depth=4')).toContain(
      'backbone.depth: found 4, expected an odd number from 3',
    );
  });
});
