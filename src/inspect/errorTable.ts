// How wrong is every exit, in short, and does the table fit the heads beside it?
import { readErrorTable, type ErrorTable, type MeasuredExit } from '../schedules/errorTable.js';
import { bytesAt } from './bytes.js';
import { fitProblems, fitsOf, type Fit } from './fit.js';

export interface ErrorTableFacts {
  readonly kind: 'error table';
  readonly path: string;
  readonly bytes: number;
  readonly backbone: string;
  readonly heads: string;
  readonly steps: number;
  readonly bins: number;
  readonly binning: NonNullable<ErrorTable['binning']>;
  /** Scale; 1 is unguided. */
  readonly guidance: number;
  /** How old memories were, where heads remember. */
  readonly ages: ErrorTable['ages'] | null;
  readonly samples: number;
  readonly exits: readonly ExitErrors[];
  readonly fits: readonly Fit[];
  readonly problems: readonly string[];
}

export interface ExitErrors extends MeasuredExit {
  /** Mean over all samples of the excess: how far the exit is from the whole backbone. Null where nothing was measured. */
  readonly excess: number | null;
  /** The same of the denoising error. */
  readonly error: number | null;
}

export async function errorTableFacts(path: string, given: string | undefined): Promise<ErrorTableFacts> {
  const table = await readErrorTable(path);
  const fits = await fitsOf(path, table, given);
  const { backbone, heads, steps, bins, count, exits, excess, error, ages = null } = table;
  const { binning = 'native', guidance = 1 } = table;
  return {
    kind: 'error table',
    path,
    bytes: await bytesAt(path),
    ...{ backbone, heads, steps },
    ...{ bins: bins.length, binning, guidance, ages },
    samples: count.reduce((sum, n) => sum + n, 0),
    exits: exits.map((exit, i) => ({
      ...exit,
      excess: overall(excess.mean[i], count),
      error: overall(error.mean[i], count),
    })),
    fits,
    problems: fitProblems(path, fits),
  };
}

/** Mean over the bins, each as often as it has samples. */
function overall(means: ErrorTable['error']['mean'][number] = [], count: readonly number[]): number | null {
  const samples = count.reduce((sum, n) => sum + n, 0);
  return samples === 0
    ? null
    : means.reduce<number>((sum, mean, i) => sum + (mean ?? 0) * (count[i] ?? 0), 0) / samples;
}
