import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { ddpmBetas, diffusion } from '../../src/diffusion/betas.js';
import { binName, binOf, timeBins } from '../../src/schedules/timeBins.js';

const settings = diffusion(ddpmBetas);

describe('time bins', () => {
  it('cut native t into equal lengths without a gap', () => {
    const bins = timeBins(settings, 20);
    expect(bins.map(({ from }) => from)).toEqual(Array.from({ length: 20 }, (_, i) => 50 * i));
    expect(bins.map(({ to }) => to)).toEqual(Array.from({ length: 20 }, (_, i) => 50 * i + 50));
  });
  it('record the log-SNR of their first and last native t', () => {
    const [first] = timeBins(settings, 20);
    const last = timeBins(settings, 20).at(-1);
    // alphasCumprod[0] = 1 - betaStart
    expect(first?.logSnrFrom).toBeCloseTo(Math.log(0.9999 / 0.0001), 9);
    // alphasCumprod[999] = 4.0358297e-5 (DDPM's linear schedule)
    expect(last?.logSnrTo).toBeCloseTo(Math.log(4.0358297e-5 / (1 - 4.0358297e-5)), 6);
  });
  it('differ by one at most where their number does not divide the steps', () => {
    const bins = timeBins(settings, 7);
    expect(new Set(bins.map(({ from, to }) => to - from))).toEqual(new Set([142, 143]));
    expect(bins.at(-1)?.to).toBe(1000);
  });
  it('hold every native t, whole or not, exactly once', () => {
    const bins = timeBins(settings, 20);
    expect([0, 49, 49.9, 50, 999].map((t) => binOf(bins, t))).toEqual([0, 0, 0, 1, 19]);
    expect(bins.slice(2, 3).map(binName)).toEqual(['t 100 to 149']);
  });
  it.each([-1, 1000, NaN])('refuse native t %s', (t) => {
    expect(() => binOf(timeBins(settings, 20), t)).toThrow(UserError);
  });
  it.each([0, 1001, 2.5])('refuse to be %s', (count) => {
    expect(() => timeBins(settings, count)).toThrow(/whole number from 1 to 1000/);
  });
});
