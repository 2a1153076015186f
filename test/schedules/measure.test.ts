import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { accumulator, type Measurement } from '../../src/schedules/measure.js';
import { timeBins } from '../../src/schedules/timeBins.js';
import { fixtureJson, fixtureTensors, pick } from '../fixtures.js';
import { exits } from './tables.js';

const what: Measurement = {
  backbone: 'b',
  heads: 'h',
  bins: timeBins(diffusion(ddpmBetas), 10),
  exits,
};

const sample = (errors: readonly [number, number][]) =>
  errors.map(([squaredToNoise, squaredToFull]) => ({ squaredToNoise, squaredToFull }));

describe('measuring an error table', () => {
  it('gives the recorded errors of the official early-exit model', () => {
    const recorded = fixtureJson('ase/error_table.json') as { t: number[]; mse: number[][] };
    const perSample = pick(fixtureTensors('ase/error_table.safetensors'), 'mse_per_sample');
    const six = Array.from({ length: 6 }, (_, i) => ({
      exit: i + 1,
      kind: i < 5 ? ('shared' as const) : ('backbone' as const),
      macs: i + 1,
    }));
    const errors = accumulator({ ...what, exits: six });
    recorded.t.forEach((t, row) => {
      for (let i = 0; i < 6; i++)
        errors.add(
          t,
          six.map((_, k) => ({
            squaredToNoise: perSample.data[(row * 6 + i) * 6 + k] ?? NaN,
            squaredToFull: 0,
          })),
        );
    });
    const { error, rise, count } = errors.table();
    expect(count).toEqual(Array.from({ length: 10 }, () => 6));
    recorded.mse.forEach((row, bin) => {
      expect(error.mean.map((ofExit) => ofExit[bin] ?? NaN)).toBeAllClose(row, 1e-6);
      const full = row[5] ?? NaN;
      expect(rise.mean.map((ofExit) => ofExit[bin] ?? NaN)).toBeAllClose(
        row.map((value) => value - full),
        1e-6,
      );
    });
  });
  it('pairs the rise by sample: what all exits share has no standard error', () => {
    const errors = accumulator(what);
    // Errors of samples 1, 2, 3 vary, but exit 1 always adds 2.
    for (const base of [1, 5, 9])
      errors.add(
        120,
        sample([
          [base + 2, 3],
          [base, 1],
          [base, 0],
        ]),
      );
    const { error, rise, excess } = errors.table();
    // Means 5 and standard deviation 4 over 3 samples: 4 / sqrt(3).
    expect(error.mean.map((row) => row[1])).toEqual([7, 5, 5]);
    expect(error.standardError[2]?.[1]).toBeCloseTo(4 / Math.sqrt(3), 12);
    expect(rise.mean.map((row) => row[1])).toEqual([2, 0, 0]);
    expect(rise.standardError.map((row) => row[1])).toEqual([0, 0, 0]);
    expect(excess.mean.map((row) => row[1])).toEqual([3, 1, 0]);
  });
  it('keeps its digits where the spread is small beside the mean', () => {
    const errors = accumulator(what);
    for (const extra of [0, 1, 2])
      errors.add(
        0,
        sample([
          [1e9 + extra, 0],
          [1, 0],
          [1, 0],
        ]),
      );
    expect(errors.table().error.standardError[0]?.[0]).toBeCloseTo(1 / Math.sqrt(3), 6);
  });
  it('says null where nothing was measured, and of one sample knows no standard error', () => {
    const errors = accumulator(what);
    errors.add(
      999,
      sample([
        [2, 1],
        [2, 1],
        [2, 0],
      ]),
    );
    const { count, error } = errors.table();
    expect(count).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(error.mean[0]).toEqual([...Array<null>(9).fill(null), 2]);
    expect(error.standardError[0]?.[9]).toBeNull();
  });
  it.each([NaN, Infinity])('refuses %s, naming exit and bin, and adds nothing', (wrong) => {
    const errors = accumulator(what);
    expect(() =>
      errors.add(
        250,
        sample([
          [1, 1],
          [1, wrong],
          [1, 0],
        ]),
      ),
    ).toThrow(UserError);
    expect(() =>
      errors.add(
        250,
        sample([
          [1, 1],
          [wrong, 1],
          [1, 0],
        ]),
      ),
    ).toThrow(/exit 2 at bin 2 \(t 200 to 299\)/);
    expect(errors.table().count).toEqual(Array<number>(10).fill(0));
  });
});
