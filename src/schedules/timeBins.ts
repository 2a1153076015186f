// Into which stretches of time is the error measured, and in which of them is a given native t?
import { z } from 'zod';
import { logSnr, type Diffusion } from '../diffusion/betas.js';
import { unreachable, UserError } from '../errors.js';

export const timeBinSchema = z.object({
  from: z.number().min(0).describe('first native t of the bin'),
  to: z.number().positive().describe('native t where the next bin begins, not part of this one'),
  logSnrFrom: z.number().describe('log-SNR, ln(alphasCumprod / (1 - alphasCumprod)), at `from`'),
  logSnrTo: z.number().describe('log-SNR at the last whole native t before `to`'),
  at: z
    .number()
    .min(0)
    .optional()
    .describe('the only native t of the bin that was measured: that of a step of the solver'),
});

/** Native t with from <= t < to. */
export type TimeBin = Readonly<z.output<typeof timeBinSchema>>;

/**
 * What time is cut by:
 * - native: bins equally long in native t, as solvers step;
 * - log-snr: equally long in log-SNR, by which backbones compare; fewer than asked for where one would hold no whole t;
 * - solver: one bin for each step of a solver, measured at the very t of the step.
 */
export const binnings = ['native', 'log-snr', 'solver'] as const;
export type Binning = (typeof binnings)[number];

/**
 * @param count of native and log-snr
 * @param timesteps of the solver, in any order
 * @throws UserError if there are more bins than native times
 */
export function binsOf(
  binning: Binning,
  diffusion: Diffusion,
  { count, timesteps }: { readonly count: number; readonly timesteps: readonly number[] },
): TimeBin[] {
  switch (binning) {
    case 'native':
      return timeBins(diffusion, count);
    case 'log-snr':
      return logSnrBins(diffusion, count);
    case 'solver':
      return solverBins(diffusion, timesteps);
    default:
      return unreachable(binning);
  }
}

/**
 * Bins of equal length in native t (within one, where `count` does not divide the steps), from data to noise.
 * @throws UserError if there are more bins than native times
 */
export function timeBins(diffusion: Diffusion, count: number): TimeBin[] {
  requireCount(diffusion, count);
  const edge = (i: number): number => Math.round((i * diffusion.steps) / count);
  return Array.from({ length: count }, (_, i) => between(diffusion, edge(i), edge(i + 1)));
}

/** Whole native t in equally long stretches of log-SNR, from that of t = 0 to that of T - 1; empty ones are left out. */
function logSnrBins(diffusion: Diffusion, count: number): TimeBin[] {
  requireCount(diffusion, count);
  const [first, last] = [logSnr(diffusion, 0), logSnr(diffusion, diffusion.steps - 1)];
  const times = Array.from({ length: diffusion.steps }, (_, t) => t);
  const stretchOf = (t: number): number =>
    Math.min(count - 1, Math.floor(((first - logSnr(diffusion, t)) / (first - last)) * count));
  const starts = times.filter((t) => t === 0 || stretchOf(t) !== stretchOf(t - 1));
  return starts.map((from, i) => between(diffusion, from, starts[i + 1] ?? diffusion.steps));
}

/** Every native t belongs to the nearest of the timesteps; half-way, to the one nearer data, as in `exitAt`. */
function solverBins(diffusion: Diffusion, timesteps: readonly number[]): TimeBin[] {
  const ascending = [...new Set(timesteps)].toSorted((a, b) => a - b);
  const end = (i: number): number => {
    const [at, next] = ascending.slice(i, i + 2);
    return at === undefined || next === undefined ? diffusion.steps : Math.floor((at + next) / 2) + 1;
  };
  return ascending.map((at, i) => ({ ...between(diffusion, i === 0 ? 0 : end(i - 1), end(i)), at }));
}

function between(diffusion: Diffusion, from: number, to: number): TimeBin {
  return { from, to, logSnrFrom: logSnr(diffusion, from), logSnrTo: logSnr(diffusion, to - 1) };
}

function requireCount({ steps }: Diffusion, count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > steps)
    throw new UserError(`${count} time bins were asked for; choose a whole number from 1 to ${steps}.`);
}

/** The native t at a place from 0 to 1, in which all bins are equally long. */
export function timeAt(bins: readonly TimeBin[], place: number): number {
  const at = place * bins.length;
  const index = Math.min(bins.length - 1, Math.floor(at));
  const bin = bins[index];
  if (!bin) throw new RangeError('there are no time bins');
  return bin.at ?? Math.floor(bin.from + (at - index) * (bin.to - bin.from));
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

/** 't 100 to 149', for messages. */
export function binName({ from, to, at }: TimeBin): string {
  return at === undefined ? `t ${from} to ${to - 1}` : `t ${at}`;
}
