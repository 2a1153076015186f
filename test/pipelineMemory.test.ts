import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Evaluation } from '../src/evaluate/results.js';
import { readErrorTable } from '../src/schedules/errorTable.js';
import type { Search } from '../src/commands/scheduleRefine.js';
import { macsOf, readSchedule, type Schedule } from '../src/schedules/schedule.js';
import { writeTinyJudge } from './tiny-judge.js';
import { abortsAtLook, exithead, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain, heads } = workshop();
const settings = (kind: string, ...more: string[]): string[] =>
  [`heads.kind=${kind}`, `name=tiny-${kind}`, 'heads.memory.steps=10', ...more].flatMap((one) => [
    '--set',
    one,
  ]);

beforeAll(async () => {
  process.env['EXITHEAD_CACHE'] = at('cache');
  writeTinyJudge(at('judge.onnx'));
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
});

describe.each<[string, readonly string[]]>([
  ['memory', []],
  ['memory', ['heads.memory.pairs=solver', 'train.steps=6']],
  ['remembered', []],
])('heads that remember: %s %j', (kind, more) => {
  const folder = at(`of-${kind}-${more.length}`);
  let run: string;
  beforeAll(async () => {
    run = String((await told('train', heads, '--out', folder, ...settings(kind, ...more)))['run']);
    await told('profile', run);
    await told('schedule', run, '--speedup', '1.3');
    await told('export', run, '--out', `${folder}/bundle`);
  });

  it('get a schedule that refreshes them, within the budget', async () => {
    const table = await readErrorTable(`${run}/error-table.json`);
    expect(table.ages).toMatchObject({ steps: 10, every: 3 });
    const { exits, refreshes, asked, predicted } = await readSchedule(`${run}/schedule.json`);
    expect(asked).toEqual({ rule: 'optimal', speedup: 1.3, monotone: false });
    expect(refreshes).toEqual(exits.flatMap((exit, step) => (exit === 3 ? [step] : [])));
    // A memory serves two steps at most.
    expect(exits[0]).toBe(3);
    expect(exits.join('')).not.toMatch(/[12]{3}/);
    expect(predicted.speedup).toBeGreaterThanOrEqual(1.3);
  });

  it('get full depth at every n-th step where that is asked for', async () => {
    const asked = ['schedule', run, '--dry-run', '--set', 'schedule.rule=refreshed'];
    const schedule = (await told(...asked, '--speedup', '1.3')) as unknown as Schedule;
    const { exits, predicted } = schedule;
    const between = new Set(exits.filter((_, step) => step % 2 === 1));
    expect(exits.filter((_, step) => step % 2 === 0).every((exit) => exit === 3)).toBe(true);
    expect(between.size).toBe(1);
    expect(predicted.speedup).toBeGreaterThanOrEqual(1.3);
    expect(await refusalOf(...asked, '--set', 'schedule.maxExcess=1')).toMatch(
      /schedule\.maxExcess asks for the cheapest schedule, but schedule\.rule is refreshed/,
    );
  });

  it('draw near full depth, with guidance', async () => {
    const drawing = await told(
      'sample',
      `${folder}/bundle`,
      '-n',
      '4',
      '--compare',
      '--out',
      `${folder}/drawn`,
    );
    expect(Number(drawing['drift'])).toBeGreaterThan(0);
    expect(Number(drawing['drift'])).toBeLessThan(0.2);
  });

  it('are judged beside all that is cheaper', async () => {
    const words = ['-n', '24', '--seed', '1', '--out', `${folder}/judged`, '--features', at('judge.onnx')];
    const { rows } = (await told('evaluate', `${folder}/bundle`, ...words)) as unknown as Evaluation;
    const kinds = rows.map(({ kind }) => kind);
    for (const one of ['full-depth', 'scheduled', 'fewer-steps', 'caching'] as const)
      expect(kinds).toContain(one);
    expect(rows[1]?.depthUsed).toBeLessThanOrEqual(1 / 1.3);
    expect(rows[1]?.drift.mean).toBeGreaterThan(0);
  });
});

describe('a search near the solved schedule', () => {
  const refined = (...set: string[]): Promise<Json> => {
    const keys = ['candidates=3', 'rounds=2', ...set].map((one) => `schedule.refine.${one}`);
    return told('schedule', run, '--speedup', '1.3', '--refine', ...keys.flatMap((key) => ['--set', key]));
  };
  const run = at('of-memory-0/001-tiny-memory');
  /** Multiply-adds of one pass a step, at a speed-up of 1.3. */
  const budgetOf = ({ available, timesteps }: Schedule): number =>
    ((timesteps.length * (available.at(-1)?.macs ?? NaN)) / 1.3) * (1 + 1e-8);

  it.each([
    ['drift', ['samples=12']],
    ['fid', ['samples=24', 'by=fid', `features=${at('judge.onnx')}`]],
  ])(
    'ends at one that draws better by %s, or where it began, within the speed-up asked for',
    async (_by, set) => {
      const start = (await told('schedule', run, '--speedup', '1.3')) as unknown as Schedule;
      const { search } = (await refined(...set)) as unknown as { readonly search: Search };
      const found = await readSchedule(`${run}/schedule.json`);
      expect(macsOf(found.available, found.exits)).toBeLessThanOrEqual(budgetOf(start));
      expect(search.rounds.length).toBeGreaterThan(0);
      const moves = search.rounds.filter(({ moved }) => moved);
      expect(found.exits).toEqual(moves.at(-1)?.exits ?? start.exits);
      for (const { seen, proved, moved } of search.rounds) {
        expect(proved !== null).toBe(seen.value < 0);
        expect(moved).toBe(proved !== null && proved.value < -2 * proved.standardError);
      }
    },
  );

  it('moves steps of either half of guidance where those leave apart', async () => {
    const keys = ['halves=separate', 'refine.samples=12', 'refine.candidates=3', 'refine.rounds=2'];
    const set = keys.flatMap((key) => ['--set', `schedule.${key}`]);
    const start = (await told('schedule', run, '--speedup', '1.3', ...set)) as unknown as Schedule;
    const words = ['schedule', run, '--speedup', '1.3', '--refine', ...set];
    const { search } = (await told(...words)) as unknown as { readonly search: Search };
    const { available, exits, unconditional } = await readSchedule(`${run}/schedule.json`);
    expect(macsOf(available, exits, unconditional)).toBeLessThanOrEqual(2 * budgetOf(start));
    const moved = search.rounds.filter((round) => round.moved).at(-1);
    expect([exits, unconditional]).toEqual([
      moved?.exits ?? start.exits,
      moved?.unconditional ?? start.unconditional,
    ]);
    expect(unconditional).toHaveLength(exits.length);
  });

  it('keeps the best schedule until it was stopped', async () => {
    const start = (await told('schedule', run, '--speedup', '1.3')) as unknown as Schedule;
    await told('schedule', run, '--speedup', '1.1');
    const words = ['schedule', run, '--speedup', '1.3', '--refine'];
    const { code, err } = await exithead(words, abortsAtLook(3));
    expect(code).toBe(130);
    expect(err).toContain(`stopped while refining; the best schedule until then is in ${run}/schedule.json.`);
    expect((await readSchedule(`${run}/schedule.json`)).exits).toEqual(start.exits);
  });

  it('says what it would draw, and draws nothing', async () => {
    const { out } = await exithead(['schedule', run, '--refine', '--dry-run']);
    expect(out).toMatch(/refining draws at most 90 sets of 256 images/);
  });
});

describe('training that was interrupted', () => {
  it.each([
    ['noise', 'low-rank'],
    ['noise', 'memory'],
    ['solver', 'memory'],
  ])('goes on to the same heads, bit for bit: %s pairs, %s heads', async (pairs, kind) => {
    const folder = at(`stopped-${pairs}-${kind}`);
    const set = settings(kind, `heads.memory.pairs=${pairs}`);
    const whole = String((await told('train', heads, '--out', `${folder}/whole`, ...set))['run']);
    const words = ['train', heads, '--out', `${folder}/half`, ...set];
    const { code, err } = await exithead(words, abortsAtLook(5));
    expect(code).toBe(130);
    expect(err).toMatch(/stopped after 4 of 12 steps/);
    const half = `${folder}/half/001-tiny-${kind}`;
    await told('train', half, '--resume');
    expect(readFileSync(`${half}/heads.safetensors`)).toEqual(readFileSync(`${whole}/heads.safetensors`));
  });
});

describe('low-rank heads', () => {
  it('go through the pipeline at the price of their rank', async () => {
    const folder = at('of-low-rank');
    const set = settings('low-rank', 'heads.rank=2');
    const run = String((await told('train', heads, '--out', folder, ...set))['run']);
    await told('profile', run);
    await told('schedule', run);
    await told('export', run, '--out', `${folder}/bundle`);
    const { exits } = await readErrorTable(`${run}/error-table.json`);
    const shared = String((await told('train', heads, '--out', folder, ...settings('shared')))['run']);
    await told('profile', shared, '--samples', '40');
    const plain = await readErrorTable(`${shared}/error-table.json`);
    // Two factors of rank 2 between the condition of width 16 and its shift and scale of 32.
    expect((exits[0]?.macs ?? NaN) - (plain.exits[0]?.macs ?? NaN)).toBe(2 * 16 + 2 * 32);
    const drawing = await told(
      'sample',
      `${folder}/bundle`,
      '-n',
      '4',
      '--compare',
      '--out',
      `${folder}/drawn`,
    );
    expect(Number(drawing['drift'])).toBeLessThan(1);
  });
});

describe('a bundle whose schedule remembers before there was anything', () => {
  it('is refused, wherever it is opened', async () => {
    const bundle = at('early');
    cpSync(at('of-memory-0/bundle'), bundle, { recursive: true });
    const file = `${bundle}/schedule.json`;
    const schedule = JSON.parse(readFileSync(file, 'utf8')) as Json & { exits: number[] };
    // The same exits in another order, so that their costs stay as they are told.
    const [first, second, ...rest] = schedule.exits;
    writeFileSync(file, JSON.stringify({ ...schedule, exits: [second, first, ...rest] }));
    for (const words of [
      ['sample', bundle],
      ['evaluate', bundle],
      ['inspect', bundle],
    ])
      expect(await refusalOf(...words)).toMatch(
        /remembers the last full-depth step, and there was none before it/,
      );
  });
});
