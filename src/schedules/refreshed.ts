// What are the simplest schedules of heads that remember? Full depth at every n-th step, and one exit between them.
import { remembering, type ErrorTable } from './errorTable.js';

/** Exits of every step: full depth throughout, and every n with every exit that remembers. */
export function refreshedPatterns(table: ErrorTable, steps: number): readonly (readonly number[])[] {
  const depth = table.exits.at(-1)?.exit ?? NaN;
  const intervals = Array.from({ length: mostEvery(table, steps) - 1 }, (_, i) => i + 2);
  return [
    refreshedPattern(depth, depth, 1, steps),
    ...remembering(table.exits).flatMap(({ exit }) =>
      intervals.map((n) => refreshedPattern(depth, exit, n, steps)),
    ),
  ];
}

/** Full depth at the first and every n-th step after it, another exit between. */
export function refreshedPattern(depth: number, exit: number, n: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, step) => (step % n === 0 ? depth : exit));
}

/**
 * The largest n of a sampler with that many steps whose memories are no older, in native t, than those that were measured:
 * n - 1 of its strides span at most `every` - 1 of the measured ones.
 */
export function mostEvery({ ages }: Pick<ErrorTable, 'ages'>, steps: number): number {
  if (!ages) return 1;
  const strides = ages.steps > 1 ? (steps - 1) / (ages.steps - 1) : 1;
  // A ratio that is whole must not fall below it by a rounding error.
  return 1 + Math.floor((ages.every - 1) * strides + 1e-9);
}
