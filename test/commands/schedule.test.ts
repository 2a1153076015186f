import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readFront } from '../../src/schedules/frontFile.js';
import { readSchedule } from '../../src/schedules/schedule.js';
import { exithead, refusalOf, told, workshop, type Json } from '../workshop.js';

const { at, pretrain, heads } = workshop();
let run: string;

beforeAll(async () => {
  await told('pretrain', pretrain, '--out', at('runs'), '--seed', '3');
  const backbone = ['--set', `backbone.path=${at('runs/001-tiny-pretrain/backbone')}`];
  run = String(
    (await told('train', heads, '--out', at('runs'), '--set', 'train.steps=2', ...backbone))['run'],
  );
  await told('profile', run, '--samples', '40');
});

const solved = () => readSchedule(`${run}/schedule.json`);

describe('exithead schedule', () => {
  it('writes the best exits, and says what they have to beat', async () => {
    const { out } = await exithead(['schedule', run, '--speedup', '1.3']);
    const { predicted, asked, logSnr, timesteps } = await solved();
    expect(predicted.speedup).toBeGreaterThanOrEqual(1.3);
    expect(asked).toEqual({ speedup: 1.3, monotone: false, rule: 'optimal' });
    expect(logSnr).toEqual(logSnr?.toSorted((a, b) => a - b));
    expect(logSnr).toHaveLength(timesteps.length);
    for (const baseline of ['one exit throughout', 'two exits, one switch', "ASE's shape"])
      expect(out).toContain(baseline);
    const { heads } = await told('schedule', run, '--speedup', '1.3', '--dry-run');
    expect(heads).toBe((await solved()).heads);
  });

  it('hands every option to the solver', async () => {
    const options = [
      '--monotone',
      'true',
      '--min-run',
      '3',
      '--max-exits',
      '2',
      '--set',
      'schedule.exits=[1]',
    ];
    const { exits, asked } = await (await told('schedule', run, '--speedup', '1.2', ...options), solved());
    expect(asked).toEqual({
      ...{ speedup: 1.2, monotone: true, minRun: 3, maxExits: 2, exits: [1], rule: 'optimal' },
    });
    expect(exits).toEqual(exits.toSorted((a, b) => a - b));
    expect(new Set(exits)).toEqual(new Set([1, 3]));
    await told('schedule', run, '--speedup', '1.2', '--weights', 'closed-form');
    const weighed = await solved();
    expect(weighed.asked.weights).toBe('closed-form');
    expect(new Set(weighed.weights).size).toBeGreaterThan(1);
  });

  it('finds the cheapest that loses little', async () => {
    await told('schedule', run, '--speedup', '1.3');
    const { predicted } = await solved();
    await told('schedule', run, '--max-excess', String(predicted.excess));
    const cheapest = await solved();
    expect(cheapest.predicted.excess).toBeLessThanOrEqual(predicted.excess * (1 + 1e-9));
    expect(cheapest.predicted.speedup).toBeGreaterThanOrEqual(predicted.speedup * (1 - 1e-9));
    expect(cheapest.asked.maxExcess).toBe(predicted.excess);
    expect(await refusalOf('schedule', run, '--max-excess', '1', '--speedup', '2')).toMatch(
      /--speedup 2 .* ask for different schedules/,
    );
  });

  it('lets the halves of guidance leave apart', async () => {
    const guided = ['--halves', 'separate', '--set', 'sample.guidance=3'];
    await told('schedule', run, '--speedup', '1.3', ...guided);
    const { exits, unconditional, asked, predicted } = await solved();
    expect(unconditional).toHaveLength(exits.length);
    expect(asked.guidance).toBe(3);
    expect(predicted.speedup).toBeGreaterThanOrEqual(1.3);
    await told('export', run, '--out', at('apart'));
    const drawn = await told('sample', at('apart'), '-n', '2', '--guidance', '3', '--out', at('drawn'));
    expect(drawn['depthUsed']).toBeCloseTo(predicted.depthUsed, 12);
    expect((await exithead(['inspect', `${run}/schedule.json`])).out).toMatch(
      /half of guidance that asks for nothing: \d/,
    );
    expect(await refusalOf('schedule', run, '--halves', 'separate', '--set', 'sample.guidance=1')).toMatch(
      /sample\.guidance is 1, which has one half alone/,
    );
  });

  it('saves seconds that it measures at once', async () => {
    // On a busy machine no exit of so small a model need be faster than another.
    await told('schedule', run, '--speedup', '1', '--cost', 'seconds');
    const { measured, asked, predicted } = await solved();
    expect(measured?.seconds).toHaveLength(3);
    expect(asked.cost).toBe('seconds');
    expect(predicted.secondsUsed).toBeLessThanOrEqual(1 + 1e-9);
  });

  it('writes the front, and every point of it can be had', async () => {
    const { out } = await exithead(['schedule', run, '--speedup', '1.2', '--front']);
    expect(out).toMatch(/front of \d+ schedules in/);
    const { front, baselines } = await readFront(`${run}/front.json`);
    expect((await exithead(['inspect', `${run}/front.json`])).out).toMatch(
      /is a front of \d+ schedules, and \d+ baselines/,
    );
    expect(front[0]).toMatchObject({ speedup: 1, loss: 0 });
    const names = baselines.map(({ name }) => name);
    expect(names).toContain('one exit throughout');
    const middle = front[Math.floor(front.length / 2)];
    await told('schedule', run, '--speedup', String(middle?.speedup));
    expect((await solved()).predicted.excess).toBeCloseTo(middle?.loss ?? NaN, 12);
  });

  it('chooses the number of steps, where it is known what fewer lose', async () => {
    const several = ['--steps', '[10, 7, 5]', '--weights', 'closed-form'];
    expect(await refusalOf('schedule', run, ...several)).toMatch(/has no trajectories\.json/);
    const few = [
      'profile.trajectories=2',
      'profile.pairs=0',
      'schedule.steps=[10,7,5]',
      'schedule.weights=closed-form',
    ];
    await told('profile', run, '--trajectories', ...few.flatMap((one) => ['--set', one]));
    const path = `${run}/trajectories.json`;
    const measured = JSON.parse(readFileSync(path, 'utf8')) as Json & { readonly steps: readonly Json[] };
    expect(measured.steps.map(({ steps }) => steps)).toEqual([5, 7, 10]);
    // What seven steps lose is made too much, and five steps what each case needs.
    const drifts = (five: number): void => {
      const drift = [five, 1e6, 0];
      const steps = measured.steps.map((one, at) => ({ ...one, drift: drift[at] }));
      writeFileSync(path, JSON.stringify({ ...measured, steps }));
    };
    // Where fewer steps lose nothing, half of them are the best at a speed-up of 2, at full depth.
    drifts(0);
    const { out } = await exithead(['schedule', run, '--speedup', '2', ...several]);
    expect(out).toContain('over full depth at 10 steps');
    const five = await solved();
    expect(five.exits).toEqual([3, 3, 3, 3, 3]);
    expect(five.predicted.fewer).toEqual({ of: 10, speedup: 2, drift: 0, loss: 0 });
    drifts(1e6);
    await told('schedule', run, '--speedup', '1.3', ...several);
    expect((await solved()).timesteps).toHaveLength(10);
    expect(await refusalOf('schedule', run, '--steps', '[10, 6]', '--weights', 'closed-form')).toMatch(
      /says nothing of 6 steps, only of 5, 7, 10/,
    );
    expect(await refusalOf('schedule', run, '--steps', '[10, 7]')).toMatch(/set it to sensitivity/);
    await told('schedule', run, '--steps', '[10, 7]', '--weights', 'trajectories', '--speedup', '1.3');
    const { asked, weights, timesteps } = await solved();
    expect(asked.weights).toBe('trajectories');
    expect(weights).toHaveLength(timesteps.length);
  });

  it("reads and writes ASE's lists of ten", async () => {
    writeFileSync(at('exit_nums.json'), '[3, 3, 3, 3, 2, 2, 2, 1, 1, 1]');
    await told('schedule', run, '--from', at('exit_nums.json'), '--to', at('back.json'), '--steps', '20');
    const { exits, asked } = await solved();
    expect(exits.slice(0, 3)).toEqual([1, 1, 1]);
    expect(asked.rule).toBe('given');
    expect(readFileSync(at('back.json'), 'utf8')).toBe('[3, 3, 3, 3, 2, 2, 2, 1, 1, 1]\n');
    expect(await refusalOf('schedule', run, '--from', at('exit_nums.json'), '--speedup', '2')).toMatch(
      /asks for a schedule, but --from .* gives one/,
    );
  });
});
