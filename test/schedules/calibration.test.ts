import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { stream } from '../../src/random.js';
import {
  calibrationFormat,
  calibrationOf,
  verdictOf,
  type Calibration,
} from '../../src/schedules/calibration.js';
import { thresholdWithin } from '../../src/schedules/calibrationFile.js';
import { ruleAt, ruleWithin } from '../../src/schedules/perSampleRule.js';
import {
  correlation,
  correlationInterval,
  lineThrough,
  rankCorrelation,
  skill,
} from '../../src/schedules/scores.js';
import { timeBins } from '../../src/schedules/timeBins.js';

describe('scores', () => {
  it('follow their closed forms', () => {
    expect(skill([1, 2, 3], [1, 2, 3], [2, 2, 2])).toBe(1);
    expect(skill([1, 2, 3], [2, 2, 2], [2, 2, 2])).toBe(0);
    expect(skill([1, 2, 3], [3, 2, 1], [2, 2, 2])).toBe(-3);
    expect(correlation([1, 2, 3, 4], [1, 3, 2, 4])).toBeCloseTo(0.8, 12);
    expect(correlation([1, 1], [1, 2])).toBe(0);
    // Ties share the mean of their ranks: 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    expect(rankCorrelation([1, 5, 5, 90], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    // scipy.stats.pearsonr's interval for r = 0.5, n = 28: artanh(0.5) ± 1.96 / 5.
    const [low, high] = correlationInterval(0.5, 28);
    expect(low).toBeCloseTo(Math.tanh(Math.atanh(0.5) - 0.3919928), 6);
    expect(high).toBeCloseTo(Math.tanh(Math.atanh(0.5) + 0.3919928), 6);
    const line = lineThrough([0, 1, 2], [1, 3, 5]);
    expect(line(10)).toBeCloseTo(21, 12);
    expect(lineThrough([2, 2], [1, 3])(7)).toBe(2);
  });
});

describe('leaving per sample', () => {
  const judgement = {
    uncertainty: [
      [0.1, 0.3, 0.5],
      [0.05, 0.4, 0.2],
    ],
    loss: [
      [1, 2, 3],
      [0.1, 0.2, 0.3],
    ],
    depths: [0.4, 0.7, 1],
  };

  it('takes the first exit below the threshold', () => {
    expect(ruleAt(judgement, 0)).toEqual({ threshold: 0, depthUsed: 1, loss: 0 });
    // Exits 1, 2 (full) and 2: 0.4, 1 and 0.7.
    expect(ruleAt(judgement, 0.25).depthUsed).toBeCloseTo(0.7, 12);
    expect(ruleAt(judgement, 0.25).loss).toBeCloseTo(1.3 / 3, 12);
    expect(ruleAt(judgement, Infinity).depthUsed).toBeCloseTo(0.4, 12);
    expect(ruleAt(judgement, Infinity).loss).toBe(2);
  });

  it('finds the smallest threshold within a budget', () => {
    expect(ruleWithin(judgement, 0.7)?.threshold).toBeCloseTo(0.2, 9);
    expect(ruleWithin(judgement, 0.39)).toBeUndefined();
    expect(ruleWithin(judgement, 1)?.threshold).toBe(0);
  });
});

/** Excess of two exits: a constant per time times e^(z / 2); a head that knows z, or does not. */
function observed(knows: boolean): Calibration {
  const noise = diffusion({ ...ddpmBetas, steps: 100 });
  const count = 1000;
  const t = Array.from({ length: count }, (_, i) => Math.floor(((i * 0.6180339887498949) % 1) * 100));
  const base = t.map((at) => 0.01 * (1 + Math.floor(at / 20)));
  const exits = [1, 2].map((exit) => {
    const z = stream(exit, 'z').normals(count);
    const measured = base.map((value, i) => (value / exit) * Math.exp((z[i] ?? NaN) / 2));
    return {
      ...{ exit, depth: exit / 3, measured },
      predicted: knows ? measured.map((value) => 2 * value) : base.map((value) => value / exit),
    };
  });
  return calibrationOf({ backbone: 'b', heads: 'h', form: 'log-excess', bins: timeBins(noise, 5), t, exits });
}

describe('a calibration', () => {
  it('finds that a head which knows each sample knows more, whatever the factor', () => {
    const calibration = observed(true);
    for (const { skill, within, spearman, knowsMore, reliability } of calibration.exits) {
      expect(knowsMore).toBe(true);
      expect(spearman).toBeCloseTo(1, 9);
      expect(within.correlation).toBeCloseTo(1, 9);
      // The factor of 2 is taken out of logarithms, not of errors.
      expect(skill.logError).toBeCloseTo(1, 9);
      expect(skill.error).toBeLessThan(0);
      expect(reliability).toHaveLength(10);
      for (const { predicted, measured } of reliability) expect(predicted).toBeCloseTo(2 * measured, 9);
    }
    expect(verdictOf(calibration)).toMatch('know more than a constant per time and exit at 2 of 2 exits');
    // The order of samples is that of their errors, so nothing is better.
    for (const { perSample, perCell, oracle } of calibration.compared) {
      if (perSample === null || perCell === null) continue;
      expect(perSample).toBeCloseTo(oracle ?? NaN, 2);
      expect(perSample).toBeLessThanOrEqual(perCell + 1e-9);
    }
  });

  it('finds that one which knows the time alone knows nothing more', () => {
    const calibration = observed(false);
    for (const { skill, within, spearman, knowsMore } of calibration.exits) {
      expect(knowsMore).toBe(false);
      expect(spearman).toBeGreaterThan(0.5);
      expect(Math.abs(skill.logErrorOverLine)).toBeLessThan(0.05);
      expect(Math.abs(within.correlation)).toBeLessThan(0.1);
    }
    expect(verdictOf(calibration)).toBe(
      'the uncertainty heads know no more than a constant per time and exit',
    );
  });

  it('gives every share its means and the standard error of its spread, and R² as the share of the variance', () => {
    // Share c of 1..10 holds three samples: predicted about c + 1, measured c - c/10, c and c + c/10, in disorder.
    const samples = Array.from({ length: 30 }, (_, i) => {
      const at = (7 * i) % 30;
      const [c, side] = [1 + Math.floor(at / 3), (at % 3) - 1];
      return { predicted: c + 1 + side / 4, measured: c + (side * c) / 10 };
    });
    const { exits } = calibrationOf({
      ...{ backbone: 'b', heads: 'h', form: 'log-excess' },
      bins: timeBins(diffusion({ ...ddpmBetas, steps: 100 }), 1),
      t: samples.map((_, i) => i),
      exits: [
        {
          ...{ exit: 1, depth: 0.5 },
          predicted: samples.map(({ predicted }) => predicted),
          measured: samples.map(({ measured }) => measured),
        },
      ],
    });
    const { reliability = [], rSquared } = exits[0] ?? {};
    const shares = Array.from({ length: 10 }, (_, s) => s + 1);
    expect(reliability.map(({ count }) => count)).toEqual(shares.map(() => 3));
    expect(reliability.map(({ predicted }) => predicted)).toBeAllClose(
      shares.map((c) => c + 1),
      1e-12,
    );
    expect(reliability.map(({ measured }) => measured)).toBeAllClose(shares, 1e-12);
    // Variance 2 (c / 10)² / (3 - 1) over 3 samples.
    expect(reliability.map(({ standardError }) => standardError)).toBeAllClose(
      shares.map((c) => c / 10 / Math.sqrt(3)),
      1e-12,
    );
    // About 5.5, the mean of all: 3 times 82.5 between shares and 2 times 3.85 within them. Off by 1 - side (c / 10 - 1 / 4):
    // 30 in all, and 2 (c / 10 - 1 / 4)² each share, 2 (3.85 - 0.5 * 5.5 + 0.625) together.
    expect(rSquared).toBeCloseTo(1 - (30 + 3.45) / (247.5 + 7.7), 12);
  });

  it('has no standard error of a share of one sample', () => {
    const { exits } = calibrationOf({
      ...{ backbone: 'b', heads: 'h', form: 'log-excess' },
      bins: timeBins(diffusion({ ...ddpmBetas, steps: 100 }), 1),
      t: [1, 2, 3],
      exits: [{ exit: 1, depth: 0.5, predicted: [1, 2, 3], measured: [4, 5, 6] }],
    });
    expect(exits[0]?.reliability).toEqual(
      [1, 2, 3].map((at) => ({ count: 1, predicted: at, measured: at + 3, standardError: null })),
    );
  });

  it('fits its format, and gives thresholds for budgets', () => {
    const calibration = observed(true);
    expect(calibrationFormat.schema.parse(calibration)).toEqual(calibration);
    expect(thresholdWithin(calibration, 1)).toBe(0);
    const threshold = thresholdWithin(calibration, 0.6);
    expect(calibration.rules.find((rule) => rule.threshold === threshold)?.depthUsed).toBeCloseTo(0.6, 1);
    expect(() => thresholdWithin(calibration, 0.3)).toThrow('the least is 0.333');
  });
});
