// How sure is a distance between two sets of vectors? Each vector's part in it says so, and what two distances share cancels.

/**
 * A distance estimated from samples, with the part that each of them has in it: the first-order terms of its von Mises
 * (for U-statistics: Hoeffding) expansion, up to a constant.
 */
export interface Estimate {
  readonly value: number;
  /** As if both sets were drawn anew. */
  readonly standardError: number;
  /** [count of generated vectors]: that of each; the distance moves by the mean of their changes. */
  readonly terms: Float64Array;
  /** [count of reference vectors]: the same of those. */
  readonly referenceTerms: Float64Array;
}

/** A number and its standard error. */
export type Uncertain = Pick<Estimate, 'value' | 'standardError'>;

/** An estimate with the standard error that its terms give: (var(terms) / count + the same of the reference)^(1/2). */
export function estimateOf(value: number, terms: Float64Array, referenceTerms: Float64Array): Estimate {
  return { value, standardError: errorOf(terms, referenceTerms), terms, referenceTerms };
}

/**
 * Distance a less distance b, of sets whose vector i came from the same noise, to one reference. Terms are subtracted
 * vector by vector, so what both sets owe to that noise and to the choice of the reference does not count as error.
 * @throws RangeError if the sets are not of one size
 */
export function differenceOf(a: Estimate, b: Estimate): Uncertain {
  return {
    value: a.value - b.value,
    standardError: errorOf(subtracted(a.terms, b.terms), subtracted(a.referenceTerms, b.referenceTerms)),
  };
}

function subtracted(a: Float64Array, b: Float64Array): Float64Array {
  if (a.length !== b.length)
    throw new RangeError(`estimates of ${a.length} and of ${b.length} vectors are not paired`);
  return a.map((value, i) => value - (b[i] ?? NaN));
}

function errorOf(...sets: readonly Float64Array[]): number {
  return Math.sqrt(sets.reduce((sum, terms) => sum + variance(terms) / terms.length, 0));
}

/** With the divisor count - 1. */
function variance(values: Float64Array): number {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

export function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
