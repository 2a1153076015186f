import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { accumulator, type MeasuredSample, type Measurement } from '../../src/schedules/measure.js';
import { timeBins } from '../../src/schedules/timeBins.js';
import { fixtureJson, fixtureTensors, pick } from '../fixtures.js';
import { exits } from './tables.js';

const noise = diffusion(ddpmBetas);
const what: Measurement = { backbone: 'b', heads: 'h', bins: timeBins(noise, 10), exits: [...exits] };
const started = (more: Partial<Measurement> = {}) => accumulator({ ...what, ...more }, noise);

const sample = (t: number, errors: readonly [number, number][]): MeasuredSample => ({
  t,
  exits: errors.map(([squaredToNoise, squaredToFull]) => ({ squaredToNoise, squaredToFull })),
});

describe('measuring an error table', () => {
  it('gives the recorded errors of the official early-exit model', () => {
    const recorded = fixtureJson('ase/error_table.json') as { t: number[]; mse: number[][] };
    const perSample = pick(fixtureTensors('ase/error_table.safetensors'), 'mse_per_sample');
    const six = Array.from({ length: 6 }, (_, i) => ({
      exit: i + 1,
      kind: i < 5 ? ('shared' as const) : ('backbone' as const),
      macs: i + 1,
    }));
    const errors = started({ exits: six });
    recorded.t.forEach((t, row) => {
      for (let i = 0; i < 6; i++)
        errors.add({
          t,
          exits: six.map((_, k) => ({
            squaredToNoise: perSample.data[(row * 6 + i) * 6 + k] ?? NaN,
            squaredToFull: 0,
          })),
        });
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
    const errors = started();
    // Errors of samples 1, 2, 3 vary, but exit 1 always adds 2.
    for (const base of [1, 5, 9])
      errors.add(
        sample(120, [
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
    const errors = started();
    for (const extra of [0, 1, 2])
      errors.add(
        sample(0, [
          [1e9 + extra, 0],
          [1, 0],
          [1, 0],
        ]),
      );
    expect(errors.table().error.standardError[0]?.[0]).toBeCloseTo(1 / Math.sqrt(3), 6);
  });
  it('says null where nothing was measured, and of one sample knows no standard error', () => {
    const errors = started();
    errors.add(
      sample(999, [
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
    const errors = started();
    expect(() =>
      errors.add(
        sample(250, [
          [1, 1],
          [1, wrong],
          [1, 0],
        ]),
      ),
    ).toThrow(UserError);
    expect(() =>
      errors.add(
        sample(250, [
          [1, 1],
          [wrong, 1],
          [1, 0],
        ]),
      ),
    ).toThrow(/exit 2 at bin 2 \(t 200 to 299\)/);
    expect(errors.table().count).toEqual(Array<number>(10).fill(0));
  });
  it('gives the errors in x0 and v, too, sample by sample at its own time', () => {
    const errors = started();
    const times = [100, 150, 199];
    times.forEach((t, i) =>
      errors.add(
        sample(t, [
          [2 + i, 1 + i],
          [2, 1],
          [1, 0],
        ]),
      ),
    );
    const { x0, v } = errors.table();
    const mean = (of: (i: number, a: number) => number): number =>
      times.reduce((sum, t, i) => sum + of(i, noise.alphasCumprod[t] ?? NaN) / 3, 0);
    // x0 = (x - sqrt(1 - a) epsilon) / sqrt(a), v = sqrt(a) epsilon - sqrt(1 - a) x0 = (epsilon - sqrt(1 - a) x) / sqrt(a).
    expect(x0?.excess.mean[0]?.[1]).toBeCloseTo(
      mean((i, a) => ((1 + i) * (1 - a)) / a),
      12,
    );
    expect(x0?.error.mean[0]?.[1]).toBeCloseTo(
      mean((i, a) => ((2 + i) * (1 - a)) / a),
      12,
    );
    expect(v?.rise.mean[0]?.[1]).toBeCloseTo(
      mean((i, a) => (1 + i) / a),
      12,
    );
    expect(v?.rise.standardError[0]?.[1]).toBeGreaterThan(0);
  });
  it('keeps both passes of guidance apart', () => {
    const errors = started({ guidance: 3 });
    for (const [conditional, unconditional] of [
      [1, 4],
      [3, 4],
    ] as const)
      errors.add({
        t: 0,
        exits: [5, 5, 0].map((squaredToFull, i) => ({
          ...{ squaredToNoise: 1, squaredToFull },
          halves: i < 2 ? { conditional, unconditional } : { conditional: 0, unconditional: 0 },
        })),
      });
    const { guidance, halves, excess } = errors.table();
    expect(guidance).toBe(3);
    expect(excess.mean[0]?.[0]).toBe(5);
    expect(halves?.conditional.mean.map((row) => row[0])).toEqual([2, 2, 0]);
    expect(halves?.unconditional.mean.map((row) => row[0])).toEqual([4, 4, 0]);
    expect(halves?.conditional.standardError[0]?.[0]).toBe(1);
  });
  it('is sure when 16 samples leave a standard error small beside every mean', () => {
    const errors = started({ bins: timeBins(noise, 1) });
    // Means of 1 and standard errors of nearly 0.1 / sqrt(n).
    const add = (i: number) =>
      errors.add(
        sample(0, [
          [1, i % 2 ? 0.9 : 1.1],
          [1, 1],
          [1, 0],
        ]),
      );
    for (let i = 0; i < 15; i++) add(i);
    expect(errors.isSure(1)).toBe(false);
    add(15);
    expect(errors.isSure(0.027)).toBe(true);
    expect(errors.isSure(0.025)).toBe(false);
  });
  it('is sure of no age before all are', () => {
    const errors = started({ bins: timeBins(noise, 1), ages: { steps: 10, every: 3 } });
    const add = (age: number) =>
      errors.add({
        ...sample(0, [
          [1, 1],
          [1, 1],
          [1, 0],
        ]),
        age,
      });
    for (let i = 0; i < 40; i++) add(1);
    expect(errors.isSure(1)).toBe(false);
    for (let i = 0; i < 16; i++) add(2);
    expect(errors.isSure(0)).toBe(true);
    expect(() => add(3)).toThrow('age 3, expected 1 to 2');
  });
  it('goes on from its sums, and adds up those of parts, to the last bit', () => {
    const made = (i: number): MeasuredSample => ({
      ...sample((37 * i) % 1000, [
        [1 / (i + 3), 1 / (i + 1)],
        [0.3 * i, 0.7],
        [0.1 * i, 0],
      ]),
      age: 1 + (i % 2),
    });
    const ages = { ages: { steps: 10, every: 3 } };
    const [whole, odd, even] = [started(ages), started(ages), started(ages)];
    for (let i = 0; i < 30; i++) {
      whole.add(made(i));
      (i % 2 ? odd : even).add(made(i));
    }
    const parts = [odd.sums(), even.sums()];
    expect(accumulator({ ...what, ...ages }, noise, parts).table()).toEqual(whole.table());
    expect(() => accumulator({ ...what, guidance: 2 }, noise, parts)).toThrow('another measurement');
  });
});
