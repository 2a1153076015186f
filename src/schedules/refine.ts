// Which schedule near the predicted best is the best that was drawn? A search that trusts no difference within the noise.

/** Of two losses: a number and its standard error. */
export interface Difference {
  readonly value: number;
  readonly standardError: number;
}

/** @typeParam Measured what is known of a schedule after it was drawn */
export interface Refinement<Measured> {
  /** Exit of every step. */
  readonly start: readonly number[];
  /** Schedules near one that cost no more, the most promising first. */
  neighbours(exits: readonly number[]): readonly (readonly number[])[];
  /**
   * Draws with these exits and sees what comes of it.
   * @param noise number of the noise to begin with: measurements with the same one are compared
   */
  measure(exits: readonly number[], noise: number): Promise<Measured>;
  /** Loss of a less that of b, which began with the same noise. */
  difference(a: Measured, b: Measured): Difference;
  /** Neighbours to try in a round. */
  readonly abreast: number;
  /** Most moves. */
  readonly rounds: number;
  /** Told after every round. */
  readonly onRound?: (round: Round) => void;
}

export interface Round {
  readonly exits: readonly number[];
  /** The best neighbour that was tried. */
  readonly best: readonly number[];
  /** Its loss less that of `exits`, in the noise that chose it. */
  readonly seen: Difference;
  /** The same in fresh noise; undefined where it did not even seem better. */
  readonly proved: Difference | undefined;
  readonly moved: boolean;
}

export interface Refined {
  readonly exits: readonly number[];
  readonly rounds: readonly Round[];
  /**
   * noise: the best neighbour is not better by more than chance; none: there was no neighbour left to try; rounds: there
   * might be more to gain.
   */
  readonly stopped: 'noise' | 'none' | 'rounds';
}

/** A move must be this many standard errors better. */
const certain = 2;

/**
 * Moves to better neighbours while there are any. All neighbours of a round are drawn from one noise; the best of them is
 * then drawn again from noise that chose nothing, beside the schedule that it is to replace, since the best of many seems
 * better than it is. It takes the place if it is better by two standard errors there.
 */
export async function refine<Measured>(problem: Refinement<Measured>): Promise<Refined> {
  const rounds: Round[] = [];
  const refused = new Set<string>();
  let exits = problem.start;
  let current: Awaited<Measured> = await problem.measure(exits, 0);
  while (rounds.length < problem.rounds) {
    refused.add(exits.join());
    const tried = problem
      .neighbours(exits)
      .filter((one) => !refused.has(one.join()))
      .slice(0, problem.abreast);
    const seen: { exits: readonly number[]; measured: Awaited<Measured>; less: Difference }[] = [];
    for (const one of tried) {
      const measured = await problem.measure(one, 0);
      seen.push({ exits: one, measured, less: problem.difference(measured, current) });
    }
    const best = seen.sort((a, b) => a.less.value - b.less.value)[0];
    if (!best) return { exits, rounds, stopped: 'none' };
    const fresh = rounds.length + 1;
    const proved =
      best.less.value < 0
        ? problem.difference(await problem.measure(best.exits, fresh), await problem.measure(exits, fresh))
        : undefined;
    const moved = proved !== undefined && proved.value < -certain * proved.standardError;
    const round = { exits, best: best.exits, seen: best.less, proved, moved };
    rounds.push(round);
    problem.onRound?.(round);
    if (!moved) return { exits, rounds, stopped: 'noise' };
    exits = best.exits;
    current = best.measured;
  }
  return { exits, rounds, stopped: 'rounds' };
}
