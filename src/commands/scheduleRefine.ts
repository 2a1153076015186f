// exithead schedule --refine: moves to the schedule near the solved one that draws best at no more cost.
import { refineRun } from '../bundle/refineRun.js';
import { engineLine } from '../engine/engine.js';
import { Interrupted } from '../errors.js';
import type { StepCount } from '../schedules/overSteps.js';
import type { Difference, Round } from '../schedules/refine.js';
import type { Schedule } from '../schedules/schedule.js';
import type { Trained } from '../training/openTrained.js';
import type { Terminal } from './terminal.js';
import type { Call } from './verb.js';
import { workOf } from './work.js';

/** What --json says of a search. */
export interface Search {
  readonly stopped: string;
  readonly rounds: readonly {
    readonly tried: number;
    readonly steps: number;
    readonly exits: readonly number[];
    readonly unconditional?: readonly number[] | undefined;
    readonly seen: Difference;
    readonly proved: Difference | null;
    readonly moved: boolean;
  }[];
}

export interface Refinement {
  readonly schedule: Schedule;
  readonly search?: Search;
  /** The user stopped it: the schedule is the best until then. */
  readonly isStopped?: boolean;
}

/** Says what a search would draw, or does it. */
export async function refinedSchedule(
  trained: Trained,
  counts: readonly StepCount[],
  start: Schedule,
  call: Pick<Call, 'signal' | 'dryRun'>,
  terminal: Terminal,
): Promise<Refinement> {
  const { by, samples, candidates, rounds } = trained.config.schedule.refine;
  if (call.dryRun) {
    const sets = rounds * (candidates + 3) + 2;
    terminal.line(
      `refining draws at most ${sets} sets of ${samples} images, each for what a schedule or full depth costs`,
    );
    return { schedule: start };
  }
  const work = await workOf(trained.config, call, terminal, 'refine');
  terminal.line(engineLine(work.engine));
  const made: Round<Schedule>[] = [];
  const refined = await refineRun({
    ...{ ...work, trained, counts, start, progressOf: (label) => terminal.progress(label) },
    onRound(round) {
      made.push(round);
      terminal.line(told(round, by));
    },
  }).catch((error: unknown) => {
    if (error instanceof Interrupted) return undefined;
    throw error;
  });
  if (!refined) {
    const best = made.findLast(({ moved }) => moved)?.best ?? start;
    return { schedule: best, search: searchOf('by you', made), isStopped: true };
  }
  terminal.line(why[refined.stopped]);
  return { schedule: refined.best, search: searchOf(refined.stopped, made) };
}

function searchOf(stopped: string, rounds: readonly Round<Schedule>[]): Search {
  return {
    stopped,
    rounds: rounds.map(({ tried, best: to, seen, proved = null, moved }) => ({
      ...{ tried, steps: to.timesteps.length, exits: to.exits, seen, proved, moved },
      ...(to.unconditional && { unconditional: to.unconditional }),
    })),
  };
}

function told({ tried, best, seen, proved, moved }: Round<Schedule>, by: string): string {
  const difference = ({ value, standardError }: Difference): string =>
    `${value.toExponential(2)} ± ${standardError.toExponential(1)}`;
  const again = proved ? `, and ${difference(proved)} in fresh noise` : '';
  return (
    `the best of ${tried} neighbours has ${best.timesteps.length} steps and changes ${by} by ${difference(seen)}${again}: ` +
    (moved ? 'taken' : 'left')
  );
}

const why = {
  noise: 'refined until no neighbour was better by two standard errors',
  none: 'refined until there was no neighbour left',
  rounds: 'stopped after schedule.refine.rounds moves; there may be more to gain',
} as const;
