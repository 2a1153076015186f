import { existsSync, readFileSync, rmSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ErrorTable } from '../../src/schedules/errorTable.js';
import { readTrajectories } from '../../src/schedules/trajectories.js';
import { abortsAtLook, exithead, refusalOf, told, workshop } from '../workshop.js';

const { at, pretrain, heads } = workshop();
const run = at('runs/002-tiny-heads');
const textOf = (name: string): string => readFileSync(`${run}/${name}`, 'utf8');

let backbone = '';

beforeAll(async () => {
  const short = ['--out', at('runs'), '--set', 'train.steps=4', '--set', 'train.checkpointEvery=4'];
  backbone = String((await told('pretrain', pretrain, ...short))['backbone']);
  await told('train', heads, ...short, '--set', `backbone.path=${backbone}`);
});

const few = ['--samples', '50', '--set', 'profile.batch=8'];

describe('profile', () => {
  it('gives the same file in parts as at once', async () => {
    await told('profile', run, ...few);
    const whole = textOf('error-table.json');
    for (const shard of ['2/2', '1/2']) {
      const part = await told('profile', run, ...few, '--shard', shard);
      expect(part).toMatchObject({ done: true, batches: shard === '1/2' ? 4 : 3 });
    }
    expect(textOf('error-table.json')).toBe(whole);
    const { out } = await exithead(['profile', run, '--merge']);
    expect(textOf('error-table.json')).toBe(whole);
    expect(out).toContain('excess over full depth in epsilon, from noise to data');
    expect(out).toContain('50 samples; largest standard error');
    expect(out).toContain('drawn with guidance 2; --set profile.guidance=2 measures errors after it\n');
    expect((await exithead(['inspect', `${run}/error-table.2-of-2.json`])).out).toContain(
      'is part 2 of 2 of an error table of 3 exits, finished; batches of 8 samples measured: 3\n',
    );
    expect(await refusalOf('profile', run, '--set', 'seed=5', ...few, '--shard', '1/2', '--resume')).toBe(
      'what was measured before is on other samples than what is asked for. Measure anew, without --resume, or ask for the same.',
    );
  });

  it('goes on where it was stopped, to the same file', async () => {
    expect(await refusalOf('profile', run, ...few, '--resume')).toBe(
      `there is no ${run}/error-table.partial.json to go on from. Leave out --resume to start anew.`,
    );
    const whole = textOf('error-table.json');
    const { code, err } = await exithead(['profile', run, ...few], abortsAtLook(4));
    expect(code).toBe(130);
    expect(err).toContain('stopped after 3 of 7 batches, which are kept. Go on with --resume.');
    expect((await exithead(['inspect', `${run}/error-table.partial.json`])).out).toContain('not finished');
    await told('profile', run, ...few, '--resume');
    expect(textOf('error-table.json')).toBe(whole);
    expect(existsSync(`${run}/error-table.partial.json`)).toBe(false);
  });

  it('measures after guidance at the steps of the schedule, and shows what is asked for', async () => {
    const set = ['profile.guidance=2', 'profile.binning=solver', 'schedule.steps=4'];
    const asked = set.flatMap((one) => ['--set', one]);
    const { table, picture } = await told('profile', run, ...asked, '--show', 'error', '--in', 'x0');
    const { bins, guidance, halves } = table as ErrorTable;
    expect(bins.map(({ at }) => at)).toEqual([0, 33, 66, 99]);
    expect(guidance).toBe(2);
    expect(halves?.conditional.mean[0]?.[0]).toBeGreaterThan(0);
    expect(readFileSync(String(picture), 'utf8')).toContain('denoising error in x0, after guidance 2');
    expect((await told('profile', run, ...asked, '--dry-run'))['bins']).toBe(4);
    expect((await exithead(['inspect', `${run}/error-table.json`])).out).toContain(
      '\nbins by the steps of a solver, after guidance 2\n',
    );
  });

  it('refuses what does not go together', async () => {
    expect(await refusalOf('profile', run, '--merge', '--shard', '1/2')).toBe(
      '--shard and --merge do different work. Give one of them.',
    );
    for (const shard of ['3/2', '0/2', '2'])
      expect(await refusalOf('profile', run, '--shard', shard)).toBe(
        `--shard is ${shard}, expected i/n such as 2/4, with i from 1 to n.`,
      );
    expect(await refusalOf('profile', run, '--merge', '--resume')).toBe(
      '--resume means nothing here: merging measures nothing. Leave it out.',
    );
    expect(await refusalOf('profile', run, '--shard', '1/2', '--in', 'v')).toBe(
      '--in means nothing here: only an error table is shown. Leave it out.',
    );
    expect(await refusalOf('profile', run, '--merge', '--dry-run')).toBe(
      '--dry-run means nothing here: merging measures nothing. Leave it out.',
    );
    await told('profile', run, '--samples', '8', '--shard', '1/3');
    expect(await refusalOf('profile', run, '--merge')).toContain('Measure all parts alike');
  });

  it.each(['trajectories', 'sensitivity'])('goes on with %s where it was stopped', async (kind) => {
    const set = ['profile.trajectories=4', 'profile.batch=3', 'schedule.steps=5', 'profile.pairs=6'];
    const words = ['profile', run, `--${kind}`, ...set.flatMap((one) => ['--set', one])];
    expect(await refusalOf(...words, '--resume')).toContain(`there is no ${run}/${kind}.partial.json`);
    await told(...words);
    const whole = readFileSync(`${run}/${kind}.json`);
    const { code, err } = await exithead(words, abortsAtLook(7));
    expect(code).toBe(130);
    expect(err).toMatch(/stopped after \d of 4 samples\. What was measured is kept, and --resume goes on/);
    expect(await refusalOf(...words, '--resume', '--seed', '9')).toContain(
      'its seed is not what is asked for',
    );
    rmSync(`${run}/${kind}.json`);
    await told(...words, '--resume');
    expect(readFileSync(`${run}/${kind}.json`)).toEqual(whole);
    expect(existsSync(`${run}/${kind}.partial.json`)).toBe(false);
    rmSync(`${run}/${kind}.json`);
  });

  it('follows exits through trajectories', async () => {
    const set = ['profile.trajectories=4', 'schedule.steps=5', 'profile.pairs=6', 'profile.stepCounts=[2,3]'];
    const few = set.flatMap((one) => ['--set', one]);
    const rehearsal = await told('profile', run, '--trajectories', '--dry-run', ...few);
    expect(rehearsal['passes']).toBeGreaterThan(4 * (5 + 2 * 10 + 5));
    expect(existsSync(`${run}/trajectories.json`)).toBe(false);
    const { out } = await exithead(['profile', run, '--trajectories', ...few]);
    expect(out).toMatch(/6 pairs move it \d\.\d\d ± \d\.\d\d times as far as the sum of both alone/);
    const table = await readTrajectories(`${run}/trajectories.json`);
    expect(table).toMatchObject({ solver: 'ddim', guidance: 2, clip: true, samples: 4 });
    expect(table.exits.map(({ exit }) => exit)).toEqual([1, 2, 3]);
    for (const row of table.single.drift.mean.slice(0, -1))
      for (const drift of row) expect(drift).toBeGreaterThan(0);
    expect(table.steps.map(({ steps }) => steps)).toEqual([2, 3, 5]);
    // Fewer steps alone are cheap to measure.
    const none = ['--set', 'schedule.exits=[]', '--set', 'profile.pairs=0'];
    expect((await told('profile', run, '--trajectories', '--dry-run', ...few, ...none))['passes']).toBe(
      4 * (5 + 2 + 3),
    );
    const first = textOf('trajectories.json');
    await told('profile', run, '--trajectories', ...few);
    expect(textOf('trajectories.json')).toBe(first);
    const said = (await exithead(['inspect', `${run}/trajectories.json`])).out;
    expect(said).toContain(
      'says how far exits move the final sample at 5 calls of ddim, guidance 2, from 4 trajectories\n',
    );
    expect(said).toMatch(/\nfits the heads .*heads\.safetensors\n/);
    expect((await exithead(['inspect', run])).out).toContain('made since: error table, trajectories\n');
  });

  it('gives exits that remember the call before, and tells their ages apart', async () => {
    const settings = (...pairs: string[]): string[] => pairs.flatMap((pair) => ['--set', pair]);
    const kept = settings('heads.kind=remembered', 'heads.exits=[1]', 'heads.memory.steps=10');
    const own = settings('name=remembering', 'train.steps=4', `backbone.path=${backbone}`);
    const made = await told('train', heads, '--out', at('runs'), ...kept, ...own);
    const asked = settings('profile.trajectories=4', 'schedule.steps=10', 'profile.binning=solver');
    await told('profile', String(made['run']), '--trajectories', ...asked);
    const { single } = await readTrajectories(`${String(made['run'])}/trajectories.json`);
    const [first, ...rest] = single.drift.mean[0] ?? [];
    expect(first).toBeNull();
    expect(rest).toHaveLength(9);
    for (const drift of rest) expect(drift).toBeGreaterThan(0);

    const { table } = await told('profile', String(made['run']), ...asked);
    const { ages, byAge } = table as ErrorTable;
    expect(ages).toEqual({ steps: 10, every: 3 });
    const excess = byAge?.map((of) => of.excess.mean[0]?.[1] ?? NaN) ?? [];
    expect(excess).toHaveLength(2);
    // What is older is further off.
    expect(excess[1]).toBeGreaterThan(excess[0] ?? NaN);
  });
});
