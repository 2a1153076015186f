// Full depth at every n-th step of how many? Schedules of heads that remember whose memories are as young as can be.
import { UserError } from '../errors.js';
import { allowedOf, costOfSchedule, simpleSchedule } from './baselines.js';
import { remembering } from './errorTable.js';
import { withDrift, type StepCount } from './overSteps.js';
import { refreshedPattern, mostEvery } from './refreshed.js';
import type { Schedule } from './schedule.js';
import { budgetAt } from './solve.js';

/**
 * Full depth at every n-th step and one exit between: the smallest n that is fast enough at any of the step counts, from
 * 2 on, of the most steps, and of the exits that loses least. Memories of few steps draw better than is predicted of them
 * (docs/results.md), so this asks for the youngest first, and for what is predicted last.
 * @param counts the first has the most steps
 * @param speedup of full depth at the most steps over the schedule
 * @throws UserError if nothing remembers, or that is out of reach
 */
export function everyNthStep(counts: readonly StepCount[], speedup: number): Schedule {
  const [most] = counts;
  if (!most) throw new Error('a schedule has some number of steps');
  const { table } = most.options;
  if (remembering(table.exits).length === 0)
    throw new UserError(
      'schedule.rule is refreshed, but no head remembers. Leave schedule.rule out, or train heads of kind memory or remembered.',
    );
  const budget = budgetAt(most.options, speedup);
  const oldest = Math.max(...counts.map(({ options }) => mostEvery(table, options.timesteps.length)));
  for (let n = 2; n <= oldest; n++)
    for (const count of counts) {
      const [best] = patternsOf(count, n, speedup)
        .filter((schedule) => costOfSchedule(count.options, schedule) <= budget)
        .toSorted((a, b) => a.predicted.excess - b.predicted.excess);
      if (best) return withDrift(best, count, counts);
    }
  throw new UserError(
    `full depth at every n-th step of ${counts.map(({ options }) => options.timesteps.length).join(', ')} is never ` +
      `${speedup} times as fast, with memories as old as were measured. Ask for less, allow fewer steps in schedule.steps, ` +
      'or raise heads.memory.every, train and profile again.',
  );
}

/** One for each exit that remembers and may be chosen. */
function patternsOf({ options }: StepCount, n: number, speedup: number): Schedule[] {
  const { table, timesteps } = options;
  if (n > mostEvery(table, timesteps.length)) return [];
  const depth = table.exits.length - 1;
  const memory = remembering(table.exits);
  return allowedOf(options)
    .filter((k) => memory.some(({ exit }) => exit === table.exits[k]?.exit))
    .map((k) =>
      simpleSchedule(options, refreshedPattern(depth, k, n, timesteps.length), speedup, 'refreshed'),
    );
}
