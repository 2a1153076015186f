// What does a solved schedule have to beat? Simple schedules within the same budget, each the best of its form.
import { respace } from '../diffusion/respace.js';
import { fallingCounts } from '../training/exitsByTime.js';
import type { BackboneSpec } from '../backbones/backbone.js';
import { isAllowed } from './allowed.js';
import { remembering } from './errorTable.js';
import { lossOf, type Choice } from './excess.js';
import { requireMeasured, weightsOf, type SolveOptions } from './options.js';
import { predict, sum } from './predict.js';
import { refreshedPatterns } from './refreshed.js';
import { macsOf, type Asked, type Schedule } from './schedule.js';
import { askedOf, budgetAt, costOf, fullCost } from './solve.js';

/**
 * One exit at all times, the one that loses least within the budget. Ties go to the cheaper. An exit that remembers
 * cannot run throughout.
 * @returns undefined if none is within it
 */
export function uniformSchedule(options: SolveOptions, speedup: number): Schedule | undefined {
  const depth = options.table.exits.length - 1;
  const isForgetful = (k: number): boolean =>
    k === depth || remembering(options.table.exits.slice(k, k + 1)).length === 0;
  return bestOf(options, speedup, 'uniform', function* () {
    for (const k of allowedOf(options).filter(isForgetful)) yield options.timesteps.map(() => k);
  });
}

/**
 * Two exits, one switch between them, as DuoDiff samples (Fernandez et al., 2024): the two and the place of the switch
 * that lose least within the budget. Ties go to the cheaper.
 * @returns undefined if none is within it, or exits remember, which cannot run throughout
 */
export function twoLevelSchedule(options: SolveOptions, speedup: number): Schedule | undefined {
  const { table, timesteps } = options;
  if (remembering(table.exits).length > 0) return undefined;
  const budget = budgetAt(options, speedup);
  const allowed = allowedOf(options);
  const losses = lossesOf(options);
  // Summed loss of exit k at the first i steps.
  const until = table.exits.map((_, k) =>
    losses.reduce<number[]>((sums, row) => [...sums, (sums.at(-1) ?? 0) + (row[k] ?? NaN)], [0]),
  );
  const n = timesteps.length;
  let found: { loss: number; cost: number; exits: () => number[] } | undefined;
  for (const first of allowed)
    for (const second of allowed)
      for (let at = 0; at <= n; at++) {
        const cost = at * costAt(options, first) + (n - at) * costAt(options, second);
        if (cost > budget) continue;
        const rest = (until[second]?.[n] ?? NaN) - (until[second]?.[at] ?? NaN);
        const loss = (until[first]?.[at] ?? NaN) + rest;
        if (found && (loss > found.loss || (loss === found.loss && cost >= found.cost))) continue;
        found = { loss, cost, exits: () => timesteps.map((_, i) => (i < at ? first : second)) };
      }
  return found && simpleSchedule(options, found.exits(), speedup, 'two-level');
}

/**
 * Full depth at every n-th step, and between them one exit that remembers it: of all n up to the oldest memory that was
 * measured, the best within the budget that the options allow.
 * @returns undefined if none is within it, or nothing remembers
 */
export function refreshedSchedule(options: SolveOptions, speedup: number): Schedule | undefined {
  if (remembering(options.table.exits).length === 0) return undefined;
  const index = (exit: number): number => options.table.exits.findIndex((at) => at.exit === exit);
  const patterns = refreshedPatterns(options.table, options.timesteps.length).filter((exits) =>
    isAllowed(options, { exits }),
  );
  return bestOf(options, speedup, 'refreshed', function* () {
    for (const exits of patterns) yield exits.map(index);
  });
}

/**
 * The shape that ASE published for a DiT-XL/2, deep near data and falling in five levels towards noise, as deep as the
 * budget allows: in mean depth, and each level at the nearest exit that there is (the deeper of two).
 * Moon et al., "A Simple Early Exiting Framework for Accelerated Sampling in Diffusion Models", ICML 2024; the list is
 * [28, 28, 24, 24, 20, 20, 16, 16, 12, 12] in their released code (github.com/taehong-moon/ee-diffusion,
 * DiT/drop_scheduler.py).
 * @returns undefined if none is within it, or exits remember
 */
export function aseSchedule(
  options: SolveOptions,
  spec: BackboneSpec,
  speedup: number,
): Schedule | undefined {
  const { table, timesteps } = options;
  if (remembering(table.exits).length > 0) return undefined;
  const allowed = allowedOf(options);
  const nearest = (blocks: number): number => {
    const off = (k: number): number => Math.abs((table.exits[k]?.exit ?? NaN) - blocks);
    return allowed.reduce((best, k) => (off(k) <= off(best) ? k : best));
  };
  const budget = budgetAt(options, speedup);
  // From the deepest on, in hundredths of the depth.
  for (let hundredths = 100; hundredths >= 50; hundredths--) {
    const counts = fallingCounts(spec, hundredths / 100);
    const exits = timesteps.map((t) => nearest(counts[Math.floor((t * counts.length) / table.steps)] ?? NaN));
    if (sum(exits.map((k) => costAt(options, k))) <= budget)
      return simpleSchedule(options, exits, speedup, 'given');
  }
  return undefined;
}

/**
 * Full depth at as many steps as the budget allows, spread as `respace` does. It loses no excess; what so few steps lose
 * is another matter (`overSteps.ts`).
 */
export function fewerSteps(options: SolveOptions, speedup: number): Schedule {
  const count = Math.max(1, Math.floor(options.timesteps.length / speedup + 1e-9));
  const timesteps = respace(options.table.steps, String(count));
  const { weights: _, ...rest } = options;
  return fullDepthOf({ ...rest, timesteps });
}

/** Full depth at every step: of so few steps, or what has nothing to lose. */
export function fullDepthOf(options: SolveOptions): Schedule {
  const full = options.table.exits.length - 1;
  return simpleSchedule(
    options,
    options.timesteps.map(() => full),
    1,
    'fewer-steps',
  );
}

/** The best of some schedules, given as indices of exits. */
function bestOf(
  options: SolveOptions,
  speedup: number,
  rule: Asked['rule'],
  candidates: () => Iterable<readonly number[]>,
): Schedule | undefined {
  const budget = budgetAt(options, speedup);
  const within = [...candidates()]
    .map((exits) => simpleSchedule(options, exits, speedup, rule))
    .map((schedule) => ({ schedule, cost: costOfSchedule(options, schedule) }))
    .filter(({ cost }) => cost <= budget)
    .sort((a, b) => a.schedule.predicted.excess - b.schedule.predicted.excess || a.cost - b.cost);
  return within[0]?.schedule;
}

/** Cost of a schedule of these options, in multiply-adds or seconds. */
export function costOfSchedule(options: SolveOptions, { exits, unconditional, predicted }: Schedule): number {
  return options.measured
    ? fullCost(options) * (predicted.secondsUsed ?? NaN)
    : macsOf(options.table.exits, exits, unconditional);
}

/** What is predicted of exits that follow a simple rule. @param exits their indices in the table, by step */
export function simpleSchedule(
  options: SolveOptions,
  exits: readonly number[],
  speedup: number,
  rule: Asked['rule'],
): Schedule {
  const { cost, guidance } = askedOf(options);
  const blocks = exits.map((k) => options.table.exits[k]?.exit ?? NaN);
  const asked = { speedup, monotone: false, rule, ...(cost && { cost }), ...(guidance && { guidance }) };
  return predict(options, blocks, asked, options.halves && blocks);
}

/** Indices of the exits that may be chosen. */
export function allowedOf({ table, exits }: SolveOptions): readonly number[] {
  return table.exits
    .map((_, k) => k)
    .filter((k) => k === table.exits.length - 1 || !exits || exits.includes(table.exits[k]?.exit ?? NaN));
}

/** One exit, in both halves where those may leave apart. */
function both({ halves }: SolveOptions, exit: number): Choice {
  return halves ? { exit, unconditional: exit } : { exit };
}

function costAt(options: SolveOptions, exit: number): number {
  return costOf(options, both(options, exit));
}

/** Weighted excess by step and exit, [n][exits]. */
function lossesOf(options: SolveOptions): readonly (readonly number[])[] {
  const [bins, weights] = [requireMeasured(options), weightsOf(options)];
  return bins.map((bin, i) =>
    options.table.exits.map(
      (_, k) => (weights[i] ?? NaN) * lossOf(options, both(options, k), bin, undefined).mean,
    ),
  );
}
