// Which schedule near the predicted best is the best that was drawn? A search that trusts no difference within the noise.

/** Of two losses: a number and its standard error. */
export interface Difference {
  readonly value: number;
  readonly standardError: number;
}

/**
 * @typeParam Candidate a schedule
 * @typeParam Measured what is known of it after it was drawn
 */
export interface Refinement<Candidate, Measured> {
  readonly start: Candidate;
  /** Tells candidates apart. */
  nameOf(candidate: Candidate): string;
  /** Schedules near one that cost no more, the most promising first. */
  neighbours(of: Candidate): readonly Candidate[];
  /**
   * Draws with a schedule and sees what comes of it.
   * @param noise number of the noise to begin with: measurements with the same one are compared
   */
  measure(candidate: Candidate, noise: number): Promise<Measured>;
  /** Loss of a less that of b, which began with the same noise. */
  difference(a: Measured, b: Measured): Difference;
  /** Neighbours to try in a round. */
  readonly abreast: number;
  /** Most moves. */
  readonly rounds: number;
  /** Told after every round. */
  readonly onRound?: (round: Round<Candidate>) => void;
}

export interface Round<Candidate> {
  readonly from: Candidate;
  /** Neighbours that were drawn. */
  readonly tried: number;
  /** The best of them. */
  readonly best: Candidate;
  /** Its loss less that of `from`, in the noise that chose it. */
  readonly seen: Difference;
  /** The same in fresh noise; undefined where it did not even seem better. */
  readonly proved: Difference | undefined;
  readonly moved: boolean;
}

export interface Refined<Candidate> {
  readonly best: Candidate;
  readonly rounds: readonly Round<Candidate>[];
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
export async function refine<Candidate, Measured>(
  problem: Refinement<Candidate, Measured>,
): Promise<Refined<Candidate>> {
  const rounds: Round<Candidate>[] = [];
  const refused = new Set<string>();
  let here = problem.start;
  let current: Awaited<Measured> = await problem.measure(here, 0);
  while (rounds.length < problem.rounds) {
    refused.add(problem.nameOf(here));
    const tried = problem
      .neighbours(here)
      .filter((one) => !refused.has(problem.nameOf(one)))
      .slice(0, problem.abreast);
    const seen: { candidate: Candidate; measured: Awaited<Measured>; less: Difference }[] = [];
    for (const candidate of tried) {
      const measured = await problem.measure(candidate, 0);
      seen.push({ candidate, measured, less: problem.difference(measured, current) });
    }
    const best = seen.sort((a, b) => a.less.value - b.less.value)[0];
    if (!best) return { best: here, rounds, stopped: 'none' };
    const fresh = rounds.length + 1;
    const proved =
      best.less.value < 0
        ? problem.difference(await problem.measure(best.candidate, fresh), await problem.measure(here, fresh))
        : undefined;
    const moved = proved !== undefined && proved.value < -certain * proved.standardError;
    const round = {
      ...{ from: here, tried: tried.length, best: best.candidate, seen: best.less },
      ...{ proved, moved },
    };
    rounds.push(round);
    problem.onRound?.(round);
    if (!moved) return { best: here, rounds, stopped: 'noise' };
    here = best.candidate;
    current = best.measured;
  }
  return { best: here, rounds, stopped: 'rounds' };
}
