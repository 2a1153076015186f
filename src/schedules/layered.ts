// What is a layered graph? One step after the other, in each a choice; what a choice leads to is a state.

/**
 * A way on from a state: at a step it takes a column of `spend` and `lose` and leads to a state before the next step.
 * Without a column it takes no step; then it leads to a later state of the same step.
 */
export interface Move {
  readonly column: number | undefined;
  readonly to: number;
}

/** Paths of n steps from state 0, which must not spend more than a budget. */
export interface PathProblem {
  /** By state. Among equal solutions that with the earlier move at the first difference is taken. */
  readonly moves: readonly (readonly Move[])[];
  /** States in which a path may end; all unless given. */
  readonly ends?: ReadonlySet<number> | undefined;
  /** What each column spends and loses at every step, [n][columns]; Infinity where it cannot be taken. */
  readonly spend: readonly ArrayLike<number>[];
  readonly lose: readonly ArrayLike<number>[];
  /** Most that a path may spend. */
  readonly budget: number;
}

/** Columns of a path, [n], and what they add up to from the last step to the first. */
export interface Path {
  readonly columns: readonly number[];
  readonly spent: number;
  readonly lost: number;
}

/** @param columns of a path, [n] */
export function pathOf({ spend, lose }: PathProblem, columns: readonly number[]): Path {
  let [spent, lost] = [0, 0];
  for (let i = columns.length - 1; i >= 0; i--) {
    spent += spend[i]?.[columns[i] ?? -1] ?? NaN;
    lost += lose[i]?.[columns[i] ?? -1] ?? NaN;
  }
  return { columns, spent, lost };
}

export function isEnd({ ends }: PathProblem, state: number): boolean {
  return ends?.has(state) ?? true;
}
