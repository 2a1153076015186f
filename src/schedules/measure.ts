// How is an error table measured? One sample at a time, in memory that does not grow.
import { alphaBar, type Diffusion } from '../diffusion/betas.js';
import { epsilonPer } from '../diffusion/prediction.js';
import { UserError } from '../errors.js';
import type { ErrorSums } from './errorSums.js';
import type { ErrorTable, Errors, Statistic } from './errorTable.js';
import { moments, type Moments, type Sums } from './moments.js';
import { binName, binOf, type TimeBin } from './timeBins.js';

/** What one exit did on one sample. Means over the elements of epsilon; channels of a learned variance do not count. */
export interface SampleErrors {
  /** (prediction - noise)^2 */
  readonly squaredToNoise: number;
  /** (prediction - prediction of the backbone)^2; 0 for the backbone itself */
  readonly squaredToFull: number;
  /** The same of both passes of guidance, where there are two. */
  readonly halves?: { readonly conditional: number; readonly unconditional: number };
}

export interface MeasuredSample {
  /** Native time. */
  readonly t: number;
  /** Of its memory in steps of the sampler, where heads remember. */
  readonly age?: number | undefined;
  /** In the order of the exits. */
  readonly exits: readonly SampleErrors[];
}

/** What is measured: all of an error table but its numbers. */
export type Measurement = Readonly<
  Pick<
    ErrorTable,
    | 'backbone'
    | 'heads'
    | 'bins'
    | 'exits'
    | 'binning'
    | 'ages'
    | 'guidance'
    | 'guidanceChannels'
    | 'guidanceInterval'
  >
>;

export interface Accumulator {
  /** @throws UserError naming exit and bin if a number is not finite; nothing is added then */
  add(sample: MeasuredSample): void;
  /** The table of what was added so far. */
  table(): ErrorTable;
  /** What was added so far, to go on from or to add to others. */
  sums(): ErrorSums;
  /**
   * Whether every mean excess is known: from 16 samples at least, with a standard error of at most `share` of it. Where
   * heads remember, of every age.
   */
  isSure(share: number): boolean;
}

/** Fewer samples than this say little of their own standard error. */
const fewestSure = 16;

/**
 * Starts a measurement, or goes on with it.
 * @param from what was measured before, in one or several parts
 */
export function accumulator(
  measurement: Measurement,
  diffusion: Diffusion,
  from: readonly ErrorSums[] = [],
): Accumulator {
  const { bins, exits, ages, guidance = 1 } = measurement;
  const shape = [exits.length, bins.length] as const;
  const partsOf = <T>(of: (sums: ErrorSums) => T | undefined): readonly T[] =>
    from.map((sums) => {
      const part = of(sums);
      if (part === undefined) throw new RangeError('the sums are those of another measurement');
      return part;
    });
  const kinds = {
    epsilon: errorCells(
      shape,
      partsOf(({ epsilon }) => epsilon),
    ),
    x0: errorCells(
      shape,
      partsOf(({ x0 }) => x0),
    ),
    v: errorCells(
      shape,
      partsOf(({ v }) => v),
    ),
  };
  const byAge =
    ages &&
    Array.from({ length: ages.every - 1 }, (_, i) =>
      errorCells(
        shape,
        partsOf(({ byAge }) => byAge?.[i]),
      ),
    );
  const halves =
    guidance === 1
      ? undefined
      : {
          conditional: cells(
            shape,
            partsOf(({ halves }) => halves?.conditional),
          ),
          unconditional: cells(
            shape,
            partsOf(({ halves }) => halves?.unconditional),
          ),
        };
  return {
    add({ t, age, exits: perExit }) {
      const bin = binOf(bins, t);
      const full = perExit.at(-1);
      if (perExit.length !== exits.length || !full)
        throw new RangeError(`got errors of ${perExit.length} exits, expected ${exits.length}`);
      if (full.squaredToFull !== 0) throw new RangeError('the backbone differs from itself');
      exits.forEach(({ exit }, i) => requireFinite(perExit[i], `exit ${exit} at ${nameOf(bins, bin)}`));
      const ofAge = byAge?.[(age ?? NaN) - 1];
      if (byAge && !ofAge) throw new RangeError(`got a memory of age ${age}, expected 1 to ${byAge.length}`);
      const a = alphaBar(diffusion, t);
      kinds.epsilon.add(bin, perExit, 1);
      kinds.x0.add(bin, perExit, 1 / epsilonPer('x0', a));
      kinds.v.add(bin, perExit, 1 / epsilonPer('v', a));
      ofAge?.add(bin, perExit, 1);
      if (halves)
        perExit.forEach(({ halves: own }, i) => {
          halves.conditional.add(i, bin, own?.conditional ?? NaN);
          halves.unconditional.add(i, bin, own?.unconditional ?? NaN);
        });
    },
    table: () => ({
      format: 'exithead-error-table',
      version: 1,
      ...measurement,
      steps: bins.at(-1)?.to ?? 0,
      count: kinds.epsilon.counts(),
      ...kinds.epsilon.statistics(),
      x0: kinds.x0.statistics(),
      v: kinds.v.statistics(),
      ...(halves && {
        halves: {
          conditional: halves.conditional.statistic(),
          unconditional: halves.unconditional.statistic(),
        },
      }),
      ...(byAge && {
        byAge: byAge.map((of, i) => ({ age: i + 1, count: of.counts(), ...of.statistics() })),
      }),
    }),
    sums: () => ({
      ...{ epsilon: kinds.epsilon.sums(), x0: kinds.x0.sums(), v: kinds.v.sums() },
      ...(halves && {
        halves: {
          conditional: halves.conditional.sums(),
          unconditional: halves.unconditional.sums(),
        },
      }),
      ...(byAge && { byAge: byAge.map((of) => of.sums()) }),
    }),
    isSure: (share) =>
      (byAge ?? [kinds.epsilon]).every((of) => {
        const { mean, standardError } = of.statistics().excess;
        return (
          of.counts().every((count) => count >= fewestSure) &&
          mean.every((row, i) =>
            row.every((value, bin) => (standardError[i]?.[bin] ?? NaN) <= share * (value ?? NaN)),
          )
        );
      }),
  };
}

type Shape = readonly [exits: number, bins: number];

/** Running statistics by exit and bin. */
interface Cells {
  add(exit: number, bin: number, value: number): void;
  counts(): number[];
  statistic(): Statistic;
  sums(): Sums;
}

function cells([exits, bins]: Shape, from: readonly Sums[]): Cells {
  const of: Moments = moments(exits * bins, from);
  const rows = (value: (cell: number) => number | null): (number | null)[][] =>
    Array.from({ length: exits }, (_, i) => Array.from({ length: bins }, (_, bin) => value(i * bins + bin)));
  return {
    add: (exit, bin, value) => of.add(exit * bins + bin, value),
    counts: () => Array.from({ length: bins }, (_, bin) => of.count(bin)),
    statistic: () => ({
      mean: rows((cell) => of.mean(cell)),
      standardError: rows((cell) => of.standardError(cell)),
    }),
    sums: () => of.sums(),
  };
}

/** Running statistics of the three errors. */
interface ErrorCells {
  /** @param scale of the squares in this kind of prediction, over those in epsilon */
  add(bin: number, perExit: readonly SampleErrors[], scale: number): void;
  counts(): number[];
  statistics(): Omit<Errors, 'count'>;
  sums(): ErrorSums['epsilon'];
}

function errorCells(shape: Shape, from: readonly ErrorSums['epsilon'][]): ErrorCells {
  const error = cells(
    shape,
    from.map(({ error }) => error),
  );
  const excess = cells(
    shape,
    from.map(({ excess }) => excess),
  );
  const rise = cells(
    shape,
    from.map(({ rise }) => rise),
  );
  return {
    add(bin, perExit, scale) {
      const full = perExit.at(-1)?.squaredToNoise ?? NaN;
      perExit.forEach(({ squaredToNoise, squaredToFull }, exit) => {
        error.add(exit, bin, scale * squaredToNoise);
        excess.add(exit, bin, scale * squaredToFull);
        rise.add(exit, bin, scale * (squaredToNoise - full));
      });
    },
    counts: () => error.counts(),
    statistics: () => ({
      error: error.statistic(),
      excess: excess.statistic(),
      rise: rise.statistic(),
    }),
    sums: () => ({ error: error.sums(), excess: excess.sums(), rise: rise.sums() }),
  };
}

function nameOf(bins: readonly TimeBin[], index: number): string {
  const bin = bins[index];
  return bin ? `bin ${index} (${binName(bin)})` : `bin ${index}`;
}

function requireFinite(errors: SampleErrors | undefined, place: string): void {
  const { squaredToNoise = NaN, squaredToFull = NaN, halves } = errors ?? {};
  if ([squaredToNoise, squaredToFull, ...Object.values(halves ?? {})].every(Number.isFinite)) return;
  throw new UserError(
    `${place} predicts numbers that are not finite (squared error ${squaredToNoise} to the noise, ` +
      `${squaredToFull} to full depth). Its training diverged: train the heads again with a lower ` +
      'optimizer.lr, or profile an earlier checkpoint.',
  );
}
