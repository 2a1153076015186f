// How are drifts measured? Exits answer one call of a real trajectory, or two, and all other calls are at full depth.
import { setImmediate } from 'node:timers/promises';
import { levelAt } from '../diffusion/levels.js';
import { epsilonPer } from '../diffusion/prediction.js';
import { Interrupted } from '../errors.js';
import { callsOf } from '../samplers/solvers.js';
import { stream } from '../random.js';
import type { Progress } from '../training/progress.js';
import type { Statistic } from './errorTable.js';
import { noJournal, type Entry, type Journal } from './journal.js';
import { driftsOf, followed, meanSquare, minus, type FollowOptions, type Followed } from './follow.js';
import { moments, type Moments } from './moments.js';
import { ratio } from './ratio.js';
import { rankCorrelation } from './scores.js';
import type { Trajectories } from './trajectories.js';

/** One trajectory: what an exit predicts, of samples with labels y; it remembers full depth from call to call. */
export type PredictAt = (
  exit: number,
  x: Float32Array,
  t: number,
  y: Int32Array,
  call: number,
) => Promise<Float32Array>;

/** An early exit. */
export interface EarlyExit {
  readonly exit: number;
  readonly remembers: boolean;
  /** Multiply-adds of a pass over those of full depth. */
  readonly share: number;
}

/** What is measured on every trajectory. */
export interface TrajectoriesPlan extends Omit<FollowOptions, 'length' | 'classes'> {
  /** Ascending, without the backbone itself. */
  readonly exits: readonly EarlyExit[];
  /** How many pairs of calls and exits to draw, at most. */
  readonly pairs: number;
  /** Fewer steps, ascending, each with its native times. */
  readonly fewer: readonly { readonly steps: number; readonly timesteps: readonly number[] }[];
}

export interface TrajectoriesOptions extends TrajectoriesPlan, FollowOptions {
  readonly depth: number;
  /** Trajectories, at least 2. */
  readonly samples: number;
  readonly batch: number;
  begin(): PredictAt;
  /** Recalls what was measured before; nothing unless given. */
  readonly journal?: Journal;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Calls that exits answer, by call. */
type Changes = ReadonlyMap<number, EarlyExit>;

export interface MeasuredPair {
  readonly first: Change;
  readonly second: Change;
}
interface Change {
  readonly call: number;
  readonly exit: EarlyExit;
}

/**
 * drift_ik = E|x' - x|^2: x is the final sample at full depth throughout, x' from the same noise where exit k answers call
 * i and no other; one that remembers was given the call before. Of pairs the same where exits answer two calls: how far
 * that is from the sum of both alone is what an additive model of a schedule misses. The excess of an exit there is that of
 * an error table, at what is sampled instead of noisy data.
 * @throws Interrupted after the signal; the journal alone keeps what was measured
 */
export async function measureTrajectories(
  options: TrajectoriesOptions,
): Promise<Pick<Trajectories, 'single' | 'pairs' | 'additive' | 'steps'>> {
  const { samples, exits, depth, signal, progress, fewer, journal = noJournal } = options;
  const calls = callsOf(options.solver, options.diffusion, options.timesteps).length;
  const pairs = pairsOf(options);
  const [single, excess] = [moments(exits.length * calls), moments(exits.length * calls)];
  const both = moments(pairs.length);
  const sums = moments(pairs.length);
  const inFewer = moments(fewer.length);
  const additive = ratio();
  const work = trajectoryPasses(options);
  let done = 0;
  try {
    for (let from = 0; from < samples; from += options.batch) {
      const count = Math.min(options.batch, samples - from);
      const did = async (passes: number): Promise<void> => {
        done += passes * count;
        progress.update(Math.round(done), Math.round(work * samples), {});
        // An eager engine blocks the event loop while it computes; here signals get their turn.
        await setImmediate();
        if (signal.aborted) throw new Interrupted(`stopped after ${from} of ${samples} samples.`);
      };
      // Not drawn again where all that begins from it is recalled.
      let known: Promise<Followed> | undefined;
      const drawn = async (): Promise<Followed> => {
        const predict = options.begin();
        return followed(options, { from, count }, (...asked) => predict(depth, ...asked));
      };
      const trajectory = (): Promise<Followed> => (known ??= drawn());
      const follow = async (changes: Changes): Promise<Entry> => {
        const entry = await journal.next(async () => changed(options, await trajectory(), changes));
        await did(passesOf(changes, calls));
        return entry;
      };
      await did(calls);
      const alone = new Map<string, readonly number[]>();
      for (const [k, exit] of exits.entries())
        for (let call = firstOf(exit); call < calls; call++) {
          const [drifts = [], excesses = []] = await follow(new Map([[call, exit]]));
          alone.set(keyOf({ call, exit }), drifts);
          drifts.forEach((drift) => single.add(k * calls + call, drift));
          excesses.forEach((value) => excess.add(k * calls + call, value));
        }
      const [drifted, summed] = [new Float64Array(count), new Float64Array(count)];
      for (const [p, { first, second }] of pairs.entries()) {
        const [drifts = []] = await follow(new Map([first, second].map(({ call, exit }) => [call, exit])));
        drifts.forEach((drift, i) => {
          const sum = (alone.get(keyOf(first))?.[i] ?? NaN) + (alone.get(keyOf(second))?.[i] ?? NaN);
          both.add(p, drift);
          sums.add(p, sum);
          drifted[i] = (drifted[i] ?? 0) + drift;
          summed[i] = (summed[i] ?? 0) + sum;
        });
      }
      drifted.forEach((drift, i) => additive.add(drift, summed[i] ?? NaN));
      for (const [n, { timesteps }] of fewer.entries()) {
        const [drifts = []] = await journal.next(async () => {
          const ended = options.begin();
          const { final } = await followed({ ...options, timesteps }, { from, count }, (...of) =>
            ended(depth, ...of),
          );
          return [driftsOf(final, await trajectory())];
        });
        drifts.forEach((drift) => inFewer.add(n, drift));
        await did(callsOf(options.solver, options.diffusion, timesteps).length);
      }
    }
  } finally {
    progress.end();
  }
  const rows = (value: (cell: number) => number | null): (number | null)[][] =>
    [...exits.keys(), exits.length].map((k) =>
      Array.from({ length: calls }, (_, call) => (k < exits.length ? value(k * calls + call) : 0)),
    );
  const statistic = (of: Moments): Statistic => ({
    mean: rows((cell) => of.mean(cell)),
    standardError: rows((cell) => of.standardError(cell)),
  });
  const found = pairs.map(({ first, second }, p) => ({
    first: { call: first.call, exit: first.exit.exit },
    second: { call: second.call, exit: second.exit.exit },
    ...{ drift: both.mean(p) ?? NaN, standardError: both.standardError(p) ?? NaN, sum: sums.mean(p) ?? NaN },
  }));
  return {
    single: { drift: statistic(single), excess: statistic(excess) },
    pairs: found,
    additive:
      found.length === 0
        ? null
        : {
            ...{ ratio: additive.value(), standardError: additive.standardError() },
            rankCorrelation: rankCorrelation(
              found.map(({ drift }) => drift),
              found.map(({ sum }) => sum),
            ),
          },
    steps: [
      ...fewer.map(({ steps }, n) => ({
        ...{ steps, drift: inFewer.mean(n) ?? NaN, standardError: inFewer.standardError(n) ?? NaN },
      })),
      { steps: options.timesteps.length, drift: 0, standardError: 0 },
    ],
  };
}

/**
 * How far each sample ends from full depth where exits answer some calls, and how far the first of them is from it there.
 * @returns both, by sample
 */
async function changed(options: TrajectoriesOptions, of: Followed, changes: Changes): Promise<Entry> {
  const { depth, diffusion, length } = options;
  const predict = options.begin();
  const first = Math.min(...changes.keys());
  const before = needsFull(changes) ? of.asked[first - 1] : undefined;
  // What an exit remembers belongs to a trajectory: this one begins at its last full-depth call.
  if (before) await predict(depth, before.x, before.t, of.y, first - 1);
  let excesses: readonly number[] = [];
  const moved = await of.goOn(first, async (x, t, call) => {
    const answer = await predict(changes.get(call)?.exit ?? depth, x, t, of.y, call);
    if (call === first) {
      const off = minus(answer, of.asked[call]?.answer ?? answer, of.y.length, length);
      const scale = epsilonPer(diffusion.prediction, levelAt(diffusion, t).alpha);
      excesses = Array.from(of.y, (_, i) => scale * meanSquare(i, length, (j) => off[j] ?? NaN));
    }
    return answer;
  });
  return [driftsOf(moved, of), excesses];
}

function needsFull(changes: Changes): boolean {
  return [...changes.values()].some(({ remembers }) => remembers);
}

/** The first call that it can answer. */
function firstOf({ remembers }: EarlyExit): number {
  return remembers ? 1 : 0;
}

function keyOf({ call, exit }: Change): string {
  return `${call} ${exit.exit}`;
}

/** Pairs of different calls, each with any exit that can answer it; none twice. */
export function pairsOf(options: TrajectoriesPlan): readonly MeasuredPair[] {
  const { exits, seed, pairs, solver, diffusion, timesteps } = options;
  const calls = callsOf(solver, diffusion, timesteps).length;
  const changes = exits.flatMap((exit) =>
    Array.from({ length: calls }, (_, call) => ({ call, exit })).slice(firstOf(exit)),
  );
  const found = new Map<string, MeasuredPair>();
  const random = stream(seed, 'pairs of exits');
  // Few changes make few pairs, some of which come up again.
  for (let tries = 0; changes.length > 1 && tries < 20 * pairs && found.size < pairs; tries++) {
    const drawn = [0, 1].map(() => changes[random.integer(changes.length)]);
    const [first, second] = drawn.toSorted((a, b) => (a?.call ?? NaN) - (b?.call ?? NaN));
    if (!first || !second || first.call === second.call) continue;
    found.set(`${keyOf(first)}, ${keyOf(second)}`, { first, second });
  }
  return [...found.values()];
}

/** Passes, in those of full depth, that one measurement takes for each sample. */
export function trajectoryPasses(options: TrajectoriesPlan): number {
  const { exits, solver, diffusion, timesteps, fewer } = options;
  const count = (times: readonly number[]): number => callsOf(solver, diffusion, times).length;
  const calls = count(timesteps);
  const alone = exits.flatMap((exit) =>
    Array.from({ length: calls }, (_, call) => passesOf(new Map([[call, exit]]), calls)).slice(firstOf(exit)),
  );
  const pairs = pairsOf(options).map(({ first, second }) =>
    passesOf(new Map([first, second].map(({ call, exit }) => [call, exit])), calls),
  );
  return [calls, ...alone, ...pairs, ...fewer.map(({ timesteps }) => count(timesteps))].reduce(
    (sum, passes) => sum + passes,
    0,
  );
}

function passesOf(changes: Changes, calls: number): number {
  const first = Math.min(...changes.keys());
  const early = [...changes.values()].reduce((sum, { share }) => sum + share, 0);
  return calls - first - changes.size + early + (needsFull(changes) && first > 0 ? 1 : 0);
}
