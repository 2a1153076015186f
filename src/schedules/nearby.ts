// Which schedules does a refinement try beside its own? Those of other numbers of steps, and those one move away.
import { isAllowed } from './allowed.js';
import { costOfSchedule, refreshedSchedule } from './baselines.js';
import { neighboursOf } from './neighbours.js';
import { withDrift, type StepCount } from './overSteps.js';
import { predict } from './predict.js';
import type { Schedule, Steps } from './schedule.js';
import { fullCost, mostSpeedup, solveSchedule } from './solve.js';

/**
 * At every step count what keeps the budget: where the front passes the budget, and full depth at every n-th step, which may
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
    return [solveSchedule(options, speedup), ...(refreshed ? [refreshed] : [])].map((one) =>
      asRefined(start, one, count, counts),
    );
  });
}

/**
 * Schedules one move away that keep the budget, the best predicted first. Where halves of guidance leave apart, a move takes
 * steps of either.
 */
export function oneMoveFrom(of: Schedule, counts: readonly StepCount[], budget: number): Schedule[] {
  const count = countOf(of, counts);
  const { options } = count;
  const depth = options.table.exits.at(-1)?.exit ?? NaN;
  const { length } = of.exits;
  /** Both halves, one after the other. */
  const halvesOf = (all: readonly number[]): Halves => ({
    exits: all.slice(0, length),
    ...(of.unconditional && { unconditional: all.slice(length) }),
  });
  const told = (all: readonly number[]): Schedule => asRefined(of, halvesOf(all), count, counts);
  return neighboursOf([...of.exits, ...(of.unconditional ?? [])], {
    exits: options.table.exits
      .map(({ exit }) => exit)
      .filter((exit) => exit === depth || (options.exits?.includes(exit) ?? true)),
    allows: (all) => isAllowed(options, halvesOf(all)) && costOfSchedule(options, told(all)) <= budget,
    loss: (all) => told(all).predicted.excess,
  }).map(told);
}

/** The step count of a schedule. */
export function countOf({ timesteps }: Schedule, counts: readonly StepCount[]): StepCount {
  const found = counts.find(({ options }) => options.timesteps.length === timesteps.length);
  if (!found) throw new Error(`schedules of ${timesteps.length} steps were not solved for`);
  return found;
}

/** Exits of every step, in each half of guidance where those leave apart. */
type Halves = Pick<Steps, 'exits' | 'unconditional'>;

function asRefined(
  { asked }: Schedule,
  { exits, unconditional }: Halves,
  count: StepCount,
  counts: readonly StepCount[],
): Schedule {
  const made = predict(count.options, exits, { ...asked, rule: 'refined' }, unconditional);
  return withDrift(made, count, counts);
}
