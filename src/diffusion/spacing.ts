// Which native times does a sampler visit? Spread in one of several ways, from noise to data.
import { unreachable, UserError } from '../errors.js';
import { roundHalfToEven } from '../rounding.js';
import { alphaBar, type Diffusion } from './betas.js';
import { levelOfSigma, sigmaOf } from './levels.js';
import { respace } from './respace.js';

/**
 * Of T diffusion steps, so many times:
 * - even: whole ones from T-1 to 0, as DiT takes them (`respace`);
 * - leading: multiples of a whole stride from 0, as DDIM was published;
 * - trailing: the same from T-1 down, so that sampling begins in pure noise (Lin et al., "Common Diffusion Noise Schedules
 *   and Sample Steps Are Flawed", 2024, table 2);
 * - linspace: from T-1 to 0 as even, between two diffusion steps where need be;
 * - above-zero: whole ones from T-1 that leave the last one, 0, out: one more step would go there;
 * - karras: sigma^(1/7), sigma being noise over signal, falls evenly (Karras et al. 2022, equation 5): many steps near data;
 * - log-snr: its logarithm does (DPM-Solver, Lu et al. 2022, section 3.4).
 */
export const spacings = [
  'even',
  'leading',
  'trailing',
  'linspace',
  'above-zero',
  'karras',
  'log-snr',
] as const;
export type Spacing = (typeof spacings)[number];

/**
 * Native times in sampling order.
 * @param steps how many, or text that says where, too (`respace`: `10,15,20`, `ddim50`)
 * @param spacing of a number of steps
 * @throws UserError if that many times do not exist
 */
export function spacedTimes(diffusion: Diffusion, steps: number | string, spacing: Spacing): number[] {
  const { steps: all } = diffusion;
  if (typeof steps === 'string') return respace(all, steps);
  const most = spacing === 'above-zero' ? all - 1 : all;
  if (steps < 1 || steps > most)
    throw new UserError(
      `${steps} sampling steps were asked of ${all} diffusion steps. Ask for 1 to ${most}.`,
    );
  const last = all - 1;
  const each = (timeOf: (i: number) => number): number[] =>
    Array.from({ length: steps }, (_, i) => timeOf(i));
  switch (spacing) {
    case 'even':
      return respace(all, String(steps));
    case 'leading':
      return each((i) => (steps - 1 - i) * Math.floor(all / steps));
    case 'trailing':
      return each((i) => roundHalfToEven(all - i * (all / steps)) - 1);
    case 'linspace':
      return each((i) => (steps > 1 ? ((steps - 1 - i) * last) / (steps - 1) : last));
    case 'above-zero':
      return each((i) => roundHalfToEven(((steps - i) * last) / steps));
    case 'karras':
    case 'log-snr': {
      const [most, least] = [sigmaOf(alphaBar(diffusion, last)), sigmaOf(alphaBar(diffusion, 0))];
      return sigmasOf(spacing, most, least, steps).map((sigma) => levelOfSigma(diffusion, sigma).t);
    }
    default:
      return unreachable(spacing);
  }
}

/** Place of the time nearest to t; half-way, that of the later one in the list, which is nearer data. */
export function nearestTo(times: readonly number[], t: number): number {
  let nearest = 0;
  times.forEach((at, i) => {
    if (Math.abs(at - t) <= Math.abs((times[nearest] ?? Infinity) - t)) nearest = i;
  });
  return nearest;
}

/** So many sigmas from the most noisy to the least. */
export function sigmasOf(
  spacing: 'karras' | 'log-snr',
  most: number,
  least: number,
  count: number,
): number[] {
  const [to, from] =
    spacing === 'karras'
      ? [(sigma: number) => sigma ** (1 / 7), (root: number) => root ** 7]
      : [Math.log, Math.exp];
  const [start, end] = [to(most), to(least)];
  return Array.from({ length: count }, (_, i) =>
    from(start + (count > 1 ? i / (count - 1) : 0) * (end - start)),
  );
}
