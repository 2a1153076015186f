// Which exits lose least at a given speed-up? Schedules from an error table: the exact optimum.
import { UserError } from '../errors.js';
import { choicesOf, type Choices } from './choices.js';
import { solveSets } from './distinct.js';
import { remembering } from './errorTable.js';
import type { Choice } from './excess.js';
import type { Path, PathProblem } from './layered.js';
import { requireMeasured, weightsOf, type SolveOptions } from './options.js';
import { solvePaths } from './paths.js';
import { alike, predict } from './predict.js';
import { depthOf, type Asked, type Schedule } from './schedule.js';

/**
 * The schedule with the least summed excess, sum_i w_i excess[k_i][bin(t_i)], among all that the options allow and whose
 * cost is at most that of full depth divided by `speedup`. Costs are multiply-adds, or seconds where those were measured.
 * Exact. Ties go to the cheaper schedule; steps of one bin and weight that can swap their exits are ordered so that depth
 * grows towards data.
 * Where heads remember, an excess depends on how old the memory is, and at which steps full depth refreshes it is chosen
 * together with the exits; no memory is older than those that were measured.
 * @throws UserError if the speed-up is out of reach, or a bin that is needed was hardly measured
 */
export function solveSchedule(options: SolveOptions, speedup: number): Schedule {
  const problem = problemOf(options);
  const budget = budgetAt(options, speedup);
  const found = best(problem, { least: 'loss', budget });
  if (found) return told(problem, found, { speedup });
  const most = mostSpeedup(options);
  const [steps, isMemory] = [options.timesteps.length, remembering(options.table.exits).length > 0];
  throw new UserError(
    `a speed-up of ${speedup} is out of reach: the cheapest schedule of ${steps} steps gives ${most}. Ask for ${most} or ` +
      `less, or ${isMemory ? 'raise heads.memory.every, train and profile again' : 'train heads at shallower exits'}.`,
  );
}

/**
 * The cheapest schedule that loses at most `maxExcess`. Exact; ties go to the one that loses less.
 * @throws UserError if a bin that is needed was hardly measured
 */
export function cheapestSchedule(options: SolveOptions, maxExcess: number): Schedule {
  if (!(maxExcess >= 0 && Number.isFinite(maxExcess)))
    throw new UserError(`the most excess is ${maxExcess}; choose 0 or a positive number.`);
  const problem = problemOf(options);
  const found = best(problem, { least: 'cost', budget: roundedUp(maxExcess) });
  // Full depth loses nothing.
  if (!found) throw new Error('full depth is always allowed');
  return told(problem, found, { speedup: fullCost(options) / found.lost, maxExcess });
}

/** The exact optimum at each speed-up: what quality costs. */
export function frontier(options: SolveOptions, speedups: readonly number[]): Schedule[] {
  return speedups.map((speedup) => solveSchedule(options, speedup));
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

/** The largest speed-up that the options reach, in ten-thousandths. */
export function mostSpeedup(options: SolveOptions): number {
  // Rounded down, so that asking for it works.
  return Math.floor((fullCost(options) / leastCost(options)) * 1e4) / 1e4;
}

/** Cost of the cheapest schedule that the options allow. */
export function leastCost(options: SolveOptions): number {
  const found = best(problemOf(options), { least: 'cost', budget: Number.MAX_VALUE });
  if (!found) throw new Error('full depth is always allowed');
  return found.lost;
}

/**
 * Most that all steps may cost together, in multiply-adds or seconds.
 * @throws UserError if that is no speed-up
 */
export function budgetAt(options: SolveOptions, speedup: number): number {
  if (!(speedup >= 1 && Number.isFinite(speedup)))
    throw new UserError(`the speed-up is ${speedup}; choose a number from 1, such as 1.5.`);
  return roundedUp(fullCost(options) / speedup);
}

/** Cost of one step of a choice: of both passes, where halves of guidance leave apart. */
export function costOf({ table, measured }: SolveOptions, { exit, unconditional }: Choice): number {
  const of = (k: number): number => (measured ? measured.seconds[k] : table.exits[k]?.macs) ?? NaN;
  return unconditional === undefined ? of(exit) : of(exit) + of(unconditional);
}

/** Cost of full depth at every step. */
export function fullCost(options: SolveOptions): number {
  const full = options.table.exits.length - 1;
  const choice = options.halves ? { exit: full, unconditional: full } : { exit: full };
  return costOf(options, choice) * options.timesteps.length;
}

/** What was itself computed as a ratio must not fail by a rounding error. */
function roundedUp(budget: number): number {
  return budget + budget * 1e-12;
}

interface Problem {
  readonly options: SolveOptions;
  readonly choices: Choices;
}

function problemOf(options: SolveOptions): Problem {
  return { options, choices: choicesOf(options) };
}

/** What should be least, and the budget of the other. */
interface Aim {
  readonly least: 'loss' | 'cost';
  readonly budget: number;
}

/** The best path, whatever exits it is made of. */
function best({ options, choices }: Problem, aim: Aim): Path | undefined {
  const { table, measured } = options;
  const all = table.exits.map((_, k) => k);
  // What seconds tell of full depth holds for all that is remembered.
  const refreshOf = (k: number): number => (measured ? 0 : (table.exits[k]?.refreshMacs ?? 0));
  const most = options.maxExits ?? all.length;
  const { columns, moves, ends, lose } = choices;
  const problem = (allowed: readonly number[], charged: readonly number[]): PathProblem => {
    const refresh = charged.reduce((total, k) => total + refreshOf(k), 0);
    const cost = Float64Array.from(columns, ({ choice }) => {
      const passes = exitsIn(choice).filter((k) => k === all.length - 1).length;
      return costOf(options, choice) + passes * refresh;
    });
    const costs = lose.map(() => cost);
    const isAllowed = columns.map(({ choice }) => exitsIn(choice).every((k) => allowed.includes(k)));
    return {
      moves: moves.map((own) => own.filter(({ column }) => column === undefined || isAllowed[column])),
      ends,
      ...(aim.least === 'loss' ? { spend: costs, lose } : { spend: lose, lose: costs }),
      budget: aim.budget,
    };
  };
  const isCharged = (k: number): boolean => refreshOf(k) > 0;
  if (most >= all.length && !all.some(isCharged)) return solvePaths(problem(all, []));
  const used = (path: Path): number[] => [
    ...new Set(path.columns.flatMap((column) => exitsIn(columns[column]?.choice ?? { exit: NaN }))),
  ];
  return solveSets({ exits: all, most, problem, used, isCharged });
}

function exitsIn({ exit, unconditional }: Choice): readonly number[] {
  return unconditional === undefined ? [exit] : [exit, unconditional];
}

/** The schedule of a path. */
function told(
  { options, choices }: Problem,
  path: Path,
  aim: Pick<Asked, 'speedup' | 'maxExcess'>,
): Schedule {
  const chosen = path.columns.map((column) => choices.columns[column]?.choice ?? { exit: NaN });
  const ordered = canSwap(options) ? deepenTowardsData(chosen, options) : chosen;
  const exit = (k: number | undefined): number => options.table.exits[k ?? -1]?.exit ?? NaN;
  const exits = ordered.map((choice) => exit(choice.exit));
  const unconditional = options.halves && ordered.map((choice) => exit(choice.unconditional));
  return predict(options, exits, { ...aim, ...askedOf(options), rule: 'optimal' }, unconditional);
}

/** What a schedule says about how it was asked for. */
export function askedOf({
  monotone = false,
  minRun = 1,
  maxExits,
  exits,
  halves,
  measured,
}: SolveOptions): Omit<Asked, 'speedup' | 'maxExcess' | 'rule'> {
  return {
    monotone,
    ...(measured && { cost: 'seconds' }),
    ...(minRun > 1 && { minRun }),
    ...(maxExits !== undefined && { maxExits }),
    ...(exits && { exits: [...exits] }),
    ...(halves && { guidance: halves.guidance }),
  };
}

/** Whether steps do not know of one another. */
function canSwap({ table, minRun = 1, halves }: SolveOptions): boolean {
  return minRun === 1 && !halves && remembering(table.exits).length === 0;
}

/** Steps of one bin and weight can swap their exits at no cost: the deeper ones go towards data. */
function deepenTowardsData(choices: readonly Choice[], options: SolveOptions): Choice[] {
  const [bins, weights] = [requireMeasured(options), weightsOf(options)];
  const out = [...choices];
  for (const steps of alike(bins.map((bin, i) => `${bin} ${weights[i]}`))) {
    const sorted = steps.map((i) => choices[i]?.exit ?? NaN).sort((a, b) => a - b);
    steps.forEach((i, rank) => (out[i] = { exit: sorted[rank] ?? NaN }));
  }
  return out;
}
