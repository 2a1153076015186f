// How is an error table measured? One sample at a time, in memory that does not grow.
import type { Ages } from '../diffusion/ages.js';
import { UserError } from '../errors.js';
import type { ErrorTable, MeasuredExit, Statistic } from './errorTable.js';
import { moments, type Moments } from './moments.js';
import { binName, binOf, type TimeBin } from './timeBins.js';

/** What one exit did on one sample. Means over the elements of epsilon; channels of a learned variance do not count. */
export interface SampleErrors {
  /** (prediction - noise)^2 */
  readonly squaredToNoise: number;
  /** (prediction - prediction of the backbone)^2; 0 for the backbone itself */
  readonly squaredToFull: number;
}

/** What is measured: all of an error table but its numbers. */
export type Measurement = Pick<ErrorTable, 'backbone' | 'heads'> & {
  readonly bins: readonly TimeBin[];
  /** Ascending; the last is the backbone. */
  readonly exits: readonly MeasuredExit[];
  /** How old memories are, where heads remember. */
  readonly ages?: Ages | undefined;
};

export interface Accumulator {
  /**
   * Adds one sample.
   * @param t native time
   * @param perExit in the order of `exits`
   * @param age of its memory in steps of the sampler, where heads remember
   * @throws UserError naming exit and bin if a number is not finite; nothing is added then
   */
  add(t: number, perExit: readonly SampleErrors[], age?: number): void;
  /** The table of what was added so far. */
  table(): ErrorTable;
}

/** Starts a measurement. */
export function accumulator({ backbone, heads, bins, exits, ages }: Measurement): Accumulator {
  const all = errorsOf(exits.length, bins.length);
  const byAge = ages && Array.from({ length: ages.every - 1 }, () => errorsOf(exits.length, bins.length));
  return {
    add(t, perExit, age) {
      const bin = binOf(bins, t);
      const full = perExit.at(-1);
      if (perExit.length !== exits.length || !full)
        throw new RangeError(`got errors of ${perExit.length} exits, expected ${exits.length}`);
      if (full.squaredToFull !== 0) throw new RangeError('the backbone differs from itself');
      exits.forEach(({ exit }, i) => requireFinite(perExit[i], `exit ${exit} at ${nameOf(bins, bin)}`));
      const ofAge = byAge?.[(age ?? NaN) - 1];
      if (byAge && !ofAge) throw new RangeError(`got a memory of age ${age}, expected 1 to ${byAge.length}`);
      all.add(bin, perExit, full);
      ofAge?.add(bin, perExit, full);
    },
    table() {
      return {
        format: 'exithead-error-table',
        version: 1,
        backbone,
        heads,
        steps: bins.at(-1)?.to ?? 0,
        bins: [...bins],
        exits: [...exits],
        ...(ages && { ages }),
        ...all.statistics(),
        ...(byAge && { byAge: byAge.map((of, i) => ({ age: i + 1, ...of.statistics() })) }),
      };
    },
  };
}

/** Running statistics of the three errors, by exit and bin. */
function errorsOf(
  exits: number,
  bins: number,
): {
  add(bin: number, perExit: readonly SampleErrors[], full: SampleErrors): void;
  statistics(): Pick<ErrorTable, 'count' | 'error' | 'excess' | 'rise'>;
} {
  const cells = (): Moments => moments(exits * bins);
  const [error, excess, rise] = [cells(), cells(), cells()];
  const statistic = (of: Moments): Statistic => ({
    mean: rows(exits, bins, (cell) => of.mean(cell)),
    standardError: rows(exits, bins, (cell) => of.standardError(cell)),
  });
  return {
    add(bin, perExit, full) {
      perExit.forEach(({ squaredToNoise, squaredToFull }, i) => {
        const cell = i * bins + bin;
        error.add(cell, squaredToNoise);
        excess.add(cell, squaredToFull);
        rise.add(cell, squaredToNoise - full.squaredToNoise);
      });
    },
    statistics: () => ({
      count: Array.from({ length: bins }, (_, bin) => error.count(bin)),
      error: statistic(error),
      excess: statistic(excess),
      rise: statistic(rise),
    }),
  };
}

function rows(exits: number, bins: number, value: (cell: number) => number | null): (number | null)[][] {
  return Array.from({ length: exits }, (_, i) =>
    Array.from({ length: bins }, (_, bin) => value(i * bins + bin)),
  );
}

function nameOf(bins: readonly TimeBin[], index: number): string {
  const bin = bins[index];
  return bin ? `bin ${index} (${binName(bin)})` : `bin ${index}`;
}

function requireFinite(errors: SampleErrors | undefined, place: string): void {
  const { squaredToNoise = NaN, squaredToFull = NaN } = errors ?? {};
  if (Number.isFinite(squaredToNoise) && Number.isFinite(squaredToFull)) return;
  throw new UserError(
    `${place} predicts numbers that are not finite (squared error ${squaredToNoise} to the noise, ` +
      `${squaredToFull} to full depth). Its training diverged: train the heads again with a lower ` +
      'optimizer.lr, or profile an earlier checkpoint.',
  );
}
