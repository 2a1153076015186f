import { describe, expect, it } from '@jest/globals';
import { frontierOf } from '../../src/report/runReport.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { madeTable } from '../schedules/tables.js';

const table = madeTable();
const timesteps = [900, 600, 300, 0];

describe('the frontier of a run', () => {
  it('goes up in tenths as far as the shallowest exit reaches, and at most to 3', () => {
    const { optimal, uniform } = frontierOf(table, solveSchedule({ table, timesteps }, 1.5));
    // Exit 1 throughout is 100 / 30 = 3.33 times as fast as the backbone, exit 2 is 100 / 55 = 1.82 times.
    const asked = optimal.map(({ asked }) => asked.speedup);
    expect(asked.length).toBe(20);
    expect(asked).toBeAllClose(
      Array.from({ length: 20 }, (_, i) => 1.1 + 0.1 * i),
      1e-9,
    );
    for (const { asked, predicted } of [...optimal, ...uniform])
      expect(predicted.speedup).toBeGreaterThanOrEqual(asked.speedup);
    expect(uniform.map(({ exits }) => exits[0]).join('')).toBe('2'.repeat(8) + '1'.repeat(12));
    optimal.forEach(({ predicted }, i) =>
      expect(predicted.excess).toBeLessThanOrEqual(uniform[i]?.predicted.excess ?? NaN),
    );
  });

  it('ends where no exit is fast enough', () => {
    const slow = madeTable([[0.3, 0.2, 0.1, 0.1], [0, 0, 0, 0]], [
      { exit: 2, kind: 'adapter', macs: 70 },
      { exit: 4, kind: 'backbone', macs: 100 },
    ]); // prettier-ignore
    const { optimal, uniform } = frontierOf(slow, solveSchedule({ table: slow, timesteps }, 1.2));
    // 100 / 70 = 1.43
    for (const set of [optimal, uniform])
      expect(set.map(({ asked }) => asked.speedup.toFixed(1))).toEqual(['1.1', '1.2', '1.3', '1.4']);
  });

  it('keeps the order of depths that the schedule was asked for', () => {
    const reversed = madeTable([[0.1, 0.2, 0.4, 0.8], [0.04, 0.05, 0.1, 0.3], [0, 0, 0, 0]]); // prettier-ignore
    const schedule = solveSchedule({ table: reversed, timesteps, monotone: true }, 1.5);
    for (const { exits } of frontierOf(reversed, schedule).optimal)
      expect(exits).toEqual(exits.toSorted((a, b) => a - b));
  });
});
