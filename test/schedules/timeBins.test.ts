import { describe, expect, it } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { ddpmBetas, diffusion, logSnr } from '../../src/diffusion/betas.js';
import { binName, binOf, binsOf, timeAt, timeBins } from '../../src/schedules/timeBins.js';

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
  it('are equally long in log-SNR where that is asked for', () => {
    const bins = binsOf('log-snr', settings, { count: 10, timesteps: [] });
    expect([bins[0]?.from, bins.at(-1)?.to]).toEqual([0, 1000]);
    const [first, last] = [logSnr(settings, 0), logSnr(settings, 999)];
    bins.slice(1).forEach(({ from, logSnrFrom }, i) => {
      const edge = first + ((i + 1) * (last - first)) / 10;
      expect(logSnrFrom).toBeLessThanOrEqual(edge);
      expect(logSnr(settings, from - 1)).toBeGreaterThan(edge);
    });
  });
  it('are fewer where a stretch of log-SNR would hold no whole t', () => {
    // From t = 0 to 1 the log-SNR falls by 1.2 of 19.3, more than a 50th.
    const bins = binsOf('log-snr', settings, { count: 50, timesteps: [] });
    expect(bins.length).toBeLessThan(50);
    bins.forEach(({ from, to }, i) => {
      expect(to).toBeGreaterThan(from);
      expect(from).toBe(bins[i - 1]?.to ?? 0);
    });
    expect(bins[0]?.to).toBe(1);
  });
  it('are the steps of a solver where that is asked for, each as far as it is the nearest', () => {
    const bins = binsOf('solver', settings, { count: 0, timesteps: [999, 500, 100, 3] });
    expect(bins.map(({ from, to, at }) => [from, to, at])).toEqual([
      [0, 52, 3],
      // Half-way from 100 to 500 belongs to 100, nearer data.
      [52, 301, 100],
      [301, 750, 500],
      [750, 1000, 999],
    ]);
    expect(bins.map(binName)).toEqual(['t 3', 't 100', 't 500', 't 999']);
  });
  it('get samples alike, and at the steps of a solver no others', () => {
    const places = Array.from({ length: 300 }, (_, i) => (i + 0.5) / 300);
    for (const binning of ['native', 'log-snr', 'solver'] as const) {
      const timesteps = [999, 500, 3];
      const bins = binsOf(binning, settings, { count: 3, timesteps });
      const times = places.map((place) => timeAt(bins, place));
      for (const bin of [0, 1, 2]) expect(times.filter((t) => binOf(bins, t) === bin)).toHaveLength(100);
      if (binning === 'solver') expect(new Set(times)).toEqual(new Set(timesteps));
    }
    expect(timeAt(binsOf('native', settings, { count: 7, timesteps: [] }), 0.9999999)).toBe(999);
  });
});
