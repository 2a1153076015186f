// Which schedules are one move away from another and cost no more? Those that a refinement tries.

export interface Neighbourhood {
  /** Exits that a step may run, ascending; the last is the whole backbone. */
  readonly exits: readonly number[];
  /** Whether a schedule may be drawn: it keeps the budget, and remembers nothing too early. */
  allows(exits: readonly number[]): boolean;
  /** What a schedule should lose; the most promising come first. */
  loss(exits: readonly number[]): number;
}

/**
 * All schedules that one move makes of this one, those with the least predicted loss first, each once. A move exchanges
 * the exits of two steps, or takes one step to the next deeper exit and another to the next shallower one.
 * @param from exit of every step
 */
export function neighboursOf(
  from: readonly number[],
  neighbourhood: Neighbourhood,
): readonly (readonly number[])[] {
  const { exits } = neighbourhood;
  const place = from.map((exit) => exits.indexOf(exit));
  const found = new Map<string, readonly number[]>();
  const add = (i: number, atI: number | undefined, j: number, atJ: number | undefined): void => {
    if (atI === undefined || atJ === undefined) return;
    const moved = from.with(i, atI).with(j, atJ);
    const isNew = moved.some((exit, step) => exit !== from[step]) && !found.has(moved.join());
    if (isNew && neighbourhood.allows(moved)) found.set(moved.join(), moved);
  };
  for (const [i, here] of from.entries())
    for (const [j, there] of from.entries()) {
      if (i === j) continue;
      if (i < j) add(i, there, j, here);
      add(i, exits[(place[i] ?? NaN) + 1], j, exits[(place[j] ?? NaN) - 1]);
    }
  return [...found.values()]
    .map((moved) => ({ moved, loss: neighbourhood.loss(moved) }))
    .sort((a, b) => a.loss - b.loss)
    .map(({ moved }) => moved);
}
