import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Evaluation } from '../src/evaluate/results.js';
import { writeTinyJudge } from './tiny-judge.js';
import { abortsAtLook, exithead, refusalOf, told, workshop } from './workshop.js';

const { at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');
const judged = ['--features', at('judge.onnx')];
const few = ['-n', '24', '--batch', '10', '--seed', '1', ...judged];
process.env['EXITHEAD_CACHE'] = at('cache');

/** Without what no two runs share. */
function numbersOf(evaluation: Evaluation): unknown {
  return evaluation.rows.map((row) => ({
    ...{ ...row, secondsPerImage: 0, speed: 0 },
    seeds: row.seeds.map((one) => ({ ...one, seconds: 0 })),
  }));
}

async function evaluated(...words: string[]): Promise<Evaluation & { file: string }> {
  return (await told('evaluate', at('bundle'), ...words)) as unknown as Evaluation & { file: string };
}

beforeAll(async () => {
  writeTinyJudge(at('judge.onnx'));
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  cpSync(at('runs/001-tiny-pretrain/backbone'), at('backbone'), { recursive: true });
  await told('train', heads, '--out', at('runs'));
  await told('profile', run);
  await told('schedule', run, '--speedup', '1');
  cpSync(`${run}/schedule.json`, at('full.json'));
  await told('schedule', run);
  await told('export', run, '--out', at('bundle'));
}, 120_000);

describe('evaluating a bundle', () => {
  let first: Evaluation & { file: string };
  let warned: string;
  beforeAll(async () => {
    const words = [...few, '--seeds', '2', '--schedule', at('full.json'), '--out', at('first'), '--keep'];
    const { code, out, err } = await exithead(['evaluate', at('bundle'), ...words, '--json']);
    if (code !== 0) throw new Error(`the evaluation ended with ${code}: ${err}`);
    first = JSON.parse(out) as typeof first;
    warned = err;
  }, 120_000);

  it('warns once that so few samples tell little', () => {
    expect(
      warned.match(/^warning: 24 samples are too few to judge by: .* Take 100 or more\.$/gm),
    ).toHaveLength(1);
  });

  it('compares the schedule with all that is cheaper, from the data of its run', () => {
    const kinds = first.rows.map(({ kind }) => kind);
    expect(kinds.slice(0, 3)).toEqual(['full-depth', 'scheduled', 'scheduled']);
    for (const kind of ['fewer-steps', 'fixed-exit', 'caching'] as const) expect(kinds).toContain(kind);
    expect(first.reference).toEqual({
      ...{ split: 'test', count: 90 },
      data: expect.stringMatching(/data\/test-images$/),
    });
    expect(first.rows[1]?.depthUsed).toBeLessThanOrEqual(1 / 1.2 + 1e-9);
    expect(JSON.parse(readFileSync(first.file, 'utf8'))).toEqual({ ...first, file: undefined });
  });

  it('finds a schedule of full depth to be full depth: no drift and no difference at all', () => {
    const [full, , same] = first.rows;
    expect(same).toMatchObject({ name: at('full.json'), depthUsed: 1, drift: { mean: 0, standardError: 0 } });
    expect(same?.fid).toEqual(full?.fid);
    const nothing = { value: 0, standardError: 0 };
    expect(full?.differences).toContainEqual({ to: at('full.json'), fid: nothing, kid: nothing });
    expect(full?.drift.mean).toBe(0);
  });

  it('gives every seed samples of its own', () => {
    for (const { seeds } of first.rows) {
      expect(seeds.map(({ seed }) => seed)).toEqual([1, 2]);
      expect(seeds[0]?.fid.value).not.toBe(seeds[1]?.fid.value);
    }
    const [, scheduled] = first.rows;
    const [a, b] = scheduled?.seeds ?? [];
    expect(scheduled?.kid.value).toBeCloseTo(((a?.kid.value ?? NaN) + (b?.kid.value ?? NaN)) / 2, 12);
  });

  it('judges kept samples again to the same file, drawing none', async () => {
    const before = readFileSync(first.file, 'utf8');
    const files = readdirSync(at('first/samples'));
    // Two seeds, three batches of each way.
    expect(files.length).toBe(6 * first.rows.length);
    const words = [...few, '--seeds', '2', '--schedule', at('full.json'), '--out', at('first')];
    await evaluated(...words, '--keep', '--resume');
    expect(readFileSync(first.file, 'utf8')).toBe(before);
    const name = files[0] ?? '';
    writeFileSync(at('first/samples', name), 'broken');
    const { err } = await exithead(['evaluate', at('bundle'), ...words, '--resume']);
    expect(err).toMatch(/are drawn anew/);
    expect(numbersOf(JSON.parse(readFileSync(first.file, 'utf8')) as Evaluation)).toEqual(numbersOf(first));
    expect(existsSync(at('first/samples'))).toBe(false);
  }, 60_000);

  it('ends with 130 when interrupted, and goes on to the same numbers', async () => {
    const words = ['evaluate', at('bundle'), ...few, '--against', 'fewer-steps', '--out', at('stopped')];
    const { code, err } = await exithead(words, abortsAtLook(60));
    expect(err).toMatch(/finished samples lie in .*stopped\/samples\. Go on with --resume\./);
    expect(code).toBe(130);
    expect(existsSync(at('stopped/evaluation.json'))).toBe(false);
    expect(readdirSync(at('stopped/samples')).length).toBeGreaterThan(0);
    const rest = [...few, '--against', 'fewer-steps'];
    const resumed = await evaluated(...rest, '--out', at('stopped'), '--resume');
    expect(numbersOf(resumed)).toEqual(numbersOf(await evaluated(...rest, '--out', at('whole'))));
  }, 60_000);

  it('says beforehand what is drawn, and writes nothing', async () => {
    const { ways, seconds } = await told('evaluate', at('bundle'), ...few, '--dry-run', '--out', at('dry'));
    expect((ways as { name: string }[]).map(({ name }) => name).slice(0, 2)).toEqual([
      'full depth',
      'scheduled',
    ]);
    expect(Number(seconds)).toBeGreaterThan(0);
    expect(existsSync(at('dry'))).toBe(false);
  });
});

describe('the real images', () => {
  it('are asked for where the run is gone, and taken from --data', async () => {
    renameSync(at('runs'), at('moved'));
    try {
      const message = await refusalOf('evaluate', at('bundle'), ...few, '--out', at('never'));
      expect(message).toMatch(/its run .*002-tiny-heads is not there\. Name them with --data/);
      const dry = [...few, '--dry-run', '--out', at('never')];
      for (const data of [at('base.yaml'), at('heads.yaml'), at('moved/002-tiny-heads')])
        expect(await told('evaluate', at('bundle'), ...dry, '--data', data)).toMatchObject({ dryRun: true });
      expect(await refusalOf('evaluate', at('bundle'), ...dry, '--data', at('bundle/bundle.json'))).toMatch(
        /data/,
      );
    } finally {
      renameSync(at('moved'), at('runs'));
    }
  });
});

describe('a schedule of other heads', () => {
  it('is refused', async () => {
    const other = JSON.parse(readFileSync(at('full.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(at('other.json'), JSON.stringify({ ...other, heads: 'other' }));
    const message = await refusalOf('evaluate', at('bundle'), ...few, '--schedule', at('other.json'));
    expect(message).toContain(`${at('other.json')} was solved for another backbone or other heads`);
  });
});

describe('without a network to judge by', () => {
  it('a classifier of the training images is trained, and nothing kept of half of it', async () => {
    const words = ['-n', '8', '--seed', '1', '--against', 'fewer-steps', '--out', at('digits')];
    const { code, out, err } = await exithead(['evaluate', at('bundle'), ...words], abortsAtLook(400));
    expect(code).toBe(130);
    expect(out + err).toMatch(/training a classifier of .*train-images to judge by, once/);
    expect(existsSync(at('cache/digits')) ? readdirSync(at('cache/digits')) : []).toEqual([]);
  });
});
