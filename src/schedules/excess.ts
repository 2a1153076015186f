// How far is an exit from full depth at a time? What the error table measured, at the age of the memory where one is used.
import { strideOf } from '../diffusion/ages.js';
import { remembering, type ErrorTable, type Statistic } from './errorTable.js';
import type { SolveOptions } from './options.js';

/** What one step runs: indices of exits in the table. */
export interface Choice {
  readonly exit: number;
  /** Of the half of guidance that asks for nothing; absent where both halves leave together. */
  readonly unconditional?: number;
}

/** A mean over samples, and its standard error. */
export interface Excess {
  readonly mean: number;
  readonly standardError: number;
}

/** Which pass of guidance; none where both leave at the same exit. */
export type Half = 'conditional' | 'unconditional';

/**
 * Excess of an exit in a measured bin. Between two ages that were measured it lies on a straight line, outside them it is
 * that of the nearest; where nothing was told apart by age it is the mean over all.
 * @param exit its index in the table
 * @param age of what it remembers, in native t; unless given, the mean over all ages
 * @param half of guidance; where halves were not told apart, both are as wrong as the exit
 */
export function excessAt(table: ErrorTable, exit: number, bin: number, age?: number, half?: Half): Excess {
  const pooled = cell(table.excess, exit, bin);
  const aged = age === undefined ? pooled : (agedExcess(table, exit, bin, age) ?? pooled);
  const own = half && table.halves ? cell(table.halves[half], exit, bin) : pooled;
  // Halves are not told apart by age; both are taken to age as their guided sum does.
  const ratio = pooled.mean > 0 ? aged.mean / pooled.mean : 1;
  return own === pooled ? aged : { mean: own.mean * ratio, standardError: own.standardError * ratio };
}

/**
 * Excess of a choice. Where halves leave apart, that of what they are combined to, scale s: mistakes of the two that are
 * not alike add up to s^2 of the one and (s - 1)^2 of the other.
 * @param age of the memory, in native t
 */
export function lossOf(
  { table, halves }: Pick<SolveOptions, 'table' | 'halves'>,
  { exit, unconditional }: Choice,
  bin: number,
  age: number | undefined,
): Excess {
  if (!halves || unconditional === undefined) return excessAt(table, exit, bin, age);
  const [on, off] = [halves.guidance ** 2, (halves.guidance - 1) ** 2];
  const [a, b] = [
    excessAt(table, exit, bin, age, 'conditional'),
    excessAt(table, unconditional, bin, age, 'unconditional'),
  ];
  return {
    mean: on * a.mean + off * b.mean,
    standardError: on * a.standardError + off * b.standardError,
  };
}

function agedExcess(table: ErrorTable, exit: number, bin: number, age: number): Excess | undefined {
  const { ages, byAge = [], steps, exits } = table;
  const own = exits[exit];
  if (!ages || !own || remembering([own]).length === 0) return undefined;
  const points = byAge.flatMap((at) => {
    const [mean, standardError] = [at.excess.mean[exit]?.[bin], at.excess.standardError[exit]?.[bin]];
    return typeof mean === 'number' && typeof standardError === 'number'
      ? [{ age: at.age, mean, standardError }]
      : [];
  });
  const asked = age / strideOf(ages, steps);
  const after = points.findIndex((point) => point.age >= asked);
  const next = points.at(after) ?? points.at(-1);
  const before = after < 0 ? next : (points[after - 1] ?? next);
  if (!next || !before) return undefined;
  const part = next.age > before.age ? (asked - before.age) / (next.age - before.age) : 0;
  const between = (a: number, b: number): number => a + part * (b - a);
  return {
    mean: between(before.mean, next.mean),
    standardError: between(before.standardError, next.standardError),
  };
}

function cell({ mean, standardError }: Statistic, exit: number, bin: number): Excess {
  const [value, error] = [mean[exit]?.[bin], standardError[exit]?.[bin]];
  if (typeof value !== 'number' || typeof error !== 'number')
    throw new Error(`exit ${exit} has no error in bin ${bin}`);
  return { mean: value, standardError: error };
}
