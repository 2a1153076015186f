// Which exit does each time run? The schedule and its file.
import { z } from 'zod';
import { nearestTo } from '../diffusion/spacing.js';
import { forgot, tooEarly } from '../exits/memory.js';
import { fingerprintSchema, measuredExitsSchema, remembering } from './errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';

const askedSchema = z.strictObject({
  speedup: z
    .number()
    .positive()
    .describe(
      'smallest allowed ratio of costs, full depth to scheduled; with maxExcess the one that was reached',
    ),
  maxExcess: z.number().min(0).optional().describe('most that it may lose, where the cheapest was asked for'),
  cost: z.enum(['macs', 'seconds']).optional().describe('what was to be saved; multiply-adds unless given'),
  monotone: z.boolean().describe('whether the exit was forbidden to become shallower towards data'),
  minRun: z.int().min(1).optional().describe('fewest steps in a row at the same exit; 1 unless given'),
  maxExits: z.int().min(1).optional().describe('most different exits; any number unless given'),
  exits: z.array(z.int()).optional().describe('exits that were allowed beside full depth; all unless given'),
  guidance: z
    .number()
    .min(0)
    .optional()
    .describe('scale of classifier-free guidance, where both of its halves were to have exits of their own'),
  weights: z
    .enum(['uniform', 'sensitivity', 'trajectories', 'closed-form'])
    .optional()
    .describe('where `weights` came from; not told unless given'),
  rule: z
    .enum(['optimal', 'uniform', 'two-level', 'fewer-steps', 'refreshed', 'trained', 'given', 'refined'])
    .describe(
      'optimal: the best exits; uniform: the best single exit; two-level: the best two exits, one after the other; fewer-steps: full depth; refreshed: full depth at every n-th step, between them the exit that remembers it best; trained: the exits that the backbone was trained at, whose speed-up is what was asked; given: exits of somebody else, whose speed-up is what was asked; refined: what drew best near the solved one',
    ),
});

/** What a schedule was solved for. */
export type Asked = Readonly<z.output<typeof askedSchema>>;

const measuredCostsSchema = z.strictObject({
  engine: z.string().min(1).max(200).describe('what computed'),
  batch: z.int().min(1).describe('samples at once'),
  guided: z.boolean().describe('whether a step was a guided one, of two passes'),
  seconds: z.array(z.number().positive()).describe('of one step on one sample, by exit as in `available`'),
});

/** What a step through every exit took on a machine. */
export type MeasuredCosts = Readonly<z.output<typeof measuredCostsSchema>>;

const profiledSchema = z.strictObject({
  oldestMemory: z
    .number()
    .min(0)
    .optional()
    .describe('how old memories were at most, in native t, where heads remember'),
  timestepsOnly: z.boolean().describe('whether exits were measured at `timesteps` alone, not at all times'),
});

const predictedSchema = z.strictObject({
  depthUsed: z.number().positive().describe('multiply-adds over those of full depth, heads included'),
  speedup: z.number().positive().describe('1 / depthUsed'),
  excess: z.number().min(0).describe('weighted sum over the steps of the excess in the error table'),
  excessStandardError: z.number().min(0).describe('of `excess`; an upper bound, see `predict`'),
  secondsUsed: z.number().positive().optional().describe('seconds over those of full depth, where measured'),
  fewer: z
    .strictObject({
      of: z
        .int()
        .min(1)
        .describe('most steps that were considered; speed-ups asked for are over full depth there'),
      speedup: z.number().positive().describe('cost of full depth at `of` steps over that of this schedule'),
      drift: z.number().min(0).describe('mean squared drift of the final sample that comes of so few steps'),
      loss: z.number().min(0).describe('drift + excess'),
    })
    .optional()
    .describe('given where the number of steps was chosen, too'),
});

const scheduleSchema = z
  .strictObject({
    format: z.literal('exithead-schedule'),
    version: z.literal(2),
    backbone: fingerprintSchema.describe('fingerprint of the backbone'),
    heads: fingerprintSchema.describe('fingerprint of the heads that the schedule was solved for'),
    steps: z.int().min(1).max(100_000).describe('number of diffusion steps, T; native t is below it'),
    available: measuredExitsSchema.describe('exits that could be chosen; the last is the whole backbone'),
    timesteps: z
      .array(z.number().min(0))
      .min(1)
      .max(100_000)
      .describe('native t of the solver, in the order of its calls: descending, from noise to data'),
    logSnr: z
      .array(z.number())
      .optional()
      .describe(
        'ln(alphasCumprod / (1 - alphasCumprod)) at each of `timesteps`: the axis of other backbones',
      ),
    exits: z.array(z.int()).describe('exit that each of `timesteps` runs'),
    unconditional: z
      .array(z.int())
      .optional()
      .describe('exit of the half of guidance that asks for nothing; that of `exits` unless given'),
    refreshes: z
      .array(z.int().min(0))
      .optional()
      .describe('places in `timesteps`, from 0, of full-depth steps, which leave what heads remember'),
    weights: z.array(z.number().min(0)).describe('how much an error at each of `timesteps` counts'),
    measured: measuredCostsSchema.optional().describe('seconds of the exits, where those were to be saved'),
    profiled: profiledSchema.optional().describe('what the errors were measured on; not told unless given'),
    asked: askedSchema.describe('what the schedule was solved for'),
    predicted: predictedSchema.describe('what it should cost and lose'),
  })
  .superRefine((schedule, context) => {
    const { steps, available, timesteps, exits, unconditional, logSnr, weights, predicted } = schedule;
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const choices = available.map(({ exit }) => exit);
    for (const [name, list] of Object.entries({ exits, unconditional, logSnr, weights }))
      if (list && list.length !== timesteps.length)
        refuse([name], `has ${list.length} entries for ${timesteps.length} timesteps`);
    timesteps.forEach((t, i) => {
      const before = timesteps[i - 1];
      if (t >= steps) refuse(['timesteps', i], `is ${t}, expected less than the ${steps} steps`);
      if (before !== undefined && t >= before)
        refuse(['timesteps', i], `is ${t} after ${before}; list them from noise to data, each once`);
    });
    const isRemembering = (exit: number): boolean => remembering(available).some((at) => at.exit === exit);
    const depth = available.at(-1)?.exit ?? NaN;
    for (const [name, list] of Object.entries({ exits, unconditional })) {
      list?.forEach((exit, i) => {
        if (!choices.includes(exit))
          refuse([name, i], `is ${exit}, which has no head; the exits are ${choices.join(', ')}`);
      });
      const early = list ? tooEarly(list, depth, isRemembering) : -1;
      if (early >= 0) refuse([name, early], forgot(`is ${list?.[early]}, which`, depth));
    }
    const full = refreshesOf(schedule, depth);
    if (schedule.refreshes && schedule.refreshes.join() !== full.join())
      refuse(
        ['refreshes'],
        `are ${schedule.refreshes.join(', ')}, but the full-depth steps are ${full.join(', ')}`,
      );
    if (schedule.measured && schedule.measured.seconds.length !== available.length)
      refuse(
        ['measured', 'seconds'],
        `has ${schedule.measured.seconds.length} entries for ${available.length} exits`,
      );
    const depthUsed = depthOf(available, exits, unconditional);
    if (Math.abs(predicted.depthUsed - depthUsed) > 1e-9)
      refuse(['predicted', 'depthUsed'], `is ${predicted.depthUsed}, but these exits use ${depthUsed}`);
    if (Math.abs(predicted.speedup * depthUsed - 1) > 1e-9)
      refuse(['predicted', 'speedup'], `is ${predicted.speedup}, but these exits give ${1 / depthUsed}`);
  });

export type Schedule = Readonly<z.output<typeof scheduleSchema>>;

export const scheduleFormat = jsonFormat<Schedule>({
  schema: scheduleSchema,
  // Version 1 had fewer fields, and none that is gone.
  older: { 1: (json) => ({ ...json, version: 2 }) },
  noun: 'a schedule',
  remedy: 'Give the schedule.json that `exithead schedule` writes.',
});

/** What each step runs. */
export interface Steps {
  /** Native t, descending. */
  readonly timesteps: readonly number[];
  readonly exits: readonly number[];
  /** Of the half of guidance that asks for nothing, where it has exits of its own. */
  readonly unconditional?: readonly number[] | undefined;
}

/** @throws UserError naming the file and what is wrong in it */
export function readSchedule(path: string): Promise<Schedule> {
  return readJsonFile(path, scheduleFormat);
}

export function writeSchedule(path: string, schedule: Schedule): Promise<void> {
  return writeJsonFile(path, scheduleFormat, schedule);
}

/**
 * The exit to run at native t: that of the nearest of the schedule's timesteps; half-way, that of the one nearer data,
 * so that a schedule stretched to another step list errs on the careful side.
 */
export function exitAt({ timesteps, exits }: Steps, t: number): number {
  if (!Number.isFinite(t)) throw new RangeError(`native t is ${t}`);
  const exit = exits[nearestTo(timesteps, t)];
  if (exit === undefined) throw new RangeError('a schedule has at least one timestep');
  return exit;
}

/** The exit of the half of guidance that asks for nothing, as `exitAt`; undefined where it has none of its own. */
export function unconditionalAt(schedule: Steps, t: number): number | undefined {
  const { timesteps, unconditional } = schedule;
  return unconditional && exitAt({ timesteps, exits: unconditional }, t);
}

/**
 * Depth used: multiply-adds of these exits over those of as many passes at full depth.
 * @param unconditional exits of the other half of guidance, where it has its own
 */
export function depthOf(
  available: Schedule['available'],
  exits: readonly number[],
  unconditional: readonly number[] = [],
): number {
  const full = available.at(-1)?.macs ?? NaN;
  return macsOf(available, exits, unconditional) / (full * (exits.length + unconditional.length));
}

/**
 * Multiply-adds of one sample through these exits; full-depth steps also leave what exits among them remember.
 * @param unconditional exits of a second pass at every step, which it adds
 */
export function macsOf(
  available: Schedule['available'],
  exits: readonly number[],
  unconditional: readonly number[] = [],
): number {
  const at = new Map(available.map((one) => [one.exit, one]));
  const depth = available.at(-1)?.exit;
  const both = [...exits, ...unconditional];
  const refresh = [...new Set(both)].reduce((sum, exit) => sum + (at.get(exit)?.refreshMacs ?? 0), 0);
  return both.reduce((sum, exit) => sum + (at.get(exit)?.macs ?? NaN) + (exit === depth ? refresh : 0), 0);
}

/** Seconds of these exits over those of as many passes at full depth. @param unconditional as `depthOf` */
export function secondsUsedOf(
  available: Schedule['available'],
  { seconds }: MeasuredCosts,
  exits: readonly number[],
  unconditional: readonly number[] = [],
): number {
  const at = new Map(available.map(({ exit }, k) => [exit, seconds[k] ?? NaN]));
  const both = [...exits, ...unconditional];
  return both.reduce((sum, exit) => sum + (at.get(exit) ?? NaN), 0) / ((seconds.at(-1) ?? NaN) * both.length);
}

/** Steps at full depth, in both halves of guidance, counted from 0. */
export function refreshesOf(
  { exits, unconditional = exits }: Pick<Steps, 'exits' | 'unconditional'>,
  depth: number,
): number[] {
  return exits.flatMap((exit, i) => (exit === depth && unconditional[i] === depth ? [i] : []));
}

/** How long before each step the last full-depth step was, in native t; 0 at one, undefined before the first. */
export function agesOf(schedule: Steps, depth: number): (number | undefined)[] {
  const full = new Set(refreshesOf(schedule, depth));
  let last: number | undefined;
  return schedule.timesteps.map((t, i) => {
    if (full.has(i)) last = t;
    return last === undefined ? undefined : last - t;
  });
}

/** Steps in a row that run the same exit, from noise to data. */
export interface Stretch {
  readonly exit: number;
  /** Native t of the first step and of the last one. */
  readonly from: number;
  readonly to: number;
  readonly steps: number;
}

export function stretchesOf({ timesteps, exits }: Pick<Schedule, 'timesteps' | 'exits'>): readonly Stretch[] {
  return timesteps.reduce<readonly Stretch[]>((stretches, t, i) => {
    const exit = exits[i] ?? NaN;
    const current = stretches.at(-1);
    return current?.exit === exit
      ? [...stretches.slice(0, -1), { ...current, to: t, steps: current.steps + 1 }]
      : [...stretches, { exit, from: t, to: t, steps: 1 }];
  }, []);
}
