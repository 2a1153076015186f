// What is a schedule solved from? Measured errors, the solver's steps, and what is allowed.
import type { Diffusion } from '../diffusion/betas.js';
import { UserError } from '../errors.js';
import type { ErrorTable } from './errorTable.js';
import type { MeasuredCosts } from './schedule.js';
import { binName, binOf } from './timeBins.js';

export interface SolveOptions {
  readonly table: ErrorTable;
  /** Native t of the solver in the order of its calls: descending. */
  readonly timesteps: readonly number[];
  /** How much an error at each timestep counts; 1 unless given. */
  readonly weights?: readonly number[];
  /** Whether the exit may never become shallower towards data; it may unless asked. */
  readonly monotone?: boolean;
  /** Fewest steps in a row that run the same exit, or, if there are fewer steps, all; 1 unless given. */
  readonly minRun?: number;
  /** Most different exits in use, full depth among them; any number unless given. */
  readonly maxExits?: number;
  /** Exits that may be chosen beside full depth; all unless given. */
  readonly exits?: readonly number[];
  /** Given where the two halves of guidance may leave at exits of their own. */
  readonly halves?: { readonly guidance: number };
  /** Seconds of every exit, where those are to be saved and not multiply-adds. */
  readonly measured?: MeasuredCosts;
  /** Puts a log-SNR beside every timestep. */
  readonly diffusion?: Diffusion;
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
