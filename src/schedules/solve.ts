// Which exits lose least at a given speed-up? Schedules from an error table: the exact optimum and its baseline.
import { UserError } from '../errors.js';
import { remembering, type ErrorTable } from './errorTable.js';
import { solveKnapsack } from './knapsack.js';
import { alike, excessOf, predict, requireMeasured, sum, weightsOf, type SolveOptions } from './predict.js';
import { refreshedExits } from './refreshed.js';
import { depthOf, type Schedule } from './schedule.js';

/**
 * The schedule with the least summed excess, sum_i w_i excess[k_i][bin(t_i)], among all whose multiply-adds are at most
 * those of full depth divided by `speedup`. Ties go to the cheaper schedule, then to the one that is shallower at the
 * first step where they differ: steps of one bin and weight are ordered so that depth grows towards data.
 * Where heads remember, an error depends on how old the memory is, so the schedule is the best of the form that they were
 * measured for: full depth at every n-th step (`refreshedExits`).
 * @throws UserError if the speed-up is out of reach, or a bin that is needed was hardly measured
 */
export function solveSchedule(options: SolveOptions, speedup: number): Schedule {
  const problem = problemOf(options, speedup);
  if (remembering(options.table.exits).length > 0) {
    const refreshed = refreshedExits(options, problem, speedup);
    return predict(options, refreshed, { speedup, monotone: false, rule: 'refreshed' });
  }
  const { exits, losses, budget } = problem;
  const monotone = options.monotone ?? false;
  const cost = exits.map(({ macs }) => macs);
  const choices = solveKnapsack({ cost, loss: losses, budget, monotone });
  if (!choices) throw outOfReach(problem, speedup);
  const deepening = monotone ? choices : deepenTowardsData(choices, problem);
  return predict(
    options,
    deepening.map((k) => exits[k]?.exit ?? NaN),
    {
      speedup,
      monotone,
      rule: 'optimal',
    },
  );
}

/** The exact optimum at each speed-up: what quality costs. */
export function frontier(options: SolveOptions, speedups: readonly number[]): Schedule[] {
  return speedups.map((speedup) => solveSchedule(options, speedup));
}

/**
 * The baseline: one exit at all times, the one that loses least within the same budget. Ties go to the cheaper.
 * @throws UserError as `solveSchedule`
 */
export function uniformSchedule(options: SolveOptions, speedup: number): Schedule {
  const problem = problemOf(options, speedup);
  const { exits, losses, budget } = problem;
  const candidates = exits
    .map(({ exit, macs }, k) => ({ exit, macs, loss: sum(losses.map((loss) => loss[k] ?? NaN)) }))
    .filter(({ macs }) => macs * losses.length <= budget)
    .sort((a, b) => a.loss - b.loss || a.macs - b.macs);
  const best = candidates[0];
  if (!best) throw outOfReach(problem, speedup);
  const asked = { speedup, monotone: options.monotone ?? false, rule: 'uniform' } as const;
  return predict(
    options,
    losses.map(() => best.exit),
    asked,
  );
}

/**
 * No optimum: the exits that the times were trained at, as ASE samples.
 * @param exits by native t, [T]
 */
export function trainedSchedule(options: SolveOptions, exits: Float32Array): Schedule {
  const own = options.timesteps.map((t) => exits[Math.floor(t)] ?? NaN);
  const speedup = 1 / depthOf(options.table.exits, own);
  return predict(options, own, { speedup, monotone: false, rule: 'trained' });
}

interface ScheduleProblem {
  readonly exits: ErrorTable['exits'];
  /** Bin of every timestep, [n]. */
  readonly bins: readonly number[];
  readonly weights: readonly number[];
  /** Weighted excess by timestep and exit, [n][exits]. */
  readonly losses: readonly (readonly number[])[];
  /** Multiply-adds of all steps together. */
  readonly budget: number;
}

function problemOf(options: SolveOptions, speedup: number): ScheduleProblem {
  const { table } = options;
  if (!(speedup >= 1 && Number.isFinite(speedup)))
    throw new UserError(`the speed-up is ${speedup}; choose a number from 1, such as 1.5.`);
  const bins = requireMeasured(options);
  const weights = weightsOf(options);
  const losses = bins.map((bin, i) =>
    table.exits.map((_, k) => (weights[i] ?? NaN) * excessOf(table, k, bin)),
  );
  const full = table.exits.at(-1)?.macs ?? NaN;
  const allowed = (full * bins.length) / speedup;
  // A speed-up that was itself computed as a ratio of multiply-adds must not fail by a rounding error.
  const budget = Math.floor(allowed + allowed * 1e-12);
  return { exits: table.exits, bins, weights, losses, budget };
}

/** The largest speed-up that these exits reach, in ten-thousandths: the cheapest one at every step. */
export function mostSpeedup(exits: ErrorTable['exits']): number {
  // Rounded down, so that asking for it works.
  return Math.floor(((exits.at(-1)?.macs ?? NaN) / cheapestOf(exits).macs) * 1e4) / 1e4;
}

function cheapestOf(exits: ErrorTable['exits']): ErrorTable['exits'][number] {
  return exits.reduce((best, exit) => (exit.macs < best.macs ? exit : best));
}

function outOfReach({ exits, losses }: ScheduleProblem, speedup: number): UserError {
  const cheapest = cheapestOf(exits);
  const most = mostSpeedup(exits);
  return new UserError(
    `a speed-up of ${speedup} is out of reach: exit ${cheapest.exit} at all ${losses.length} steps gives ${most}. ` +
      `Ask for ${most} or less, or train heads at shallower exits.`,
  );
}

/** Steps of one bin and weight can swap their exits at no cost: the deeper ones go towards data. */
function deepenTowardsData(choices: readonly number[], { bins, weights }: ScheduleProblem): number[] {
  const out = [...choices];
  for (const steps of alike(bins.map((bin, i) => `${bin} ${weights[i]}`))) {
    const sorted = steps.map((i) => choices[i] ?? NaN).sort((a, b) => a - b);
    steps.forEach((i, rank) => (out[i] = sorted[rank] ?? NaN));
  }
  return out;
}
