// How do the heads of one variant draw, beside what they must beat? Sets of images from common noise, judged together.
import { openData } from '../../src/data/open.js';
import { examples } from '../../src/data/batches.js';
import { diffusion } from '../../src/diffusion/betas.js';
import { respace } from '../../src/diffusion/respace.js';
import {
  differenceBetween,
  distanceOf,
  evaluateWays,
  type EvaluateOptions,
  type KeptBatches,
  type Row,
} from '../../src/evaluate/evaluateWays.js';
import type { Uncertain } from '../../src/evaluate/estimate.js';
import { evaluatedRows } from '../../src/evaluate/results.js';
import type { FeatureExtractor } from '../../src/evaluate/features.js';
import { referenceOf, type Reference } from '../../src/evaluate/judge.js';
import { keptBatchesIn } from '../../src/evaluate/keptBatches.js';
import {
  cachings,
  eachOnce,
  fewerSteps,
  fixedExits,
  fullDepth,
  type Course,
  type SamplingWay,
} from '../../src/evaluate/ways.js';
import { exitsForHeads } from '../../src/backbones/families.js';
import { headPlan, remembers } from '../../src/exits/heads.js';
import type { Model } from '../../src/exits/model.js';
import { promptsOf } from '../../src/exits/prompts.js';
import { solveOverSteps, type StepCount } from '../../src/schedules/overSteps.js';
import { measuredExits } from '../../src/schedules/profile.js';
import { refreshedPattern } from '../../src/schedules/refreshed.js';
import { depthOf, type Schedule } from '../../src/schedules/schedule.js';
import { mostSpeedup, solveSchedule } from '../../src/schedules/solve.js';
import type { Work } from '../../src/training/fit.js';
import { exitsTrained } from '../../src/training/finetune.js';
import type { Prepared } from './heads.js';
import { otherSteps, type Trial, type Variant } from './plan.js';
import type { Measured } from './results.js';

/** What schedules are solved from (`countsFor`), and how. */
type Measurable = Prepared & {
  readonly counts: () => Promise<readonly StepCount[]>;
  readonly also: NonNullable<Variant['also']>;
};

/** Who judges, and where finished batches lie. */
export interface Court {
  readonly extractor: FeatureExtractor;
  readonly reference: Reference;
  readonly kept: string;
}

/** Real digits that nothing was trained on, as the judge sees them. */
export async function courtOf(
  { trained: { config, model } }: Prepared,
  extractor: FeatureExtractor,
  kept: string,
): Promise<Court> {
  const test = await openData(config.data, 'test', model.spec);
  const { features } = await extractor.see((await examples(test, 0, test.count)).x);
  return { extractor, reference: await referenceOf(features, extractor.width), kept };
}

/** Draws and judges. The baselines are drawn once, whatever the variant. */
export async function tryHeads(
  variant: string,
  prepared: Measurable,
  trial: Trial,
  court: Court,
  work: Work,
): Promise<Measured[]> {
  const { base } = prepared;
  const { config, model } = prepared.trained;
  const { depth } = base.spec;
  const { solver, steps, samples, seeds, budgets, timed = 0 } = trial;
  const numbers = Array.from({ length: steps }, (_, left) => {
    const passes = steps - left;
    return { timesteps: respace(config.diffusion.steps, String(passes)), passes };
  });
  const timesteps = respace(config.diffusion.steps, String(steps));
  const solved = await solvedWays(
    variant,
    prepared,
    budgets.map((n) => n / steps),
  );
  const [full, ...others] = eachOnce([
    { ...fullDepth(timesteps, depth), model: base },
    ...budgets.map((n) => ({
      ...fewerSteps(depth, n / steps, numbers),
      model: base,
    })),
    ...budgets.flatMap((n) => untrained(base, timesteps, n, trial.caching)),
    // A backbone that was trained on is no longer what the others are compared with.
    ...(config.mode === 'frozen'
      ? []
      : [{ ...fullDepth(timesteps, depth), name: `${variant}, full depth`, model }]),
    ...solved,
    ...budgets.flatMap((n) => fixedExit(variant, prepared, timesteps, n)),
    ...budgets.flatMap((n) => mostEverySecond(variant, model, steps, n)),
    ...(prepared.also.includes('other steps')
      ? otherSteps.flatMap((count) => everySecond(variant, model, count))
      : []),
    ...(config.mode === 'frozen' ? [] : await trainedWays(variant, prepared, trial)),
  ]);
  if (!full) throw new Error('full depth is always drawn');
  const ways = [full, ...others];
  const settings = { guidance: 1, clip: false };
  const kept = (decidedBy: unknown): KeptBatches =>
    keptBatchesIn(court.kept, ways, { decidedBy, resume: true, warn: work.warn });
  const shared = kept([solver, settings]);
  const ownOnly = kept([solver, settings, prepared.trained.heads.fingerprint]);
  const storeOf = (name: string): KeptBatches =>
    ways.some((way) => way.name === name && way.model !== base && way.kind !== 'caching') ? ownOnly : shared;
  const options: EvaluateOptions = {
    ...work,
    extractor: court.extractor,
    reference: court.reference,
    sampling: {
      ...{ ...settings, count: samples, batch: 100 },
      solver: solver === 'ddim' ? { kind: solver, eta: 0 } : { kind: solver },
      diffusion: diffusion(config.diffusion),
      prompts: promptsOf(base.spec),
    },
    seeds,
    decidesLabels: true,
    kept: {
      read: (key) => storeOf(key.way).read(key),
      write: (key, batch) => storeOf(key.way).write(key, batch),
    },
  };
  const rows = await evaluateWays([full, ...others], options);
  const speeds = timed > 0 ? await speedsOf([full, ...others], options, timed) : [];
  return rows.map((row, i) => measured(row, rows, speeds[i]));
}

/**
 * Seconds of full depth over those of each way, from batches that are drawn for it: those that were kept were drawn at
 * other hours, and tell nothing of seconds.
 */
async function speedsOf(
  ways: readonly [SamplingWay, ...SamplingWay[]],
  { kept: _, ...options }: EvaluateOptions,
  count: number,
): Promise<Uncertain[]> {
  const [seed = 0] = options.seeds;
  const rows = await evaluateWays(ways, {
    ...{ ...options, seeds: [seed], sampling: { ...options.sampling, count } },
  });
  return evaluatedRows(rows, count).map(({ speed: { mean, standardError } }) => {
    if (standardError === null) throw new Error('one batch alone tells nothing of the spread of its seconds');
    return { value: mean, standardError };
  });
}

/** What remembers without training: all steps, and fewer of which every second is at full depth, as heads are drawn. */
function untrained(
  base: Model,
  timesteps: readonly number[],
  budget: number,
  which: Trial['caching'],
): SamplingWay[] {
  if (which === 'none') return [];
  const plans = exitsForHeads(base.spec).map((exit) => headPlan('remembered', exit));
  const remembering: Model = { ...base, plans };
  const steps = timesteps.length;
  const atAllSteps =
    which === 'all' ? cachings(timesteps, measuredExits(remembering), budget / steps, 1) : [];
  return [
    ...atAllSteps.map((course) => ({ ...course, model: remembering })),
    ...mostEverySecond('caching', remembering, steps, budget).map((way): SamplingWay => ({
      ...way,
      kind: 'caching',
    })),
  ];
}

/** One exit at all times, the deepest within the budget; heads that remember need full depth in between. */
function fixedExit(
  variant: string,
  { trained: { config, model } }: Prepared,
  timesteps: readonly number[],
  budget: number,
): SamplingWay[] {
  if (config.mode !== 'frozen' || model.plans.some(({ kind }) => remembers(kind))) return [];
  const available = measuredExits(model);
  const deepest = fixedExits(timesteps, available, budget / timesteps.length, 1).find(
    (course) => costIn(available, course) <= budget,
  );
  return deepest ? [{ ...deepest, name: `${variant}, ${deepest.name} at all times`, model }] : [];
}

/** The variant's solved schedules within each budget; and those of excess alone, at all steps. */
async function solvedWays(
  variant: string,
  { trained: { config, model }, counts: countsFor, also }: Measurable,
  budgets: readonly number[],
): Promise<SamplingWay[]> {
  const forgets = config.mode === 'frozen' && !model.plans.some(({ kind }) => remembers(kind));
  const isSolved = also.includes('solved') || forgets;
  if (!isSolved && !also.includes('by excess')) return [];
  const counts = await countsFor();
  const [most] = counts;
  if (!most) throw new Error('schedules have some number of steps');
  const { weights: _, ...alike } = most.options;
  const way = (name: string, { timesteps, exits }: Schedule): SamplingWay => ({
    ...{ name, kind: 'scheduled', timesteps, exits, model },
  });
  return budgets.flatMap((depthUsed) => {
    const name = `${variant} ${Math.round(100 * depthUsed)} %`;
    const isInReach = 1 / depthUsed <= mostSpeedup(alike);
    return [
      ...(isSolved ? [way(name, solveOverSteps(counts, { speedup: 1 / depthUsed }))] : []),
      ...(also.includes('by excess') && isInReach
        ? [way(`${name}, by excess alone`, solveSchedule(alike, 1 / depthUsed))]
        : []),
    ];
  });
}

/** Full depth at every second of so many steps, the first exit that remembers between; no way if no head does. */
function everySecond(variant: string, model: Model, count: number): SamplingWay[] {
  const { depth, timeSteps } = model.spec;
  const exit = model.plans.find(({ kind }) => remembers(kind))?.exit;
  if (exit === undefined) return [];
  const name = `${variant}, every 2nd of ${count} full, else exit ${exit}`;
  const exits = refreshedPattern(depth, exit, 2, count);
  return [{ name, kind: 'scheduled', timesteps: respace(timeSteps, String(count)), exits, model }];
}

/** The same of the most steps within a budget, in full-depth steps. */
function mostEverySecond(variant: string, model: Model, steps: number, budget: number): SamplingWay[] {
  const available = measuredExits(model);
  const counts = Array.from({ length: steps }, (_, i) => steps - i);
  const courses = counts.map((count) => everySecond(variant, model, count));
  return courses.find(([way]) => way && costIn(available, way) <= budget) ?? [];
}

/** What a way costs, in full-depth steps. */
function costIn(available: Schedule['available'], { exits }: Course): number {
  return depthOf(available, exits) * exits.length;
}

/**
 * The exits that each time was trained at, of the most steps within each budget. Full depth at all times is nothing to
 * solve for here: no early time was trained at it.
 */
async function trainedWays(
  variant: string,
  { trained: { config, model } }: Measurable,
  { steps, budgets }: Trial,
): Promise<SamplingWay[]> {
  const byTime = await exitsTrained(config, model.spec);
  const available = measuredExits(model);
  const courses = Array.from({ length: steps }, (_, i): SamplingWay => {
    const timesteps = respace(model.spec.timeSteps, String(steps - i));
    const name = `${variant}, trained exits, ${timesteps.length} steps`;
    return { name, kind: 'scheduled', timesteps, exits: timesteps.map((t) => byTime[t] ?? NaN), model };
  });
  return budgets.flatMap((budget) => courses.find((way) => costIn(available, way) <= budget) ?? []);
}

/** A row as it is kept, with its distance beside that of fewer steps at no less compute. */
function measured(row: Row, rows: readonly Row[], speed: Uncertain | undefined): Measured {
  const { way, depthUsed, seeds } = row;
  const rival = rows
    .filter((other) => other.way.kind === 'fewer-steps' && other.depthUsed >= depthUsed - 1e-9)
    .sort((a, b) => a.depthUsed - b.depthUsed)[0];
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const numbers = ({ value, standardError }: { value: number; standardError: number }): Measured['fid'] => ({
    value,
    standardError,
  });
  return {
    ...{ way: way.name, kind: way.kind, depthUsed, exits: [...way.exits], steps: way.timesteps.length },
    fid: numbers(distanceOf(seeds, 'fid')),
    kid: numbers(distanceOf(seeds, 'kid')),
    drift: mean(seeds.map(({ drift }) => drift)),
    agreement: mean(seeds.map(({ agreement = NaN }) => agreement)),
    ...(speed && { speed }),
    ...(rival &&
      rival !== row && {
        beside: {
          way: rival.way.name,
          fid: numbers(differenceBetween(row, rival, 'fid')),
          kid: numbers(differenceBetween(row, rival, 'kid')),
        },
      }),
  };
}
