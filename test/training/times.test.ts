import { describe, expect, it } from '@jest/globals';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { stream, type Stream } from '../../src/random.js';
import { drawsTimes, logNormalTimes, spreadTimes } from '../../src/training/times.js';

const process = diffusion(ddpmBetas);
const shifted = (shift: number): Stream => ({ ...stream(0, 'unused'), uniform: () => shift });
const sigmas = process.alphasCumprod.map((a) => Math.sqrt((1 - a) / a));

describe('spread times of a batch', () => {
  it.each([1, 3, 7, 64])('are one in every part of %d', (batch) => {
    for (const shift of [0, 0.1234, 0.5, 0.999999]) {
      const t = spreadTimes(shift, batch, 1000);
      expect(t.every((at) => Number.isInteger(at) && at >= 0 && at < 1000)).toBe(true);
      // Around the circle, neighbours are a B-th part apart; whole numbers may be one nearer or farther.
      const sorted = [...t].toSorted((a, b) => a - b);
      sorted.forEach((at, i) => {
        const next = sorted[i + 1] ?? 1000 + (sorted[0] ?? NaN);
        expect(Math.abs(next - at - 1000 / batch)).toBeLessThan(1);
      });
    }
  });

  it('reach both ends, and each as often as any other', () => {
    const counts = new Array<number>(20).fill(0);
    // Shifts at which no part ends, so that rounding decides nothing.
    for (let shift = 0.0005; shift < 1; shift += 0.001)
      for (const t of spreadTimes(shift, 4, 20)) counts[t] = (counts[t] ?? 0) + 1;
    expect(counts).toEqual(Array<number>(20).fill(200));
  });
});

describe('independent times of a batch', () => {
  it('are uniform, each by itself', () => {
    const draw = drawsTimes({ kind: 'independent' }, diffusion({ ...ddpmBetas, steps: 10 }));
    const counts = new Array<number>(10).fill(0);
    const t = draw(stream(1, 'times'), 10_000);
    for (const at of t) counts[at] = (counts[at] ?? 0) + 1;
    // 10,000 draws at 0.1 each: four standard deviations are 120.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(120);
    // Spread times differ by at most 1 from what they should be; these do not.
    expect(Math.max(...counts) - Math.min(...counts)).toBeGreaterThan(2);
    const pairs = Array.from({ length: 5000 }, (_, i) => (t[2 * i] ?? 0) === (t[2 * i + 1] ?? 0));
    // One pair in ten is equal: 500, four standard deviations are 85.
    expect(Math.abs(pairs.filter(Boolean).length - 500)).toBeLessThan(85);
  });
});

describe('log-normal times of a batch', () => {
  const rule = { kind: 'log-normal', mean: -1.2, deviation: 1.2 } as const;

  it('lie at the quantiles of a normal distribution of ln(sigma)', () => {
    // z of 10 %, 25 %, 50 %, 75 % and 90 %.
    const z = [-1.2815515655, -0.6744897502, 0, 0.6744897502, 1.2815515655];
    const shares = [0.1, 0.25, 0.5, 0.75, 0.9];
    shares.forEach((share, i) => {
      const [t] = drawsTimes(rule, process)(shifted(share), 1);
      const expected = -1.2 + 1.2 * (z[i] ?? NaN);
      const distance = (at: number): number => Math.abs(Math.log(sigmas[at] ?? NaN) - expected);
      const nearest = Math.min(...sigmas.map((_, at) => distance(at)));
      expect(distance(t ?? -1)).toBeLessThanOrEqual(nearest + 1e-6);
    });
  });

  it('are spread over it: as many at each as its share, within one', () => {
    const upTo = logNormalTimes(rule, process);
    for (const shift of [0, 0.3, 0.999]) {
      const counts = new Array<number>(1000).fill(0);
      for (const t of drawsTimes(rule, process)(shifted(shift), 4096)) counts[t] = (counts[t] ?? 0) + 1;
      counts.forEach((count, t) => {
        const share = (upTo[t] ?? NaN) - (upTo[t - 1] ?? 0);
        expect(Math.abs(count - 4096 * share)).toBeLessThanOrEqual(1 + 1e-6);
      });
    }
  });

  it('pile up at the ends where the distribution goes beyond the diffusion', () => {
    const upTo = logNormalTimes({ mean: 0, deviation: 1000 }, process);
    // sigma goes from 0.01 to 157: by a deviation this large, hardly anything is between.
    expect(upTo[0]).toBeCloseTo(0.5, 2);
    expect(upTo.at(-1)).toBe(1);
    expect((upTo[998] ?? NaN) - (upTo[0] ?? NaN)).toBeLessThan(0.01);
  });

  it('have a share that is right to 1.5e-7', () => {
    // One step of sigma 1 and one far beyond: the share up to half-way is that below a known z.
    const at = (sigma: number): number => 1 / (1 + sigma ** 2);
    const share = (z: number): number =>
      logNormalTimes(
        { mean: 0, deviation: 1 },
        {
          alphasCumprod: Float64Array.of(at(1), at(Math.exp(2 * z))),
        },
      )[0] ?? NaN;
    for (const [z, expected] of [
      [1, 0.8413447460685429],
      [2.5, 0.9937903346742238],
      [0.25, 0.5987063256829237],
      [0, 0.5],
      [-1, 0.15865525393145707],
    ] as const)
      expect(Math.abs(share(z) - expected)).toBeLessThan(1.5e-7);
  });
});
