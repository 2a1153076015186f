import { describe, expect, it } from '@jest/globals';
import type { BackboneSpec } from '../../src/backbones/backbone.js';
import {
  aseSchedule,
  costOfSchedule,
  fewerSteps,
  twoLevelSchedule,
  uniformSchedule,
} from '../../src/schedules/baselines.js';
import type { MeasuredExit } from '../../src/schedules/errorTable.js';
import { predict } from '../../src/schedules/predict.js';
import { solveSchedule } from '../../src/schedules/solve.js';
import { tinySpec } from '../tiny-dit.js';
import { madeTable } from './tables.js';

/** Two steps in each of the four bins, from noise to data. */
const timesteps = [990, 800, 700, 600, 450, 300, 200, 10];
const options = { table: madeTable(), timesteps };

describe('two levels', () => {
  it('are the best two exits and the best switch, of all', () => {
    for (const speedup of [1, 1.1, 1.3, 1.6, 2, 2.6, 3.3]) {
      const found = twoLevelSchedule(options, speedup);
      const all = [1, 2, 4].flatMap((first) =>
        [1, 2, 4].flatMap((second) =>
          Array.from({ length: 9 }, (_, at) =>
            predict(
              options,
              timesteps.map((_, i) => (i < at ? first : second)),
              { speedup, monotone: false, rule: 'two-level' },
            ),
          ),
        ),
      );
      const within = all.filter((one) => costOfSchedule(options, one) <= (800 / speedup) * (1 + 1e-9));
      expect(found?.predicted.excess).toBeCloseTo(
        Math.min(...within.map(({ predicted }) => predicted.excess)),
        12,
      );
      expect(new Set(found?.exits).size).toBeLessThanOrEqual(2);
      expect(found?.predicted.excess).toBeGreaterThanOrEqual(
        solveSchedule(options, speedup).predicted.excess - 1e-12,
      );
    }
    expect(twoLevelSchedule(options, 3.4)).toBeUndefined();
  });
});

describe('the shape that ASE published', () => {
  /** DiT-XL/2, whose exits all have heads. */
  const spec: BackboneSpec = { ...tinySpec, depth: 28 };
  const exits = Array.from({ length: 28 }, (_, k): MeasuredExit => ({
    exit: k + 1,
    kind: k < 27 ? 'linear' : 'backbone',
    macs: 10 * (k + 1),
  }));
  const table = madeTable(
    exits.map(({ exit }) => [0.4, 0.3, 0.2, 0.1].map((value) => (value * (28 - exit)) / 28)),
    exits,
  );
  const tenths = Array.from({ length: 10 }, (_, i) => 950 - 100 * i);

  it('is its own at its own compute', () => {
    const { exits: found = [] } = aseSchedule({ table, timesteps: tenths }, spec, 1.4) ?? {};
    expect(found).toEqual([12, 12, 16, 16, 20, 20, 24, 24, 28, 28]);
  });
  it('is as deep as the budget allows at another', () => {
    const schedule = aseSchedule({ table, timesteps: tenths }, spec, 1.2);
    expect(schedule?.exits).toEqual([18, 18, 21, 21, 23, 23, 26, 26, 28, 28]);
    expect(schedule?.predicted.speedup).toBeGreaterThanOrEqual(1.2);
    expect(aseSchedule({ table, timesteps: tenths }, spec, 8)).toBeUndefined();
  });
});

describe('fewer steps', () => {
  it('run full depth as often as the budget allows', () => {
    const { timesteps: fewer, exits, predicted } = fewerSteps(options, 1.5);
    expect(fewer).toEqual([999, 749, 500, 250, 0]);
    expect(exits).toEqual([4, 4, 4, 4, 4]);
    expect(predicted).toMatchObject({ speedup: 1, excess: 0 });
    expect(fewerSteps(options, 100).timesteps).toHaveLength(1);
  });
});

describe('baselines in other measures', () => {
  it('spend seconds where those were measured', () => {
    // Exit 2 is as slow as full depth on this machine: exit 1 alone saves something.
    const measured = { engine: 'made', batch: 1, guided: false, seconds: [1, 4, 4] };
    expect(uniformSchedule(options, 1.1)?.exits[0]).toBe(2);
    expect(uniformSchedule({ ...options, measured }, 1.1)?.exits[0]).toBe(1);
    expect(uniformSchedule({ ...options, measured }, 1.1)?.asked.cost).toBe('seconds');
  });
  it('lose in both halves of guidance', () => {
    const halves = { guidance: 3 };
    const plain = uniformSchedule(options, 1.1)?.predicted.excess ?? NaN;
    const apart = uniformSchedule({ ...options, halves }, 1.1);
    expect(apart?.predicted.excess).toBeCloseTo((9 + 4) * plain, 12);
    expect(apart?.unconditional).toEqual(apart?.exits);
  });
});
