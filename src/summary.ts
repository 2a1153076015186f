// What do several seeds and batches say together, and how surely?

/** A mean with its standard error, which a single number does not have. */
export interface Mean {
  readonly mean: number;
  readonly standardError: number | null;
}

/** The mean of independent numbers, and the standard error that their spread gives: (variance / count)^(1/2). */
export function meanOver(values: readonly number[]): Mean {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: count < 2 ? null : Math.sqrt(squares / (count - 1) / count) };
}

/**
 * How many times as long a took as b, batch by batch in turns: the ratio of the sums, and its standard error from the
 * spread of a - ratio b (Cochran, "Sampling Techniques", 1977, section 6.4), in which a machine that slows both cancels.
 */
export function ratioOver(a: readonly number[], b: readonly number[]): Mean {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} batches are not paired`);
  const [first, second] = [meanOver(a).mean, meanOver(b).mean];
  const ratio = first / second;
  const { standardError } = meanOver(a.map((value, i) => value - ratio * (b[i] ?? NaN)));
  return { mean: ratio, standardError: standardError === null ? null : standardError / second };
}
