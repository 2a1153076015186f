import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Evaluation } from '../src/evaluate/results.js';
import { readSchedule, type Schedule } from '../src/schedules/schedule.js';
import { writeTinyJudge } from './tiny-judge.js';
import { abortsAtLook, exithead, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain, heads } = workshop();
const set = (...settings: string[]): string[] => settings.flatMap((one) => ['--set', one]);
const counts = 'finetune.exits=[3,3,2,1,1]';
const json = (path: string): Json => JSON.parse(readFileSync(path, 'utf8')) as Json;
const fingerprintOf = async (path: string): Promise<unknown> => (await told('inspect', path))['fingerprint'];

let published: unknown;
beforeAll(async () => {
  process.env['EXITHEAD_CACHE'] = at('cache');
  writeTinyJudge(at('judge.onnx'));
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  published = await fingerprintOf(at('backbone'));
});

describe.each([
  ['finetune', 'shared', ['finetune.lr=0.01', 'finetune.ema=0.9']],
  ['lora', 'adapter', ['lora.rank=2', 'lora.lr=0.01', 'finetune.ema=0.9']],
])('mode %s', (mode, kind, more) => {
  const folder = at(mode);
  const settings = set(`mode=${mode}`, `heads.kind=${kind}`, counts, ...more);
  let run: string;
  let own: unknown;
  let scheduled: Json;
  let schedule: Schedule;
  beforeAll(async () => {
    run = String((await told('train', heads, '--out', folder, ...settings))['run']);
    own = await fingerprintOf(`${run}/backbone`);
    await told('profile', run);
    scheduled = await told('schedule', run, ...set('schedule.rule=trained'));
    schedule = await readSchedule(`${run}/schedule.json`);
    await told('export', run, '--out', `${folder}/bundle`);
  });

  it('leaves a backbone of its own, which the run and its bundle are about', async () => {
    expect(own).not.toBe(published);
    expect(await fingerprintOf(run)).toBe(own);
    const { backbone } = json(`${folder}/bundle/bundle.json`) as { backbone: Json };
    expect(backbone).toMatchObject({ source: `${run}/backbone`, fingerprint: own });
    expect(await fingerprintOf(at('backbone'))).toBe(published);
    const words = ['sample', `${folder}/bundle`, '-n', '1', '--backbone', at('backbone')];
    expect(await refusalOf(...words)).toContain(String(published));
  });

  it('takes over the exits that each time was trained at', () => {
    // Five stretches of twenty native times, from data to noise.
    expect(schedule.exits).toEqual(schedule.timesteps.map((t) => [3, 3, 2, 1, 1][Math.floor(t / 20)]));
    expect(schedule.asked).toEqual({ rule: 'trained', monotone: false, speedup: schedule.predicted.speedup });
    expect(scheduled).toMatchObject({ exits: schedule.exits, predicted: schedule.predicted });
    expect(schedule.predicted.depthUsed).toBeLessThan(1);
  });

  it('draws and is judged at those exits', async () => {
    const drawing = await told(
      'sample',
      `${folder}/bundle`,
      '-n',
      '4',
      '--compare',
      '--out',
      `${folder}/drawn`,
    );
    expect(drawing['depthUsed']).toBeCloseTo(schedule.predicted.depthUsed, 9);
    expect(Number(drawing['drift'])).toBeGreaterThan(0);
    const words = ['-n', '24', '--seed', '1', '--out', `${folder}/judged`, '--features', at('judge.onnx')];
    const { rows } = (await told('evaluate', `${folder}/bundle`, ...words)) as unknown as Evaluation;
    expect(rows.find((row) => row.kind === 'scheduled')?.depthUsed).toBeCloseTo(
      schedule.predicted.depthUsed,
      9,
    );
  });

  it('solves for other exits where they are asked for', async () => {
    const { asked, predicted } = await told('schedule', run, '--speedup', '1.3', '--dry-run');
    expect(asked).toMatchObject({ rule: 'optimal', speedup: 1.3 });
    expect((predicted as Schedule['predicted']).speedup).toBeGreaterThanOrEqual(1.3);
    const restricted = set('schedule.rule=trained', 'schedule.minRun=2');
    expect(await refusalOf('schedule', run, ...restricted)).toMatch(
      /schedule\.minRun: goes with schedule\.rule solved, and that is trained/,
    );
    const both = ['schedule', run, '--speedup', '1.3', ...set('schedule.rule=trained')];
    expect(await refusalOf(...both)).toMatch(
      /--speedup 1\.3 asks for a speed-up, but schedule\.rule is trained/,
    );
  });

  it('goes on after an interruption to the same backbone and heads, bit for bit', async () => {
    const { code } = await exithead(
      ['train', heads, '--out', at(`${mode}-half`), ...settings],
      abortsAtLook(5),
    );
    expect(code).toBe(130);
    const half = at(`${mode}-half/001-tiny-heads`);
    expect(existsSync(`${half}/backbone`)).toBe(false);
    await told('train', half, '--resume');
    expect(await fingerprintOf(`${half}/backbone`)).toBe(own);
    expect(readFileSync(`${half}/heads.safetensors`)).toEqual(readFileSync(`${run}/heads.safetensors`));
  });

  it('is refused keys that mean nothing in it', async () => {
    const refused = (...more: string[]): Promise<string> =>
      refusalOf('train', heads, ...settings, ...set(...more));
    expect(await refused('heads.exits=[1,2]')).toMatch(
      /heads\.exits: lists exits, and mode is .* set heads\.exits=all/,
    );
    expect(await refused('loss.exitWeights=linear')).toMatch(/loss\.exitWeights: goes with mode frozen/);
    expect(await refused('loss.curriculum=gradual')).toMatch(/loss\.curriculum: goes with mode frozen/);
    for (const unread of ['loss.denoising=0', 'loss.distillation=0.5', 'loss.sensitivity=some.json'])
      expect(await refused(unread)).toMatch(/goes with mode frozen.*there is no full backbone to imitate/);
    expect(await refused('loss.variance=learn')).toMatch(/goes with mode frozen.*set loss\.variance=inherit/);
    expect(await refused('finetune.exits=[3,2]', 'finetune.schedule=schedule.json')).toMatch(
      /finetune\.exits: lists exits beside finetune\.schedule/,
    );
    expect(await refused('heads.kind=memory')).toMatch(/heads\.kind: is memory, and mode is/);
  });
});

describe('a run at the exits of a schedule', () => {
  const [from, run] = [at('first/001-tiny-heads'), at('second/001-tiny-heads')];
  const tuned = ['mode=finetune', 'heads.kind=shared', 'heads.exits=all'];
  const short = set('train.steps=4', 'train.checkpointEvery=2');

  it('keeps to them when the file that its config names has changed', async () => {
    await told('train', heads, '--out', at('first'), ...short);
    await told('profile', from, '--samples', '40');
    const first = (await told('schedule', from, '--speedup', '1.3')) as unknown as Schedule;
    const named = set(...tuned, `finetune.schedule=${from}/schedule.json`);
    const words = ['train', heads, '--out', at('second'), ...named, ...short];
    expect((await exithead(words, abortsAtLook(3))).code).toBe(130);
    const other = (await told('schedule', from, '--speedup', '1.05')) as unknown as Schedule;
    expect(other.exits).not.toEqual(first.exits);
    rmSync(`${from}/schedule.json`);
    await told('train', run, '--resume');
    await told('profile', run, '--samples', '40');
    const { exits } = (await told('schedule', run, ...set('schedule.rule=trained'))) as unknown as Schedule;
    expect(exits).toEqual(first.exits);
  });
});

describe('training by weights from a file', () => {
  it('is not resumed when the file has changed', async () => {
    const table = at('weights.csv');
    const run = at('weighed/001-tiny-heads');
    writeFileSync(table, 't,weight\n0,1\n99,2\n');
    const weighed = set(
      'train.steps=4',
      'train.checkpointEvery=2',
      'loss.lambda=table',
      `loss.table=${table}`,
    );
    const { code } = await exithead(['train', heads, '--out', at('weighed'), ...weighed], abortsAtLook(3));
    expect(code).toBe(130);
    writeFileSync(table, 't,weight\n0,1\n99,3\n');
    expect(await refusalOf('train', run, '--resume')).toMatch(
      /names has changed since .* Restore it, or start a new run/,
    );
    writeFileSync(table, 't,weight\n0,1\n99,2\n');
    await told('train', run, '--resume');
  });
});

describe('a frozen run', () => {
  it('has no exits that its times were trained at', async () => {
    const run = String((await told('train', heads, '--out', at('frozen'), ...set('train.steps=2')))['run']);
    await told('profile', run, '--samples', '40');
    expect(await refusalOf('schedule', run, ...set('schedule.rule=trained'))).toMatch(
      /was trained in mode frozen, where every exit learns all times\. Leave schedule\.rule out/,
    );
  });
});

describe('new rows of labels', () => {
  it.each([
    ['frozen', [], /new, which stay the random numbers they start as: mode frozen moves no table of labels/],
    ['lora', [], /mode lora moves the table of labels under lora\.labels=true alone/],
    ['lora', ['lora.labels=true'], undefined],
    ['finetune', [], undefined],
  ])('are warned of in mode %s, %j, where they would stay random', async (mode, more, warning) => {
    const labels = 'backbone.labels=[0, 1, new]';
    const { code, err } = await exithead([
      'train',
      heads,
      '--dry-run',
      ...set(`mode=${mode}`, labels, ...more),
    ]);
    expect([code, code === 0 ? '' : err]).toEqual([0, '']);
    if (warning) expect(err).toMatch(warning);
    else expect(err).not.toMatch(/labels/);
  });
});
