// Which heads learn in step n, and how much does each count? A function of the step, so a resumed run needs no memory.
import { unreachable } from '../errors.js';

/**
 * - all: every head in every step;
 * - rotating: groups of so many neighbouring exits take turns, one group a step;
 * - gradual: the deepest head begins; the others join one by one at equal distances, the shallowest after that share of
 *   the training.
 */
export type Curriculum =
  | { readonly kind: 'all' }
  | { readonly kind: 'rotating'; readonly group: number }
  | { readonly kind: 'gradual'; readonly share: number };

/**
 * How much each head counts in a step.
 * - all: its weight w_k;
 * - rotating: of G groups the one whose turn it is counts G w_k, so that over a whole turn a head counts w_k on average;
 * - gradual: w_k over the sum of those that have joined.
 *
 * A head that counts 0 has no gradient, but AdamW goes on with what it has: the last moments fade out, and weight decay
 * shrinks it. A head that joins late moves up to 6.6 times as fast as the learning rate says in its first hundred steps,
 * since the moments are corrected by the steps of the run.
 * @param weights of the heads in the order of their exits, none negative
 * @param step from 0
 * @param steps of the whole training
 */
export function importanceAt(
  curriculum: Curriculum,
  weights: readonly number[],
  step: number,
  steps: number,
): readonly number[] {
  switch (curriculum.kind) {
    case 'all':
      return weights;
    case 'rotating': {
      const groups = Math.ceil(weights.length / curriculum.group);
      return weights.map((weight, k) =>
        Math.floor(k / curriculum.group) === step % groups ? groups * weight : 0,
      );
    }
    case 'gradual': {
      // Heads that never count do not hold up the others.
      const counting = weights.flatMap((weight, k) => (weight > 0 ? [k] : [])).reverse();
      const distance = (curriculum.share * steps) / Math.max(1, counting.length - 1);
      const joined = new Set(counting.filter((_, rank) => rank * distance <= step));
      const sum = weights.reduce((total, weight, k) => total + (joined.has(k) ? weight : 0), 0);
      return weights.map((weight, k) => (joined.has(k) ? weight / sum : 0));
    }
    default:
      return unreachable(curriculum);
  }
}
