// How many steps, and which exits at each? Schedules of several step counts in one unit: drift of the final sample.
import { UserError } from '../errors.js';
import { costOfSchedule, fullDepthOf } from './baselines.js';
import type { SolveOptions } from './options.js';
import type { Schedule } from './schedule.js';
import { budgetAt, cheapestSchedule, fullCost, leastCost, solveSchedule } from './solve.js';

/** A number of steps that a sampler may take. */
export interface StepCount {
  readonly options: SolveOptions;
  /**
   * Mean squared drift of the final sample that comes of so few steps at full depth, against the most; in the unit of
   * weighted excesses. Undefined where there is one count alone, and nothing to compare.
   */
  readonly drift?: number | undefined;
}

/** What is asked of a schedule. */
export type Ask = { readonly speedup: number } | { readonly maxExcess: number };

/**
 * The best schedule of any of the step counts: the one with the least drift + excess whose cost is at most that of full
 * depth at the most steps divided by the speed-up; or the cheapest whose drift + excess is at most `maxExcess`. Full depth
 * at fewer steps is one of them.
 * @param counts the first has the most steps
 * @throws UserError if that is out of reach
 */
export function solveOverSteps(counts: readonly StepCount[], ask: Ask): Schedule {
  const most = mostOf(counts);
  if (counts.length === 1)
    return 'speedup' in ask
      ? solveSchedule(most.options, ask.speedup)
      : cheapestSchedule(most.options, ask.maxExcess);
  const found = counts.flatMap((count) => solvedAt(count, most, ask) ?? []);
  const loss = ({ predicted }: Schedule): number => predicted.fewer?.loss ?? NaN;
  const speedup = ({ predicted }: Schedule): number => predicted.fewer?.speedup ?? NaN;
  const [best] =
    'speedup' in ask
      ? found.toSorted((a, b) => loss(a) - loss(b) || speedup(b) - speedup(a))
      : found.toSorted((a, b) => speedup(b) - speedup(a) || loss(a) - loss(b));
  if (best) return best;
  throw new UserError(
    `no schedule of ${counts.map(({ options }) => options.timesteps.length).join(', ')} steps ` +
      ('speedup' in ask
        ? `is ${ask.speedup} times as fast as full depth at ${most.options.timesteps.length}. Ask for less, or allow fewer steps.`
        : `moves the final sample by at most ${ask.maxExcess}. Ask for more.`),
  );
}

/** The best at one count, told in the unit of all; undefined if it reaches nothing that was asked for. */
function solvedAt(count: StepCount, most: StepCount, ask: Ask): Schedule | undefined {
  const { options, drift = NaN } = count;
  if ('maxExcess' in ask) {
    const left = ask.maxExcess - drift;
    return left < 0 ? undefined : compared(cheapestSchedule(options, left), count, most, ask);
  }
  // A count of few steps may be fast enough at full depth.
  const speedup = Math.max(1, (fullCost(options) / fullCost(most.options)) * ask.speedup);
  if (leastCost(options) > budgetAt(options, speedup)) return undefined;
  return compared(solveSchedule(options, speedup), count, most, ask);
}

/** A schedule at one of several counts, told in the unit of all. @param counts the first has the most steps */
export function withDrift(schedule: Schedule, count: StepCount, counts: readonly StepCount[]): Schedule {
  return counts.length === 1 ? schedule : compared(schedule, count, mostOf(counts));
}

/** With what it costs and loses beside full depth at the most steps. */
function compared(
  schedule: Schedule,
  { options, drift = NaN }: StepCount,
  most: StepCount,
  ask?: Ask,
): Schedule {
  const speedup = fullCost(most.options) / costOfSchedule(options, schedule);
  const fewer = {
    of: most.options.timesteps.length,
    speedup,
    drift,
    loss: drift + schedule.predicted.excess,
  };
  const asked = { ...schedule.asked, ...(ask && ('speedup' in ask ? ask : { ...ask, speedup })) };
  return { ...schedule, asked, predicted: { ...schedule.predicted, fewer } };
}

/** Where budgets of a front lie: hundredths of the cost of full depth at the most steps. */
const shares = Array.from({ length: 100 }, (_, i) => (100 - i) / 100);

/**
 * What quality costs: the best schedules at budgets of every hundredth of full depth at the most steps, and full depth at
 * every count; of these all that nothing cheaper equals, the dearest first.
 * @param counts the first has the most steps
 */
export function frontOverSteps(counts: readonly StepCount[]): Schedule[] {
  const most = mostOf(counts);
  const isOne = counts.length === 1;
  const fullDepth = counts.map((count) => {
    const full = fullDepthOf(count.options);
    return isOne ? full : compared(full, count, most);
  });
  const solved = shares.flatMap((share) => {
    const ask = { speedup: 1 / share };
    if (!isOne) return counts.flatMap((count) => solvedAt(count, most, ask) ?? []);
    const isInReach = leastCost(most.options) <= budgetAt(most.options, ask.speedup);
    return isInReach ? [solveSchedule(most.options, ask.speedup)] : [];
  });
  const sorted = [...fullDepth, ...solved].toSorted(
    (a, b) => placeOf(b).speedup - placeOf(a).speedup || placeOf(a).loss - placeOf(b).loss,
  );
  const front = sorted.reduce<Schedule[]>((kept, schedule) => {
    const last = kept.at(-1);
    return last && placeOf(last).loss <= placeOf(schedule).loss ? kept : [...kept, schedule];
  }, []);
  return front.toReversed();
}

/** Where a schedule lies on a front. */
export interface Place {
  /** Cost of full depth, at the most steps that were considered, over that of the schedule. */
  readonly speedup: number;
  /** Excess, and the drift of fewer steps where those were considered. */
  readonly loss: number;
}

export function placeOf({ predicted }: Schedule): Place {
  const { speedup, secondsUsed, excess, fewer } = predicted;
  if (fewer) return { speedup: fewer.speedup, loss: fewer.loss };
  return { speedup: secondsUsed === undefined ? speedup : 1 / secondsUsed, loss: excess };
}

function mostOf(counts: readonly StepCount[]): StepCount {
  const [most] = counts;
  if (!most) throw new Error('a schedule has some number of steps');
  return most;
}
