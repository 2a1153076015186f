// Into which stretches of time is the error measured, and in which of them is a given native t?
import { z } from 'zod';
import { logSnr, type Diffusion } from '../diffusion/betas.js';
import { UserError } from '../errors.js';

export const timeBinSchema = z.object({
  from: z.number().min(0).describe('first native t of the bin'),
  to: z.number().positive().describe('native t where the next bin begins, not part of this one'),
  logSnrFrom: z.number().describe('log-SNR, ln(alphasCumprod / (1 - alphasCumprod)), at `from`'),
  logSnrTo: z.number().describe('log-SNR at the last whole native t before `to`'),
});

/** Native t with from <= t < to. */
export type TimeBin = Readonly<z.output<typeof timeBinSchema>>;

/**
 * Bins of equal length in native t (within one, where `count` does not divide the steps), from data to noise.
 * @throws UserError if there are more bins than native times
 */
export function timeBins(diffusion: Diffusion, count: number): TimeBin[] {
  const { steps } = diffusion;
  if (!Number.isInteger(count) || count < 1 || count > steps)
    throw new UserError(`${count} time bins were asked for; choose a whole number from 1 to ${steps}.`);
  const edge = (i: number): number => Math.round((i * steps) / count);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [edge(i), edge(i + 1)];
    return { from, to, logSnrFrom: logSnr(diffusion, from), logSnrTo: logSnr(diffusion, to - 1) };
  });
}

/**
 * Index of the bin that holds native t.
 * @throws UserError if none does
 */
export function binOf(bins: readonly TimeBin[], t: number): number {
  const index = bins.findIndex(({ from, to }) => t >= from && t < to);
  if (index < 0)
    throw new UserError(
      `native t ${t} lies outside the time bins, which go from ${bins[0]?.from} to ${bins.at(-1)?.to}; ` +
        'use the number of diffusion steps that the error table was measured with.',
    );
  return index;
}

/** '100 to 149', for messages. */
export function binName({ from, to }: TimeBin): string {
  return `t ${from} to ${to - 1}`;
}
