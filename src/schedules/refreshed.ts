// When is the memory refreshed? Full depth at every n-th step, and between them the exit that loses least.
import { UserError } from '../errors.js';
import { remembering, type ErrorTable } from './errorTable.js';
import type { SolveOptions } from './predict.js';
import { macsOf } from './schedule.js';

export interface RefreshProblem {
  /** Weighted excess by timestep and exit, [n][exits]: a mean over the ages that were measured. */
  readonly losses: readonly (readonly number[])[];
  /** Multiply-adds of all steps together. */
  readonly budget: number;
}

interface Candidate {
  readonly exits: readonly number[];
  readonly loss: number;
  readonly macs: number;
}

/**
 * Exits of every step: the first and every n-th after it at full depth, all others at exit k. Of all n up to the oldest
 * memory that was measured, and all k that remember, those with the least summed excess within the budget; among equals
 * the cheaper.
 * @throws UserError if none keeps the budget
 */
export function refreshedExits(
  { table, timesteps }: Pick<SolveOptions, 'table' | 'timesteps'>,
  { losses, budget }: RefreshProblem,
  speedup: number,
): readonly number[] {
  const most = mostEvery(table, timesteps.length);
  const candidates = patternsOf(table, timesteps.length).map((exits): Candidate => {
    const indices = exits.map((exit) => table.exits.findIndex((at) => at.exit === exit));
    const loss = indices.reduce((sum, k, step) => sum + (losses[step]?.[k] ?? NaN), 0);
    return { exits, loss, macs: macsOf(table.exits, exits) };
  });
  const [best] = candidates
    .filter(({ macs }) => macs <= budget)
    .sort((a, b) => a.loss - b.loss || a.macs - b.macs);
  if (best) return best.exits;
  const reached = mostOf(table, candidates, timesteps.length);
  throw new UserError(
    `a speed-up of ${speedup} is out of reach: heads that remember, at full depth every ${most} steps at least, give ` +
      `${reached}. Ask for ${reached} or less, or raise heads.memory.every, train and profile again.`,
  );
}

/** The largest speed-up that refreshed schedules of so many steps reach, in ten-thousandths. */
export function mostRefreshed(table: ErrorTable, steps: number): number {
  const candidates = patternsOf(table, steps).map((exits) => ({ macs: macsOf(table.exits, exits) }));
  return mostOf(table, candidates, steps);
}

function mostOf(
  { exits }: ErrorTable,
  candidates: readonly { readonly macs: number }[],
  steps: number,
): number {
  const cheapest = Math.min(...candidates.map(({ macs }) => macs));
  // Rounded down, so that asking for it works.
  return Math.floor((((exits.at(-1)?.macs ?? NaN) * steps) / cheapest) * 1e4) / 1e4;
}

/** Full depth throughout, and every n with every exit that remembers. */
function patternsOf(table: ErrorTable, steps: number): readonly (readonly number[])[] {
  const depth = table.exits.at(-1)?.exit ?? NaN;
  const each = (exitAt: (step: number) => number): number[] =>
    Array.from({ length: steps }, (_, step) => exitAt(step));
  const intervals = Array.from({ length: mostEvery(table, steps) - 1 }, (_, i) => i + 2);
  return [
    each(() => depth),
    ...remembering(table.exits).flatMap(({ exit }) =>
      intervals.map((n) => each((step) => (step % n === 0 ? depth : exit))),
    ),
  ];
}

/**
 * The largest n of a sampler with that many steps whose memories are no older, in native t, than those that were measured:
 * n - 1 of its strides span at most `every` - 1 of the measured ones.
 */
export function mostEvery({ ages }: Pick<ErrorTable, 'ages'>, steps: number): number {
  if (!ages) return 1;
  const strides = ages.steps > 1 ? (steps - 1) / (ages.steps - 1) : 1;
  // A ratio that is whole must not fall below it by a rounding error.
  return 1 + Math.floor((ages.every - 1) * strides + 1e-9);
}
