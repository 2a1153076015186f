// In which ways can the same samples be drawn, and what does each cost? A schedule, and the cheaper alternatives to it.
import type { Model } from '../exits/model.js';
import type { MeasuredExit } from '../schedules/errorTable.js';
import type { Steps } from '../schedules/schedule.js';

/**
 * What a way is:
 * - full-depth: all steps through the whole backbone, what the others are measured against;
 * - scheduled: exits that follow the time;
 * - fewer-steps: the whole backbone, less often;
 * - fixed-exit: one exit at all times;
 * - caching: every n-th step through the whole backbone, the others leave early and add what the blocks they skip did in
 *   the last full step; nothing of it is trained.
 */
export const wayKinds = ['full-depth', 'scheduled', 'fewer-steps', 'fixed-exit', 'caching'] as const;
export type WayKind = (typeof wayKinds)[number];
/** What a schedule has to beat. */
export const baselines = ['fewer-steps', 'fixed-exit', 'caching'] as const satisfies readonly WayKind[];
export type Baseline = (typeof baselines)[number];

/** Which exit runs at which time. */
export interface Course {
  /** Unique among the ways that are compared. */
  readonly name: string;
  readonly kind: WayKind;
  /** Native t in sampling order, from noise to data. */
  readonly timesteps: readonly number[];
  /** Exit of each timestep. */
  readonly exits: readonly number[];
  /** Exit of the half of guidance that asks for nothing, where it has its own. */
  readonly unconditional?: readonly number[] | undefined;
}

/** A course, and the model that runs it. Ways that share a model share what is compiled. */
export interface SamplingWay extends Course {
  readonly model: Model;
  /** Whose nearest step decides the exit of a call, where the steps are those of a schedule for others; else its own. */
  readonly follows?: Steps | undefined;
}

/** What exits cost; they ascend, the last is the whole backbone. */
export type ExitCosts = readonly Pick<MeasuredExit, 'exit' | 'macs' | 'refreshMacs'>[];

/** All steps through the whole backbone. @param depth number of blocks */
export function fullDepth(timesteps: readonly number[], depth: number): Course {
  return { name: 'full depth', kind: 'full-depth', timesteps, exits: timesteps.map(() => depth) };
}

/** So many steps of full depth: where they lie, and the passes that a solver takes through them. */
export interface StepNumber {
  readonly timesteps: readonly number[];
  readonly passes: number;
}

/**
 * The whole backbone at so many steps that the depth used is nearest, half-way at more of them.
 * @param depthUsed 0..1
 * @param numbers from all steps down
 */
export function fewerSteps(depth: number, depthUsed: number, numbers: readonly StepNumber[]): Course {
  const wanted = depthUsed * (numbers[0]?.passes ?? NaN);
  const off = ({ passes }: StepNumber): number => Math.abs(passes - wanted);
  // Sorting keeps the order of equals.
  const { timesteps = [] } = numbers.toSorted((one, other) => off(one) - off(other))[0] ?? {};
  return {
    name: `${timesteps.length} steps`,
    kind: 'fewer-steps',
    timesteps,
    exits: timesteps.map(() => depth),
  };
}

/**
 * One exit at all times: those of at most that depth, the deepest first, and the cheapest above it. A deeper exit hardly
 * ever is worse, so the best at the same compute is among them.
 * @param most how many of at most that depth
 */
export function fixedExits(
  timesteps: readonly number[],
  costs: ExitCosts,
  depthUsed: number,
  most: number,
): Course[] {
  const full = costs.at(-1)?.macs ?? NaN;
  const early = costs.slice(0, -1);
  // A depth that was itself computed from these costs must not fail by a rounding error.
  const within = early.filter(({ macs }) => macs / full <= depthUsed * (1 + 1e-9));
  const above = early.slice(within.length, within.length + 1);
  return [...within.slice(-most), ...above].map(({ exit }) => ({
    name: `exit ${exit}`,
    kind: 'fixed-exit',
    timesteps,
    exits: timesteps.map(() => exit),
  }));
}

/** Full steps further apart than this leave hardly anything to remember. */
const farthest = 5;

/**
 * Every n-th step through the whole backbone, the first among them, and exit k in between. Of every n the k whose depth
 * used is nearest; of these, the nearest.
 * @param costs of exits with what they remember
 * @param most how many
 */
export function cachings(
  timesteps: readonly number[],
  costs: ExitCosts,
  depthUsed: number,
  most: number,
): Course[] {
  const full = costs.at(-1) ?? { exit: NaN, macs: NaN };
  const candidates = Array.from({ length: farthest - 1 }, (_, i) => i + 2).flatMap((every) => {
    const shares = costs.slice(0, -1).map(({ exit, macs, refreshMacs = 0 }) => {
      const exits = timesteps.map((_, step) => (step % every === 0 ? full.exit : exit));
      const spent = exits.reduce((sum, at) => sum + (at === full.exit ? full.macs + refreshMacs : macs), 0);
      const off = Math.abs(spent / (full.macs * timesteps.length) - depthUsed);
      return { every, exit, exits, off };
    });
    return shares.sort((a, b) => a.off - b.off).slice(0, 1);
  });
  return candidates
    .sort((a, b) => a.off - b.off || a.every - b.every)
    .slice(0, most)
    .map(({ every, exit, exits }) => ({
      name: `every ${ordinal(every)} full, else exit ${exit}`,
      kind: 'caching',
      timesteps,
      exits,
    }));
}

function ordinal(n: number): string {
  return `${n}${{ 2: 'nd', 3: 'rd' }[n] ?? 'th'}`;
}

/** Each name once: the first course of it. */
export function eachOnce<Named extends { readonly name: string }>(courses: readonly Named[]): Named[] {
  return courses.filter(({ name }, i) => courses.findIndex((other) => other.name === name) === i);
}
