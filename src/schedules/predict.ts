// What should a schedule of given exits cost and lose? The error table applied to a solver's steps.
import { UserError } from '../errors.js';
import type { ErrorTable, Statistic } from './errorTable.js';
import { depthOf, type Schedule } from './schedule.js';
import { binName, binOf } from './timeBins.js';

export interface SolveOptions {
  readonly table: ErrorTable;
  /** Native t of the solver in the order of its calls: descending. */
  readonly timesteps: readonly number[];
  /** How much an error at each timestep counts; 1 unless given. */
  readonly weights?: readonly number[];
  /** Whether the exit may never become shallower towards data; it may unless asked. */
  readonly monotone?: boolean;
}

/**
 * Bins of the timesteps.
 * @throws UserError if the timesteps do not descend, or one lies in a bin that was hardly measured
 */
export function requireMeasured({ table, timesteps }: SolveOptions): number[] {
  if (timesteps.length === 0) throw new UserError('there are no timesteps; give the solver at least one.');
  const bins = timesteps.map((t, i) => {
    const before = timesteps[i - 1];
    if (before !== undefined && t >= before)
      throw new UserError(`timestep ${t} follows ${before}; list them from noise to data, each once.`);
    return binOf(table.bins, t);
  });
  const missing = [...new Set(bins)].filter((bin) => (table.count[bin] ?? 0) < 2);
  if (missing.length > 0) {
    const names = missing.map((bin) => {
      const found = table.bins[bin];
      return `${found ? binName(found) : bin} (${table.count[bin]} samples)`;
    });
    throw new UserError(
      `the error table has fewer than two samples in the time bins ${names.join(', ')}, which the solver steps ` +
        'through; profile with more samples or fewer bins.',
    );
  }
  return bins;
}

/** One weight per timestep. */
export function weightsOf({ timesteps, weights }: SolveOptions): readonly number[] {
  if (!weights) return timesteps.map(() => 1);
  if (weights.length !== timesteps.length)
    throw new UserError(
      `got ${weights.length} weights for ${timesteps.length} timesteps; give one for each.`,
    );
  const wrong = weights.findIndex((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (wrong >= 0)
    throw new UserError(
      `the weight of timestep ${timesteps[wrong]} is ${weights[wrong]}; it must be 0 or a positive number.`,
    );
  return weights;
}

/**
 * A schedule of these exits, with what it should cost and lose. Exits of one bin were measured on the same samples, so
 * within a bin standard errors add up, the most they can; bins are independent, so their squares do.
 */
export function predict(options: SolveOptions, exits: readonly number[], asked: Schedule['asked']): Schedule {
  const { table, timesteps } = options;
  const [bins, weights] = [requireMeasured(options), weightsOf(options)];
  const steps = bins.map((bin, i) => {
    const weight = weights[i] ?? NaN;
    const exit = table.exits.findIndex((at) => at.exit === exits[i]);
    const error = cell(table.excess.standardError, exit, bin);
    return { excess: weight * excessOf(table, exit, bin), error: weight * error };
  });
  const errors = alike(bins).map((inBin) => sum(inBin.map((i) => steps[i]?.error ?? NaN)));
  const depthUsed = depthOf(table.exits, exits);
  return {
    format: 'exithead-schedule',
    version: 1,
    backbone: table.backbone,
    heads: table.heads,
    steps: table.steps,
    available: [...table.exits],
    timesteps: [...timesteps],
    exits: [...exits],
    weights: [...weights],
    asked,
    predicted: {
      depthUsed,
      speedup: 1 / depthUsed,
      excess: sum(steps.map(({ excess }) => excess)),
      excessStandardError: Math.hypot(...errors),
    },
  };
}

/** Mean excess of the exit with that index in a measured bin. */
export function excessOf(table: ErrorTable, exit: number, bin: number): number {
  return cell(table.excess.mean, exit, bin);
}

function cell(cells: Statistic['mean'], exit: number, bin: number): number {
  const value = cells[exit]?.[bin];
  if (value === null || value === undefined) throw new Error(`exit ${exit} has no error in bin ${bin}`);
  return value;
}

/** Indices of equal keys together, in the order in which keys appear. */
export function alike<Key>(keys: readonly Key[]): number[][] {
  const groups = new Map<Key, number[]>();
  keys.forEach((key, i) => {
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  return [...groups.values()];
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
