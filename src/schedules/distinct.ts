// Which exits is the best schedule made of, where using one more has a price or is forbidden? Branch and bound over sets.
import { tightest } from './bound.js';
import type { Path, PathProblem } from './layered.js';
import { solvePaths } from './paths.js';

/** Schedules whose cost depends on which exits they use anywhere. */
export interface ExitSets {
  /** All exits that may be used. */
  readonly exits: readonly number[];
  /** Most different exits in a schedule. */
  readonly most: number;
  /**
   * Schedules of these exits alone.
   * @param charged what they pay for: a schedule that uses fewer could be had for less
   */
  problem(allowed: readonly number[], charged: readonly number[]): PathProblem;
  used(path: Path): readonly number[];
  /** Whether being used costs something, beside the steps themselves. */
  isCharged(exit: number): boolean;
}

/**
 * The path that loses least, as `solvePaths`. Of every set of exits it asks which exit to decide on next: one branch has
 * it and pays for it, the other does without. A branch is left where no schedule of it beats the best known, by the
 * Lagrangian bound.
 * @returns undefined if no path keeps the budget
 */
export function solveSets(sets: ExitSets): Path | undefined {
  let best: Path | undefined;
  const visit = (taken: readonly number[], open: readonly number[]): void => {
    const undecided = taken.length >= sets.most ? [] : open;
    const problem = sets.problem([...taken, ...undecided], taken);
    const near = tightest(problem);
    if (!near || (best && near.bound > best.lost)) return;
    const path = solvePaths(problem);
    if (!path) return;
    const more = sets.used(path).filter((exit) => !taken.includes(exit));
    const charged = more.find((exit) => sets.isCharged(exit));
    // What it uses beyond what is paid for must be within the number, and free.
    if (taken.length + more.length <= sets.most && charged === undefined) {
      const isBetter = !best || path.lost < best.lost || (path.lost === best.lost && path.spent < best.spent);
      if (isBetter) best = path;
      return;
    }
    const next = charged ?? more[0] ?? NaN;
    const rest = undecided.filter((exit) => exit !== next);
    visit([...taken, next], rest);
    visit(taken, rest);
  };
  visit([], sets.exits);
  return best;
}
