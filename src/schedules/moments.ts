// What are the mean and its standard error of numbers that come one by one? Welford's recurrence, cell by cell.

/** Running statistics of many independent cells. */
export interface Moments {
  add(cell: number, value: number): void;
  count(cell: number): number;
  /** null before the first value. */
  mean(cell: number): number | null;
  /** Standard error of the mean, sqrt(sample variance / count); null before the second value. */
  standardError(cell: number): number | null;
}

/** Welford (Technometrics 4:3, 1962): no sum of squares, so nothing cancels when the spread is small. */
export function moments(cells: number): Moments {
  const [counts, means, spreads] = [
    new Float64Array(cells),
    new Float64Array(cells),
    new Float64Array(cells),
  ];
  const at = (values: Float64Array, cell: number): number => values[cell] ?? NaN;
  return {
    add(cell, value) {
      const count = at(counts, cell) + 1;
      const before = value - at(means, cell);
      const mean = at(means, cell) + before / count;
      counts[cell] = count;
      means[cell] = mean;
      spreads[cell] = at(spreads, cell) + before * (value - mean);
    },
    count: (cell) => at(counts, cell),
    mean: (cell) => (at(counts, cell) > 0 ? at(means, cell) : null),
    standardError(cell) {
      const count = at(counts, cell);
      return count > 1 ? Math.sqrt(at(spreads, cell) / (count - 1) / count) : null;
    },
  };
}
