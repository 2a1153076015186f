import { describe, expect, it } from '@jest/globals';
import { uvitSpec } from '../../src/backbones/spec.js';
import { UserError } from '../../src/errors.js';
import { gatheredGroups, stratifiedGroups } from '../../src/training/exitGroups.js';
import { aseDepth, earlyExits, exitsByTime, fallingCounts } from '../../src/training/exitsByTime.js';
import { spreadTimes } from '../../src/training/times.js';
import type { readSchedule } from '../../src/schedules/schedule.js';
import { spec } from './tiny.js';

const deep = (depth: number) => ({ ...spec, depth });

describe('exits by time', () => {
  it('fall as ASE published at 28 blocks, and in proportion at others', () => {
    expect(fallingCounts(deep(28), aseDepth)).toEqual([28, 28, 24, 24, 20, 20, 16, 16, 12, 12]);
    // What the config has, in three digits.
    expect(fallingCounts(deep(28), 0.714)).toEqual([28, 28, 24, 24, 20, 20, 16, 16, 12, 12]);
    expect(fallingCounts(deep(12), 0.75)).toEqual([12, 12, 11, 11, 9, 9, 8, 8, 6, 6]);
    expect(fallingCounts(deep(12), 0.5)).toEqual([12, 12, 9, 9, 6, 6, 3, 3, 1, 1]);
    expect(fallingCounts(deep(12), 1)).toEqual(Array(10).fill(12));
  });

  it('never leave a U-ViT before its skips can be joined', () => {
    const uvit = uvitSpec({
      ...{ img_size: 8, patch_size: 4, in_chans: 1, embed_dim: 16, depth: 4, num_heads: 2 },
      ...{ num_classes: -1, mlp_ratio: 2 },
    });
    expect(fallingCounts(uvit, 0.5)).toEqual([5, 5, 4, 4, 3, 3, 2, 2, 2, 2]);
  });

  it('stand in equal stretches from data to noise', () => {
    const exits = exitsByTime({ kind: 'counts', counts: [3, 2, 1] }, spec, 10);
    expect([...exits]).toEqual([3, 3, 3, 3, 2, 2, 2, 1, 1, 1]);
    expect(earlyExits(exits, spec.depth)).toEqual([1, 2]);
  });

  it('refuse counts that are no exits, naming what may stand there', () => {
    expect(() => exitsByTime({ kind: 'counts', counts: [3, 4] }, spec, 10)).toThrow(UserError);
    expect(() => exitsByTime({ kind: 'counts', counts: [3, 4] }, spec, 10)).toThrow(
      /finetune\.exits has 4 blocks, but .* can stop after 1 to 3\. Change it\./,
    );
  });

  it('follow a schedule between its steps, and refuse one of other steps', () => {
    const schedule = {
      steps: 10,
      timesteps: [9, 5, 0],
      exits: [1, 2, 3],
    } as unknown as Awaited<ReturnType<typeof readSchedule>>;
    const rule = { kind: 'solved', schedule, path: 'schedule.json' } as const;
    expect([...exitsByTime(rule, spec, 10)]).toEqual([3, 3, 3, 2, 2, 2, 2, 2, 1, 1]);
    expect(() => exitsByTime(rule, spec, 100)).toThrow(/schedule\.json is for 10 diffusion steps/);
  });
});

describe('groups of samples', () => {
  const shifts = Array.from({ length: 500 }, (_, i) => (i * 0.618034) % 1);
  const cases: [string, number[], number][] = [
    ['ASE', [12, 12, 10, 10, 9, 9, 7, 7, 5, 5], 64],
    ['a few samples', [12, 12, 10, 10, 9, 9, 7, 7, 5, 5], 7],
    ['depths that rise and fall', [5, 12, 5, 12, 9, 9, 12, 1, 5, 7], 33],
    ['one depth', [12], 16],
    ['whole shares', [12, 6], 16],
    ['a deeper exit in more stretches than samples', [12, 9, 12, 9, 12, 6, 6, 6, 6, 6], 4],
  ];

  it.each(cases)('hold every sample of stratified times, whatever the shift: %s', (_, counts, batch) => {
    const exits = exitsByTime({ kind: 'counts', counts }, deep(12), 1000);
    const groups = stratifiedGroups(exits, batch);
    expect(groups[0]?.to).toBe(batch);
    groups.slice(1).forEach(({ to }, i) => expect(to).toBeLessThanOrEqual(groups[i]?.to ?? NaN));
    for (const { from, to } of groups) expect(from).toBeLessThan(to);
    for (const shift of shifts) {
      const own = Array.from(spreadTimes(shift, batch, 1000), (t) => exits[t] ?? NaN).sort((a, b) => b - a);
      own.forEach((exit, i) => {
        const { from, to } = groups.find((group) => group.exit === exit) ?? { from: NaN, to: NaN };
        expect(i >= from && i < to).toBe(true);
      });
    }
  });

  it('run no block for more than one sample too many', () => {
    const exits = exitsByTime({ kind: 'counts', counts: [12, 12, 10, 10, 9, 9, 7, 7, 5, 5] }, deep(12), 1000);
    expect(stratifiedGroups(exits, 64)).toEqual([
      { exit: 5, from: 51, to: 64 },
      { exit: 7, from: 38, to: 52 },
      { exit: 9, from: 25, to: 39 },
      { exit: 10, from: 12, to: 26 },
      { exit: 12, from: 0, to: 13 },
    ]);
    expect(gatheredGroups(exits, 64).map(({ from, to }) => [from, to])).toEqual(Array(5).fill([0, 64]));
  });
});
