// Which schedules does a refinement try beside its own? Those of other numbers of steps, and those one move away.
import { tooEarly } from '../exits/memory.js';
import { costOfSchedule, refreshedSchedule } from './baselines.js';
import { remembering } from './errorTable.js';
import { neighboursOf } from './neighbours.js';
import { withDrift, type StepCount } from './overSteps.js';
import { predict } from './predict.js';
import type { Schedule } from './schedule.js';
import { fullCost, mostSpeedup, solveSchedule } from './solve.js';

/**
 * At every step count what costs no more: where the front passes the budget, and full depth at every n-th step, which may
 * draw better than is predicted of it.
 * @param start whose settings they are asked for with
 * @param budget in multiply-adds or seconds, as costs are
 */
export function atEveryCount(start: Schedule, counts: readonly StepCount[], budget: number): Schedule[] {
  return counts.flatMap((count): Schedule[] => {
    const { options } = count;
    const speedup = Math.max(1, fullCost(options) / budget);
    if (speedup > mostSpeedup(options)) return [];
    const refreshed = refreshedSchedule(options, speedup);
    return [solveSchedule(options, speedup), ...(refreshed ? [refreshed] : [])].map(({ exits }) =>
      asRefined(start, exits, count, counts),
    );
  });
}

/** Schedules one move away that cost no more, the best predicted first. */
export function oneMoveFrom(of: Schedule, counts: readonly StepCount[], budget: number): Schedule[] {
  const count = countOf(of, counts);
  const { options } = count;
  const memory = remembering(options.table.exits);
  const depth = options.table.exits.at(-1)?.exit ?? NaN;
  const remembers = (exit: number): boolean => memory.some((at) => at.exit === exit);
  const told = (exits: readonly number[]): Schedule => asRefined(of, exits, count, counts);
  return neighboursOf(of.exits, {
    exits: options.table.exits
      .map(({ exit }) => exit)
      .filter((exit) => exit === depth || (options.exits?.includes(exit) ?? true)),
    allows: (exits) =>
      tooEarly(exits, depth, remembers) < 0 && costOfSchedule(options, told(exits)) <= budget,
    loss: (exits) => told(exits).predicted.excess,
  }).map(told);
}

/** The step count of a schedule. */
export function countOf({ timesteps }: Schedule, counts: readonly StepCount[]): StepCount {
  const found = counts.find(({ options }) => options.timesteps.length === timesteps.length);
  if (!found) throw new Error(`schedules of ${timesteps.length} steps were not solved for`);
  return found;
}

function asRefined(
  { asked }: Schedule,
  exits: readonly number[],
  count: StepCount,
  counts: readonly StepCount[],
): Schedule {
  return withDrift(predict(count.options, exits, { ...asked, rule: 'refined' }), count, counts);
}
