// In which ways is what a bundle draws compared? Its schedule, full depth and all that is cheaper, from the same noise.
import { exitsForHeads } from '../backbones/families.js';
import type { EvaluateConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import { spacedTimes } from '../diffusion/spacing.js';
import { UserError } from '../errors.js';
import { exitsOfCalls, macsOfWay, type Stepping } from '../evaluate/evaluateWays.js';
import {
  cachings,
  eachOnce,
  fewerSteps,
  fixedExits,
  fullDepth,
  type Course,
  type SamplingWay,
  type StepNumber,
} from '../evaluate/ways.js';
import { partOf, passesAt } from '../exits/guided.js';
import { headPlan, remembers } from '../exits/heads.js';
import { returnsAt } from '../exits/memory.js';
import type { Model } from '../exits/model.js';
import { requireMemories } from '../exits/requireMemories.js';
import { callsOf, solverOf } from '../samplers/solvers.js';
import { measuredExits } from '../schedules/profile.js';
import { exitAt, readSchedule, unconditionalAt, type Schedule, type Steps } from '../schedules/schedule.js';
import { fullTimesFor, timesFor } from './draw.js';
import { guidingOf, type Guiding } from './guiding.js';
import type { OpenedBundle } from './openBundle.js';

/** What is drawn, and in which ways. */
export interface EvaluationPlan extends Guiding {
  readonly clip: boolean;
  /** What is left out of what was asked for, and why: a line each. */
  readonly leftOut: readonly string[];
  /** The first is full depth. */
  readonly ways: readonly [PlannedWay, ...PlannedWay[]];
}

export interface PlannedWay extends SamplingWay {
  /** Multiply-adds of one image. */
  readonly macs: number;
  /** Over those of full depth. */
  readonly depthUsed: number;
}

/** A schedule beside the bundle's own. */
export interface NamedSchedule {
  /** Its file. */
  readonly name: string;
  readonly schedule: Schedule;
}

/**
 * Schedules for the heads of a bundle, from files.
 * @throws UserError if one was solved for other heads
 */
export async function schedulesFor(
  { bundle: { schedule: own } }: OpenedBundle,
  paths: readonly string[],
): Promise<NamedSchedule[]> {
  const found: NamedSchedule[] = [];
  for (const name of paths) {
    const schedule = await readSchedule(name);
    const isOurs =
      schedule.backbone === own.backbone &&
      schedule.heads === own.heads &&
      JSON.stringify(schedule.available) === JSON.stringify(own.available);
    if (!isOurs)
      throw new UserError(
        `${name} was solved for another backbone or other heads than those of the bundle. ` +
          'Give a schedule that `exithead schedule` made of the same run.',
      );
    found.push({ name, schedule });
  }
  return found;
}

/**
 * The bundle's schedule and further ones, and for each what it has to beat.
 * @param given of the bundle, in the numbers that it computes in
 * @throws UserError if there are not as many timesteps, the backbone cannot be guided, or an exit remembers what was not yet
 */
export function planEvaluation(
  { bundle }: OpenedBundle,
  given: Model,
  schedules: readonly NamedSchedule[],
  { sample, evaluate }: Pick<EvaluateConfig, 'sample' | 'evaluate'>,
): EvaluationPlan {
  const { spec } = given;
  const guiding = guidingOf(spec, bundle.diffusion, sample);
  const { guidedChannels } = guiding;
  const model = { ...given, guidedChannels };
  const stepping = { ...guiding, solver: solverOf(sample), diffusion: diffusion(bundle.diffusion) };
  const most = fullTimesFor(bundle.schedule, stepping.diffusion, sample);
  const full = costed({ ...fullDepth(most, spec.depth), model }, stepping);
  const cost = (way: SamplingWay): PlannedWay => costed(way, stepping, full.macs);
  const scheduled = [{ name: 'scheduled', schedule: bundle.schedule }, ...schedules].map(
    ({ name, schedule }): PlannedWay => {
      const timesteps = timesFor(schedule, stepping.diffusion, sample);
      return cost({
        ...{ name, kind: 'scheduled', timesteps, model, follows: stepsOf(schedule) },
        exits: timesteps.map((t) => exitAt(schedule, t)),
        unconditional: schedule.unconditional && timesteps.flatMap((t) => unconditionalAt(schedule, t) ?? []),
      });
    },
  );
  const calls = (timesteps: readonly number[]): number[] =>
    callsOf(stepping.solver, stepping.diffusion, timesteps);
  const uncached = evaluate.against.includes('caching') ? noMemory(calls(most), guiding) : undefined;
  const against = evaluate.against.filter((one) => one !== 'caching' || uncached === undefined);
  const numberAt = (timesteps: readonly number[]): StepNumber => ({
    timesteps,
    passes: calls(timesteps).reduce((sum, t) => sum + passesAt(stepping, t), 0),
  });
  const numbers = against.includes('fewer-steps')
    ? most.map((_, left) => {
        const count = most.length - left;
        return numberAt(left === 0 ? most : spacedTimes(stepping.diffusion, count, sample.spacing ?? 'even'));
      })
    : [];
  const subject = { timesteps: most, model, available: bundle.schedule.available, numbers };
  const others = scheduled.flatMap(({ depthUsed }) =>
    alternatives(subject, depthUsed, { ...evaluate, against }),
  );
  const curve = against.includes('fewer-steps')
    ? evaluate.depths.map((depth) => ({ ...fewerSteps(spec.depth, depth, numbers), model }))
    : [];
  const sorted = [...others, ...curve].map(cost).toSorted((a, b) => place(a) - place(b));
  const [first = full, ...rest] = eachOnce([full, ...scheduled, ...sorted]);
  return {
    ...guiding,
    clip: sample.clip ?? bundle.diffusion.clip,
    leftOut: uncached === undefined ? [] : [`caching is left out: ${uncached}`],
    ways: [first, ...rest],
  };

  /** Kinds in the order in which they are asked for, the dearest first. */
  function place({ kind, depthUsed }: PlannedWay): number {
    return 2 * evaluate.against.findIndex((one) => one === kind) - depthUsed;
  }
}

interface Subject {
  /** Of full depth. */
  readonly timesteps: readonly number[];
  readonly model: Model;
  /** Exits with a head, and the whole backbone, with their costs. */
  readonly available: Schedule['available'];
  /** From all steps down. */
  readonly numbers: readonly StepNumber[];
}

/** What decides exits. */
function stepsOf({ timesteps, exits, unconditional }: Schedule): Steps {
  return { timesteps, exits, ...(unconditional && { unconditional }) };
}

/** What costs about as much as a schedule. */
function alternatives(
  { timesteps, model, available, numbers }: Subject,
  depthUsed: number,
  { against, candidates }: EvaluateConfig['evaluate'],
): SamplingWay[] {
  const { spec, plans } = model;
  const of = (courses: readonly Course[], own: Model): SamplingWay[] =>
    courses.map((course) => ({ ...course, model: own }));
  return against.flatMap((baseline) => {
    switch (baseline) {
      case 'fewer-steps':
        return of([fewerSteps(spec.depth, depthUsed, numbers)], model);
      case 'fixed-exit':
        // Heads that remember a full-depth step cannot do without one.
        return plans.some(({ kind }) => remembers(kind))
          ? []
          : of(fixedExits(timesteps, available, depthUsed, candidates), model);
      case 'caching': {
        const cache = cacheOf(model);
        return of(cachings(timesteps, measuredExits(cache), depthUsed, candidates), cache);
      }
    }
  });
}

/** Why nothing can be remembered at such calls, if so. */
function noMemory(calls: readonly number[], guiding: Guiding): string | undefined {
  if (returnsAt(calls) >= 0) return 'this solver goes back to add noise';
  return partOf(guiding)
    ? 'guidance is on at some times alone, and a memory of two passes is none of one'
    : undefined;
}

const caches = new WeakMap<Model, Model>();

/** The same backbone, whose exits add what the blocks after them did in the last full step. Nothing of it is trained. */
function cacheOf(model: Model): Model {
  const known = caches.get(model);
  if (known) return known;
  const plans = exitsForHeads(model.spec).map((exit) => headPlan('remembered', exit));
  const made: Model = { ...model, plans, heads: {} };
  caches.set(model, made);
  return made;
}

function costed(way: SamplingWay, stepping: Stepping, full?: number): PlannedWay {
  const calls = callsOf(stepping.solver, stepping.diffusion, way.timesteps);
  const { exits, unconditional = exits } = exitsOfCalls(way, stepping);
  requireMemories(way.model, [exits, unconditional], calls, stepping);
  const macs = macsOfWay(way, stepping);
  return { ...way, macs, depthUsed: macs / (full ?? macs) };
}
