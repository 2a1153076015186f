import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { readSensitivity } from '../../src/schedules/sensitivity.js';
import { exithead, refusalOf, told, workshop } from '../workshop.js';

const { at, pretrain, heads } = workshop();
const short = ['--set', 'train.steps=4', '--set', 'train.checkpointEvery=4'];
const run = at('runs', '002-tiny-heads');

describe('profile --sensitivity', () => {
  it('measures what a mistake at each step of the schedule does, for schedules and for training', async () => {
    const made = await told('pretrain', pretrain, '--out', at('runs'), ...short);
    const backbone = ['--set', `backbone.path=${String(made['backbone'])}`];
    await told('train', heads, '--out', at('runs'), ...backbone, ...short);
    const few = ['--set', 'profile.trajectories=4', '--set', 'schedule.steps=5'];
    const weighed = ['--set', 'schedule.weights=sensitivity', '--set', 'schedule.steps=5'];
    await told('profile', run);
    expect(await refusalOf('schedule', run, ...weighed)).toBe(
      `${run} has no sensitivity.json. Run \`exithead profile ${run} --sensitivity\` first.`,
    );
    // 5 + 2 * 10 passes for each.
    expect(await told('profile', run, '--sensitivity', '--dry-run', ...few)).toMatchObject({
      passes: 4 * 25,
    });

    const { out } = await exithead(['profile', run, '--sensitivity', ...few]);
    expect(out).toContain('mean square of how far the sample moves');
    const path = at('runs', '002-tiny-heads', 'sensitivity.json');
    const table = await readSensitivity(path);
    expect(table).toMatchObject({ solver: 'ddim', guidance: 2, clip: true, samples: 4, exit: { exit: 2 } });
    for (const { value } of [table.noise, table.exit ?? table.noise])
      for (const one of value) expect(one).toBeGreaterThan(0);
    const first = readFileSync(path, 'utf8');
    await told('profile', run, '--sensitivity', ...few);
    expect(readFileSync(path, 'utf8')).toBe(first);

    const schedule = await told('schedule', run, ...weighed);
    expect(schedule['weights']).toBeAllClose(table.exit?.value ?? [], 1e-9);
    expect(schedule['asked']).toMatchObject({ weights: 'sensitivity' });
    const felt = ['--set', `loss.sensitivity=${path}`, '--set', 'loss.denoising=0'];
    await told('train', heads, '--out', at('runs'), ...backbone, ...short, ...felt);
  });
});
