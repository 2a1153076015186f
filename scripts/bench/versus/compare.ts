// How do the sides of a case compare? Each one alone first: same numbers? how much memory? Then all take turns.
import { messageOf } from '../../../src/errors.js';
import { difference, type Findings } from './agreement.js';
import type { Case } from './cases.js';
import type { Job } from './job.js';
import { play, type Player, type Program } from './player.js';
import type { CaseResult } from './results.js';
import { sides, type Side, type SideName } from './sides.js';

export interface CompareOptions {
  readonly names: readonly SideName[];
  readonly programOf: (side: Side) => Program;
  readonly threads: number;
  readonly rounds: number;
}

type Shared = Omit<Job, 'side' | 'threads'>;

/** Times done before anything is timed; the first two also allocate memory, or compile. */
const warmUp = 3;
/** A turn lasts about so long for the slowest side, in milliseconds. */
const turn = 1500;
const mostPerTurn = 20;

interface Solo extends Findings {
  readonly name: SideName;
  readonly macs: number | null;
  readonly peakMegabytes: number | null;
  readonly idleMegabytes: number | null;
  readonly milliseconds: number;
  /** From the first side that does the same work. */
  readonly difference: number;
}

/** @throws Error if two sides that should do the same work find different numbers */
export async function compare(one: Case, shared: Shared, options: CompareOptions): Promise<CaseResult> {
  const notes: string[] = [];
  const solos: Solo[] = [];
  for (const name of options.names) {
    const solo = await alone(name, shared, options).catch((error: unknown) => {
      notes.push(`${name} did not run: ${messageOf(error).split('\n')[0]}`);
    });
    if (!solo) continue;
    const reference = solos.find((other) => sides[other.name].scheduled === sides[name].scheduled);
    solos.push({ ...solo, difference: reference ? difference(name, sides[name], solo, reference) : 0 });
  }
  const slowest = Math.max(...solos.map(({ milliseconds }) => milliseconds));
  const times = Math.min(mostPerTurn, Math.max(1, Math.round(turn / slowest)));
  const rounds = await inTurns(solos, shared, options, times);
  const macs = solos.find((solo) => solo.macs)?.macs;
  return {
    ...{ name: one.name, batch: one.batch, notes },
    macs: macs ? macs * one.batch : null,
    sides: solos.map(({ name, peakMegabytes, idleMegabytes, difference }) => {
      const all = rounds.flatMap((round) => round.get(name) ?? []);
      const time = { milliseconds: median(all), best: Math.min(...all) };
      return { name, ...time, peakMegabytes, idleMegabytes, difference };
    }),
    ratios: solos.flatMap((side) =>
      solos
        .filter((than) => than !== side)
        .map((than) => ({
          side: side.name,
          than: than.name,
          times: median(rounds.map(ratio(side.name, than.name))),
        })),
    ),
  };
}

/** Opens a side in a process of its own. */
async function open(name: SideName, shared: Shared, { programOf, threads }: CompareOptions) {
  const side = sides[name];
  const player = play(programOf(side), threads);
  try {
    const opened = await player.ask<'open'>({ do: 'open', job: { ...shared, side, threads } });
    const { milliseconds, results } = await player.ask<'run'>({ do: 'run', times: warmUp });
    return { player, ...opened, results, milliseconds: milliseconds.at(-1) ?? NaN };
  } catch (error) {
    await player.close();
    throw error;
  }
}

async function alone(
  name: SideName,
  shared: Shared,
  options: CompareOptions,
): Promise<Omit<Solo, 'difference'>> {
  const { player, ...found } = await open(name, shared, options);
  try {
    const { megabytes } = await player.ask<'peak'>({ do: 'peak' });
    const { state } = await player.ask<'state'>({ do: 'state' });
    return { name, peakMegabytes: megabytes, state, ...found };
  } finally {
    await player.close();
  }
}

type Round = ReadonlyMap<SideName, readonly number[]>;

/** All sides are warm, and one computes at a time; who begins changes from round to round. */
async function inTurns(
  solos: readonly Solo[],
  shared: Shared,
  options: CompareOptions,
  times: number,
): Promise<readonly Round[]> {
  const players: [SideName, Player][] = [];
  try {
    for (const { name } of solos) players.push([name, (await open(name, shared, options)).player]);
    const rounds: Round[] = [];
    for (let i = 0; i < options.rounds; i++) {
      const round = new Map<SideName, readonly number[]>();
      for (const [name, player] of i % 2 === 0 ? players : players.toReversed())
        round.set(name, (await player.ask<'run'>({ do: 'run', times })).milliseconds);
      rounds.push(round);
    }
    return rounds;
  } finally {
    for (const [, player] of players) await player.close();
  }
}

/** How many times as fast `side` was in a round. */
function ratio(side: SideName, than: SideName): (round: Round) => number {
  return (round) => median(round.get(than) ?? []) / median(round.get(side) ?? []);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [lower, upper] = [Math.floor, Math.ceil].map((half) => sorted[half((sorted.length - 1) / 2)] ?? NaN);
  return ((lower ?? NaN) + (upper ?? NaN)) / 2;
}
