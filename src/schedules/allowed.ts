// Does a schedule keep to what was asked of schedules? The rules that the solver builds in (`choices.ts`), one by one.
import { remembering } from './errorTable.js';
import { oldestNative } from './choices.js';
import type { SolveOptions } from './options.js';
import { agesOf, refreshesOf, type Steps } from './schedule.js';

/**
 * Whether the options allow these exits, whatever they cost: exits, `monotone`, `minRun`, `maxExits`, and no memory older
 * than those that were measured. Unlike the solver it lets one half of guidance alone run at full depth, which refreshes
 * nothing.
 */
export function isAllowed(
  options: SolveOptions,
  { exits, unconditional = exits }: Pick<Steps, 'exits' | 'unconditional'>,
): boolean {
  const { table, timesteps, monotone = false, minRun = 1, maxExits = Infinity } = options;
  const depth = table.exits.at(-1)?.exit ?? NaN;
  const memory = remembering(table.exits).map(({ exit }) => exit);
  const used = new Set([...exits, ...unconditional]);
  if (used.size > maxExits) return false;
  if ([...used].some((exit) => exit !== depth && !(options.exits?.includes(exit) ?? true))) return false;
  const ages = agesOf({ timesteps, exits, unconditional }, depth);
  const asks = (i: number): boolean =>
    [exits[i], unconditional[i]].some((exit) => memory.includes(exit ?? NaN));
  if (ages.some((age, i) => asks(i) && !((age ?? Infinity) <= oldestNative(table)))) return false;
  // Where heads remember, full depth belongs to no run.
  const refreshes = memory.length > 0 ? refreshesOf({ exits, unconditional }, depth) : [];
  const between = exits
    .map((exit, i) => [exit, unconditional[i] ?? NaN] as const)
    .filter((_, i) => !refreshes.includes(i));
  const falls = between.some(([exit, other], i) => {
    const [before = 0, otherBefore = 0] = between[i - 1] ?? [];
    return exit < before || other < otherBefore;
  });
  if (monotone && falls) return false;
  const fewest = Math.min(minRun, timesteps.length);
  return runsIn(between.map((pair) => pair.join())).every((run) => run >= fewest);
}

/** Lengths of stretches of equal names. */
function runsIn(names: readonly string[]): number[] {
  return names.reduce<number[]>(
    (runs, name, i) =>
      name === names[i - 1] ? [...runs.slice(0, -1), (runs.at(-1) ?? 0) + 1] : [...runs, 1],
    [],
  );
}
