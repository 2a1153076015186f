import { describe, expect, it } from '@jest/globals';
import { estimateOf, type Estimate } from '../../src/evaluate/estimate.js';
import type { Row, SeedResult } from '../../src/evaluate/evaluateWays.js';
import { evaluatedRows } from '../../src/evaluate/results.js';
import type { SamplingWay } from '../../src/evaluate/ways.js';

const model = {} as SamplingWay['model'];
const way = (name: string, kind: SamplingWay['kind']): SamplingWay => ({
  ...{ name, kind, model, timesteps: [9, 0], exits: [2, 2] },
});
/** Of two samples and two reference vectors. */
const estimate = (value: number, terms: readonly number[], referenceTerms: readonly number[]): Estimate =>
  estimateOf(value, Float64Array.from(terms), Float64Array.from(referenceTerms));
const none = estimate(0, [0, 0], [0, 0]);
const seedOf = (seed: number, of: Partial<SeedResult>): SeedResult => ({
  ...{ seed, fid: none, kid: none, precision: 0, recall: 0, drift: 0, seconds: [1] },
  ...{ inceptionScore: undefined, agreement: undefined },
  ...of,
});

const full: Row = {
  ...{ way: way('full depth', 'full-depth'), macs: 80, depthUsed: 1 },
  seeds: [
    seedOf(3, { fid: estimate(1, [1, 3], [0, 4]), kid: estimate(0.5, [4, 4], [2, 2]), seconds: [2] }),
    seedOf(4, { fid: estimate(2, [5, 7], [2, 0]), kid: estimate(1.5, [4, 4], [2, 2]), seconds: [3] }),
  ],
};
const scheduled: Row = {
  ...{ way: way('scheduled', 'scheduled'), macs: 40, depthUsed: 0.5 },
  seeds: [
    seedOf(3, {
      ...{ fid: estimate(4, [1, 2], [1, 1]), kid: estimate(3, [0, 8], [2, 2]) },
      ...{ precision: 0.25, recall: 1, drift: 2, inceptionScore: 3, agreement: 0.5 },
    }),
    seedOf(4, {
      ...{ fid: estimate(6, [4, 5], [3, 1]), kid: estimate(5, [0, 8], [2, 2]) },
      ...{ precision: 0.75, recall: 1, drift: 6, inceptionScore: 5 },
    }),
  ],
};

describe('the rows of an evaluation', () => {
  const [whole, other] = evaluatedRows([full, scheduled], 4);

  it('have the seconds of an image, and of full depth over their own by batch', () => {
    // 5 seconds over two seeds of 4 images; 2.5 on average over 1, with rests of -0.5 and 0.5.
    expect(whole).toMatchObject({ secondsPerImage: 0.625, speed: { mean: 1, standardError: 0 } });
    expect(other).toMatchObject({ secondsPerImage: 0.25, speed: { mean: 2.5, standardError: 0.5 } });
    expect(whole?.seeds.map(({ seconds }) => seconds)).toEqual([2, 3]);
    // Batches count, whichever seed they are of.
    const inOne = (row: Row, seconds: readonly number[]): Row => ({
      ...row,
      seeds: [seedOf(3, { seconds })],
    });
    const [, alone] = evaluatedRows([inOne(full, [2, 3]), inOne(scheduled, [1, 1])], 8);
    expect(alone).toMatchObject({ secondsPerImage: 0.25, speed: { mean: 2.5, standardError: 0.5 } });
  });

  it('have means over seeds with the standard error of their spread, null where there is none', () => {
    // Two numbers that are 2 d apart: variance 2 d², over two.
    expect(other).toMatchObject({
      precision: { mean: 0.5, standardError: 0.25 },
      recall: { mean: 1, standardError: 0 },
      drift: { mean: 4, standardError: 2 },
      inceptionScore: { mean: 4, standardError: 1 },
    });
    // Said of one seed alone.
    expect(other?.agreement).toBeNull();
    expect(other?.seeds.map(({ agreement }) => agreement)).toEqual([0.5, null]);
    expect(whole?.inceptionScore).toBeNull();
    const [alone] = evaluatedRows([{ ...scheduled, seeds: scheduled.seeds.slice(0, 1) }], 4);
    expect(alone?.precision).toEqual({ mean: 0.25, standardError: null });
  });

  it('have the mean distance of all seeds, with the standard error of all samples', () => {
    // Terms 1, 3, 5, 7: variance 20/3 over 4; mean reference terms 1, 2: variance 1/2 over 2.
    expect(whole?.fid).toEqual({ value: 1.5, standardError: expect.closeTo(Math.sqrt(5 / 3 + 1 / 4), 12) });
    expect(whole?.kid).toEqual({ value: 1, standardError: 0 });
    // Terms 0, 8, 0, 8: variance 64/3 over 4.
    expect(other?.kid).toEqual({ value: 4, standardError: expect.closeTo(Math.sqrt(16 / 3), 12) });
  });

  it('have the distance less that of every other schedule, sample by sample', () => {
    // Terms 1, 3, 5, 7 less 1, 2, 4, 5 are 0, 1, 1, 2: variance 2/3 over 4; 1, 2 less 2, 1 are -1, 1: variance 2 over 2.
    const fid = { value: -3.5, standardError: expect.closeTo(Math.sqrt(1 / 6 + 1), 12) };
    const kid = { value: -3, standardError: expect.closeTo(Math.sqrt(16 / 3), 12) };
    expect(whole?.differences).toEqual([{ to: 'scheduled', fid, kid }]);
    expect(other?.differences).toEqual([]);
    const again: Row = { ...scheduled, way: way('again', 'scheduled') };
    const nothing = { value: 0, standardError: 0 };
    const rows = evaluatedRows([full, scheduled, again], 4);
    expect(rows.map(({ differences }) => differences.map(({ to }) => to))).toEqual([
      ['scheduled', 'again'],
      ['again'],
      ['scheduled'],
    ]);
    expect(rows[1]?.differences).toEqual([{ to: 'again', fid: nothing, kid: nothing }]);
  });
});
