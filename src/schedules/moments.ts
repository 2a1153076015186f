// What are the mean and its standard error of numbers that come in any order, in any number of parts? Sums without rounding.
import { z } from 'zod';

/** Sums of many independent cells, as a file keeps them. */
export const sumsSchema = z.object({
  count: z.array(z.int().min(0)).describe('numbers in each cell'),
  sum: z.array(z.string().regex(/^-?[0-9a-f]{1,400}$/)).describe('their sum in units of 2^-80, hexadecimal'),
  squares: z
    .array(z.string().regex(/^[0-9a-f]{1,800}$/))
    .describe('sum of their squares in units of 2^-160, hexadecimal'),
});
export type Sums = Readonly<z.output<typeof sumsSchema>>;

/** Running statistics of many independent cells. */
export interface Moments {
  /** @param value finite; what it has below 2^-80 is rounded away */
  add(cell: number, value: number): void;
  count(cell: number): number;
  /** null before the first value. */
  mean(cell: number): number | null;
  /** Standard error of the mean, sqrt(sample variance / count); null before the second value. */
  standardError(cell: number): number | null;
  /** What was added so far. */
  sums(): Sums;
}

/** A number in single precision is a whole multiple of it down to 2^-57, and the smallest error of interest is far above. */
const unit = 2 ** -80;

/**
 * Sums of whole numbers of units are exact, so nothing cancels when the spread is small, and parts that were measured in
 * several places add up to what one place would have found, to the last bit.
 * @param from what was added before, in one or several parts
 */
export function moments(cells: number, from: readonly Sums[] = []): Moments {
  const total = <T>(of: (sums: Sums) => T | undefined, none: T, add: (a: T, b: T) => T): T =>
    from.reduce((all, sums) => add(all, of(sums) ?? none), none);
  const whole = (text: string | undefined): bigint => {
    if (text === undefined) throw new RangeError(`the sums are not those of ${cells} cells`);
    return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
  };
  const each = <T>(value: (cell: number) => T): T[] =>
    Array.from({ length: cells }, (_, cell) => value(cell));
  const counts = each((cell) =>
    total(
      ({ count }) => count[cell],
      0,
      (a, b) => a + b,
    ),
  );
  const totals = each((cell) =>
    total(
      ({ sum }) => whole(sum[cell]),
      0n,
      (a, b) => a + b,
    ),
  );
  const squares = each((cell) =>
    total(
      ({ squares }) => whole(squares[cell]),
      0n,
      (a, b) => a + b,
    ),
  );
  const countOf = (cell: number): number => counts[cell] ?? NaN;
  return {
    add(cell, value) {
      const units = BigInt(Math.round(value / unit));
      counts[cell] = countOf(cell) + 1;
      totals[cell] = (totals[cell] ?? 0n) + units;
      squares[cell] = (squares[cell] ?? 0n) + units * units;
    },
    count: countOf,
    mean: (cell) => (countOf(cell) > 0 ? (Number(totals[cell]) / countOf(cell)) * unit : null),
    standardError(cell) {
      const count = countOf(cell);
      if (count < 2) return null;
      const sum = totals[cell] ?? 0n;
      // count times the sum of squared differences from the mean.
      const spread = BigInt(count) * (squares[cell] ?? 0n) - sum * sum;
      return Math.sqrt(Number(spread) / count / count / (count - 1)) * unit;
    },
    sums: () => ({
      count: [...counts],
      sum: totals.map((value) => value.toString(16)),
      squares: squares.map((value) => value.toString(16)),
    }),
  };
}
