import { cpSync, readFileSync, renameSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { readErrorTable, type ErrorTable, type MeasuredExit } from '../src/schedules/errorTable.js';
import { exitAt, readSchedule, type Schedule } from '../src/schedules/schedule.js';
import { binOf } from '../src/schedules/timeBins.js';
import { abortsAtLook, exithead, listing, refusalOf, told, workshop, type Json } from './workshop.js';

const { at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');
const read = (...names: string[]): Buffer => readFileSync(at(...names));
const json = (...names: string[]): unknown => JSON.parse(read(...names).toString());
const lines = (file: string): Json[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);

let drawn = 0;
/** Draws seven images into a new folder. */
async function sampled(...words: string[]): Promise<{ folder: string; said: Json }> {
  const folder = at(`drawn-${drawn++}`);
  return { folder, said: await told('sample', ...words, '-n', '7', '--out', folder) };
}
const png = async (...words: string[]): Promise<Buffer> =>
  readFileSync(`${(await sampled(...words)).folder}/scheduled.png`);

/** What every verb told, in the order of the pipeline. */
const said: Record<string, Json> = {};
let table: ErrorTable;
let schedule: Schedule;

beforeAll(async () => {
  said['pretrain'] = await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  said['train'] = await told('train', heads, '--out', at('runs'));
  said['profile'] = await told('profile', run);
  said['schedule'] = await told('schedule', run);
  said['export'] = await told('export', run, '--out', at('bundle'));
  table = await readErrorTable(`${run}/error-table.json`);
  schedule = await readSchedule(`${run}/schedule.json`);
});

describe('pretraining', () => {
  it('leaves a backbone that opens with the fingerprint it told, and a loss that fell', async () => {
    const { backbone, fingerprint } = said['pretrain'] ?? {};
    expect(await told('inspect', String(backbone))).toMatchObject({ kind: 'backbone', fingerprint });
    const inRun = await told('inspect', at('runs/001-tiny-pretrain'));
    expect(inRun).toMatchObject({ kind: 'run', backbone: { kind: 'backbone', fingerprint } });
    const losses = lines(at('runs/001-tiny-pretrain/metrics.jsonl')).map(({ step, loss }) => [step, loss]);
    expect(losses.map(([step]) => step)).toEqual([1, 10, 20, 30, 40, 50, 60]);
    expect(Number(losses.at(-1)?.[1])).toBeLessThan(0.8 * Number(losses[0]?.[1]));
  });
});

describe('training', () => {
  it('leaves heads on the backbone, which stays as it was', async () => {
    expect(said['train']).toEqual({ run, heads: `${run}/heads.safetensors` });
    const { fingerprint, exits } = await told('inspect', run);
    expect(fingerprint).toBe(said['pretrain']?.['fingerprint']);
    expect((exits as MeasuredExit[]).map(({ exit, kind }) => [exit, kind])).toEqual([
      [1, 'adapter'],
      [2, 'adapter'],
      [3, 'backbone'],
    ]);
  });

  it('makes every kind of head, at the price of its kind', async () => {
    const first = new Map<string, number>([['adapter', table.exits[0]?.macs ?? NaN]]);
    for (const kind of ['shared', 'linear', 'block']) {
      const set = ['--set', `heads.kind=${kind}`, '--set', 'train.steps=2', '--set', `name=tiny-${kind}`];
      const { run } = await told('train', heads, '--out', at('kinds'), ...set);
      await told('profile', String(run), '--samples', '40');
      await told('schedule', String(run), '--speedup', '1');
      await told('export', String(run), '--out', at('kinds', kind));
      const { exits } = await told('inspect', at('kinds', kind));
      const [one, , full] = exits as MeasuredExit[];
      expect(one).toMatchObject({ exit: 1, kind });
      expect(full?.macs).toBe(table.exits.at(-1)?.macs);
      first.set(kind, one?.macs ?? NaN);
    }
    const macs = (kind: string): number => first.get(kind) ?? NaN;
    expect(macs('shared')).toBe(macs('linear'));
    // 4 tokens, width 16: an adapter of 4 reads and writes 2 x 4 x 16 x 4, a block is two modulated layers.
    expect(macs('adapter') - macs('linear')).toBe(2 * 4 * 16 * 4);
    const block = 6 * 16 ** 2 + 4 * 12 * 16 ** 2 + 2 * 4 ** 2 * 16;
    expect(macs('block') - macs('linear')).toBe(block);
  });

  it('ends with 130 when interrupted, and goes on to the same heads', async () => {
    const { code, out, err } = await exithead(['train', heads, '--out', at('stopped')], abortsAtLook(5));
    expect(code).toBe(130);
    expect(out).toContain('/stopped/001-tiny-heads');
    expect(err).toMatch(/stopped after 4 of 12 steps; saved .*step-4\.safetensors\. Go on with --resume\./);
    const half = at('stopped/001-tiny-heads');
    expect(await refusalOf('profile', half)).toContain(`Go on with \`exithead train ${half} --resume\``);
    await told('train', half, '--resume');
    expect(readFileSync(`${half}/heads.safetensors`)).toEqual(readFileSync(`${run}/heads.safetensors`));
    await told('train', heads, '--resume', '--out', at('stopped'));
    expect(listing(at('stopped')).filter((name) => !name.includes('/'))).toEqual(['001-tiny-heads']);
  });
});

describe('profiling', () => {
  it('tells the table that it wrote, of all samples and exits', () => {
    const [errorTable, picture] = [`${run}/error-table.json`, `${run}/error-table.svg`];
    expect(said['profile']).toEqual({ errorTable, picture, table });
    expect(table.backbone).toBe(said['pretrain']?.['fingerprint']);
    expect(table.count.reduce((sum, count) => sum + count, 0)).toBe(90);
    expect(table.excess.mean.at(-1)).toEqual([0, 0, 0, 0, 0]);
    for (const row of table.excess.mean.slice(0, -1))
      for (const value of row) expect(value).toBeGreaterThan(0);
  });

  it('gives the same table again', async () => {
    cpSync(run, at('runs/profiled-again'), { recursive: true });
    expect((await told('profile', at('runs/profiled-again')))['table']).toEqual(table);
  });
});

describe('a schedule', () => {
  const cost = (exits: readonly number[]): number =>
    exits.reduce((sum, exit) => sum + (table.exits.find((one) => one.exit === exit)?.macs ?? NaN), 0);
  const full = (): number => table.exits.at(-1)?.macs ?? NaN;

  it('is told as it was written, and costs no more than was asked', () => {
    expect(said['schedule']).toMatchObject({ ...schedule, schedule: `${run}/schedule.json`, dryRun: false });
    expect(schedule.asked).toEqual({ speedup: 1.2, monotone: false, rule: 'optimal' });
    expect(cost(schedule.exits) * 1.2).toBeLessThanOrEqual(full() * 10);
    expect(schedule.predicted.speedup).toBeCloseTo((full() * 10) / cost(schedule.exits), 12);
  });

  it('loses as little as the best of all 3^10 schedules', () => {
    const bins = schedule.timesteps.map((t) => binOf(table.bins, t));
    const budget = (full() * 10) / 1.2;
    const excess = (step: number, k: number): number => table.excess.mean[k]?.[bins[step] ?? -1] ?? NaN;
    let best = Infinity;
    for (let code = 0; code < 3 ** 10; code++) {
      const choice = Array.from({ length: 10 }, (_, step) => Math.floor(code / 3 ** step) % 3);
      if (cost(choice.map((k) => k + 1)) > budget) continue;
      best = Math.min(
        best,
        choice.reduce((sum, k, step) => sum + excess(step, k), 0),
      );
    }
    expect(schedule.predicted.excess).toBeCloseTo(best, 12);
  });

  it('comes in the bundle with its heads', async () => {
    expect(said['export']).toEqual({ bundle: at('bundle'), predicted: schedule.predicted });
    expect(json('bundle/schedule.json')).toEqual(json('runs/002-tiny-heads/schedule.json'));
    const facts = await told('inspect', at('bundle'));
    expect(facts).toMatchObject({ kind: 'bundle', exits: table.exits, schedule });
    expect(json('bundle/bundle.json')).toMatchObject({
      backbone: { source: '../backbone', fingerprint: said['pretrain']?.['fingerprint'] },
      diffusion: { steps: 100, betaEnd: 0.2, guidance: 2, clip: true },
    });
  });
});

describe('sampling', () => {
  it('draws scheduled and at full depth, and tells what it cost', async () => {
    const { folder, said } = await sampled(at('bundle'), '--compare');
    expect(listing(folder)).toEqual(['full-depth.png', 'scheduled.png']);
    expect(said).toMatchObject({ labels: [0, 1, 2, 0, 1, 2, 0], depthUsed: schedule.predicted.depthUsed });
    expect(said['files']).toEqual([`${folder}/scheduled.png`, `${folder}/full-depth.png`]);
    expect(said['drift']).toBeGreaterThan(0);
    expect(Number(said['measuredSpeedup'])).toBeCloseTo(
      Number(said['fullSeconds']) / Number(said['seconds']),
      12,
    );
    const pictures = await Promise.all(
      listing(folder).map(async (name) => (await sharp(`${folder}/${name}`).metadata()).format),
    );
    expect(pictures).toEqual(['png', 'png']);
  });

  it('equals full depth bit for bit where the schedule is full depth', async () => {
    cpSync(run, at('runs/full-depth'), { recursive: true });
    const full = await told('schedule', at('runs/full-depth'), '--speedup', '1');
    expect(full['exits']).toEqual(Array.from({ length: 10 }, () => 3));
    await told('export', at('runs/full-depth'), '--out', at('full-bundle'));
    const { folder, said } = await sampled(at('full-bundle'), '--compare');
    expect(said).toMatchObject({ drift: 0, depthUsed: 1 });
    const [scheduled, deep] = ['scheduled.png', 'full-depth.png'].map((name) =>
      readFileSync(`${folder}/${name}`),
    );
    expect(scheduled).toEqual(deep);
  });

  it.each([['ddim'], ['ddpm']])('by %s depends on the seed and not on the batch', async (solver) => {
    const words = [at('bundle'), '--solver', solver, '--seed', '5'];
    const all = await png(...words);
    expect(await png(...words)).toEqual(all);
    expect(await png(at('bundle'), '--solver', solver, '--seed', '6')).not.toEqual(all);
    for (const batch of ['1', '2', '7']) {
      const other = await png(...words, '--set', `sample.batch=${batch}`);
      expect(other).toEqual(all);
    }
  });

  it('with another number of steps runs the exits of the nearest times', async () => {
    const { exits, timesteps, macs, depthUsed, guidance } = await told(
      'sample',
      at('bundle'),
      '--steps',
      '4',
      '--guidance',
      '1',
      '--dry-run',
    );
    expect(timesteps).toEqual([99, 66, 33, 0]);
    expect(exits).toEqual([99, 66, 33, 0].map((t) => exitAt(schedule, t)));
    expect(guidance).toBe(1);
    const full = table.exits.at(-1)?.macs ?? NaN;
    expect(Number(macs)).toBeCloseTo(Number(depthUsed) * full * 4 * 64, 0);
  });

  it('ends with 130 when interrupted, and writes nothing', async () => {
    const words = ['sample', at('bundle'), '--out', at('interrupted')];
    const { code, err } = await exithead(words, abortsAtLook(3));
    expect({ code, err }).toMatchObject({ code: 130, err: expect.stringContaining('nothing was written') });
    expect(listing(at('.'))).not.toContain('interrupted');
  });
});

describe('a bundle that was moved', () => {
  it('still samples when its backbone moved along', async () => {
    const before = await png(at('bundle'));
    cpSync(at('bundle'), at('elsewhere/bundle'), { recursive: true });
    renameSync(at('backbone'), at('elsewhere/backbone'));
    try {
      expect(await png(at('elsewhere/bundle'))).toEqual(before);
    } finally {
      renameSync(at('elsewhere/backbone'), at('backbone'));
    }
  });

  it('alone asks for its backbone, and --backbone mends it', async () => {
    cpSync(at('bundle'), at('far/away/bundle'), { recursive: true });
    const alone = at('far/away/bundle');
    for (const verb of ['sample', 'inspect']) {
      const message = await refusalOf(verb, alone);
      expect(message).toContain(`${alone} names its backbone as ../backbone, which cannot be opened`);
      expect(message).toContain('Give its place with --backbone.');
    }
    expect(await png(alone, '--backbone', at('backbone'))).toEqual(await png(at('bundle')));
    expect(await told('inspect', alone, '--backbone', at('backbone'))).toMatchObject({ kind: 'bundle' });
  });

  it('needs no backbone where it holds its own', async () => {
    await told('export', run, '--out', at('whole'), '--with-backbone');
    cpSync(at('whole'), at('away/whole'), { recursive: true });
    expect(json('whole/bundle.json')).toMatchObject({
      backbone: { source: 'backbone.safetensors', fingerprint: said['pretrain']?.['fingerprint'] },
    });
    expect(await png(at('away/whole'))).toEqual(await png(at('bundle')));
    expect(readFileSync(at('whole/README.md'), 'utf8')).toContain('are in `backbone.safetensors`');
    expect(await told('inspect', at('away/whole'))).toMatchObject({ kind: 'bundle', problems: [] });
  });

  it('refuses another backbone by its fingerprint', async () => {
    const set = ['--seed', '4', '--set', 'train.steps=1', '--set', 'name=other'];
    const { backbone, fingerprint } = await told('pretrain', pretrain, '--out', at('runs'), ...set);
    const message = await refusalOf('sample', at('bundle'), '--backbone', String(backbone));
    expect(message).toContain(`fingerprint ${String(said['pretrain']?.['fingerprint'])}`);
    expect(message).toContain(`but this backbone has ${String(fingerprint)}`);
  });
});

describe('parts of two runs', () => {
  let other = '';
  beforeAll(async () => {
    const set = ['--seed', '9', '--set', 'train.steps=2', '--set', 'name=second'];
    other = String((await told('train', heads, '--out', at('runs'), ...set))['run']);
    await told('profile', other);
    await told('schedule', other);
  });
  let mixed = 0;
  /** A copy of the first run with a file of the second. */
  const withFile = (name: string): string => {
    const copy = at('runs', `mixed-${mixed++}`);
    cpSync(run, copy, { recursive: true });
    cpSync(`${other}/${name}`, `${copy}/${name}`);
    return copy;
  };

  it.each([['schedule'], ['report']])('%s refuses an error table of other heads', async (verb) => {
    const copy = withFile('error-table.json');
    expect(await refusalOf(verb, copy)).toBe(
      `${copy}/error-table.json belongs to another backbone or other heads than ${copy} now holds. ` +
        `Run \`exithead profile ${copy}\` again.`,
    );
  });

  it.each([['export'], ['report']])('%s refuses a schedule for other heads', async (verb) => {
    const copy = withFile('schedule.json');
    const out = at(`never-${verb}`);
    expect(await refusalOf(verb, copy, '--out', out)).toBe(
      `${copy}/schedule.json belongs to another backbone or other heads than ${copy} now holds. ` +
        `Run \`exithead schedule ${copy}\` again.`,
    );
    expect(listing(at('.'))).not.toContain(`never-${verb}`);
  });

  it('are refused where heads were exchanged, in a run and in a bundle', async () => {
    const copy = withFile('heads.safetensors');
    expect(await refusalOf('schedule', copy)).toContain('error-table.json belongs to');
    expect(await refusalOf('export', copy, '--out', at('never'))).toContain('schedule.json belongs to');
    cpSync(at('bundle'), at('mixed-bundle'), { recursive: true });
    cpSync(`${other}/heads.safetensors`, at('mixed-bundle/heads.safetensors'));
    const message = await refusalOf('sample', at('mixed-bundle'), '--backbone', at('backbone'));
    expect(message).toContain(`but its schedule was solved for heads with ${schedule.heads}`);
  });
});

describe('the report', () => {
  it('grows with the run: training, then the table, then the schedule', async () => {
    const page = async (...missing: string[]): Promise<string> => {
      const copy = at('runs', `report-${missing.length}`);
      cpSync(run, copy, { recursive: true, filter: (from) => !missing.some((name) => from.endsWith(name)) });
      const { report } = await told('report', copy, '--out', at('pages', String(missing.length)));
      expect(report).toBe(at('pages', String(missing.length), 'report.html'));
      return readFileSync(String(report), 'utf8');
    };
    const [all, unscheduled, bare] = [
      await page(),
      await page('schedule.json'),
      await page('schedule.json', 'error-table.json'),
    ];
    expect(all).toContain(`${schedule.predicted.speedup.toFixed(2)}x`);
    expect(all).toContain('exithead export');
    expect(unscheduled).toContain('exithead schedule');
    expect(unscheduled).not.toContain('Predicted speed-up');
    expect(bare).toContain('exithead profile');
    for (const page of [all, unscheduled, bare])
      expect(page).toContain(String(said['pretrain']?.['fingerprint']));
  });
});
