// Do two sides do the same work? Their numbers must agree, or their speeds cannot be compared.
import type { Side } from './sides.js';

/** Numbers that a side found: of every time it did the work, and of the averaged weights after the last. */
export interface Findings {
  readonly results: readonly (readonly number[])[];
  readonly state: readonly number[];
}

/** Largest difference that is allowed, over the largest number: rounding, and what narrow numbers cost. */
const tolerances = { fp32: 1e-3, bf16: 0.1, int8: 0.2 };
/** Where a gradient is zero but for rounding, AdamW moves a weight up or down by chance; such weights are few. */
const shareOfWeights = 0.95;

/**
 * How far a side is from the reference.
 * @throws Error if that is more than rounding explains
 */
export function difference(name: string, side: Side, found: Findings, reference: Findings): number {
  const results = distances(found.results.flat(), reference.results.flat()).at(-1) ?? 0;
  const states = distances(found.state, reference.state);
  const state = states[Math.ceil(shareOfWeights * states.length) - 1] ?? 0;
  const most = tolerances[side.dtype];
  const worst = Math.max(results, state);
  if (!(worst <= most) || found.results.length !== reference.results.length)
    throw new Error(
      `${name} does other work: its results differ by ${results.toExponential(1)} and its weights by ` +
        `${state.toExponential(1)}, more than ${most}`,
    );
  return worst;
}

/** Differences over the largest expected number, ascending; what is not a number is infinitely far. */
function distances(actual: readonly number[], expected: readonly number[]): number[] {
  const scale = Math.max(...expected.map(Math.abs), 1e-30);
  const each = expected.map((value, i) => Math.abs((actual[i] ?? NaN) - value) / scale);
  return each.map((d) => (Number.isNaN(d) ? Infinity : d)).toSorted((a, b) => a - b);
}
