// Which exit does each time run? The schedule and its file.
import { z } from 'zod';
import { forgot, tooEarly } from '../exits/memory.js';
import { fingerprintSchema, measuredExitsSchema, remembering } from './errorTable.js';
import { readJsonFile, writeJsonFile, type JsonFormat } from './jsonFile.js';

const scheduleSchema = z
  .object({
    format: z.literal('exithead-schedule'),
    version: z.literal(1),
    backbone: fingerprintSchema.describe('fingerprint of the backbone'),
    heads: fingerprintSchema.describe('fingerprint of the heads that the schedule was solved for'),
    steps: z.int().min(1).max(100_000).describe('number of diffusion steps, T; native t is below it'),
    available: measuredExitsSchema.describe('exits that could be chosen; the last is the whole backbone'),
    timesteps: z
      .array(z.number().min(0))
      .min(1)
      .max(100_000)
      .describe('native t of the solver, in the order of its calls: descending, from noise to data'),
    exits: z.array(z.int()).describe('exit that each of `timesteps` runs'),
    weights: z.array(z.number().min(0)).describe('how much an error at each of `timesteps` counts'),
    asked: z
      .object({
        speedup: z
          .number()
          .positive()
          .describe('smallest allowed ratio of multiply-adds, full depth to scheduled'),
        monotone: z.boolean().describe('whether the exit was forbidden to become shallower towards data'),
        rule: z
          .enum(['optimal', 'uniform', 'refreshed', 'trained'])
          .describe(
            'optimal: the best exits; uniform: the best single exit; refreshed: full depth at every n-th step, between them the exit that remembers it best; trained: the exits that the backbone was trained at, whose speed-up is what was asked',
          ),
      })
      .describe('what the schedule was solved for'),
    predicted: z
      .object({
        depthUsed: z.number().positive().describe('multiply-adds over those of full depth, heads included'),
        speedup: z.number().positive().describe('1 / depthUsed'),
        excess: z.number().min(0).describe('weighted sum over the steps of the excess in the error table'),
        excessStandardError: z.number().min(0).describe('of `excess`; an upper bound, see `predict`'),
      })
      .describe('what it should cost and lose'),
  })
  .superRefine((schedule, context) => {
    const { steps, available, timesteps, exits, weights, predicted } = schedule;
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const choices = available.map(({ exit }) => exit);
    for (const [name, list] of Object.entries({ exits, weights }))
      if (list.length !== timesteps.length)
        refuse([name], `has ${list.length} entries for ${timesteps.length} timesteps`);
    timesteps.forEach((t, i) => {
      const before = timesteps[i - 1];
      if (t >= steps) refuse(['timesteps', i], `is ${t}, expected less than the ${steps} steps`);
      if (before !== undefined && t >= before)
        refuse(['timesteps', i], `is ${t} after ${before}; list them from noise to data, each once`);
    });
    exits.forEach((exit, i) => {
      if (!choices.includes(exit))
        refuse(['exits', i], `is ${exit}, which has no head; the exits are ${choices.join(', ')}`);
    });
    const depth = available.at(-1)?.exit ?? NaN;
    const early = tooEarly(exits, depth, (exit) => remembering(available).some((at) => at.exit === exit));
    if (early >= 0) refuse(['exits', early], forgot(`is ${exits[early]}, which`, depth));
    const depthUsed = depthOf(available, exits);
    if (Math.abs(predicted.depthUsed - depthUsed) > 1e-9)
      refuse(['predicted', 'depthUsed'], `is ${predicted.depthUsed}, but these exits use ${depthUsed}`);
    if (Math.abs(predicted.speedup * depthUsed - 1) > 1e-9)
      refuse(['predicted', 'speedup'], `is ${predicted.speedup}, but these exits give ${1 / depthUsed}`);
  });

export type Schedule = Readonly<z.output<typeof scheduleSchema>>;

export const scheduleFormat: JsonFormat<Schedule> = {
  name: 'exithead-schedule',
  version: 1,
  schema: scheduleSchema,
  noun: 'a schedule',
  remedy: 'Give the schedule.json that `exithead schedule` writes.',
};

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
export function exitAt({ timesteps, exits }: Schedule, t: number): number {
  if (!Number.isFinite(t)) throw new RangeError(`native t is ${t}`);
  let nearest = 0;
  timesteps.forEach((at, i) => {
    if (Math.abs(at - t) <= Math.abs((timesteps[nearest] ?? Infinity) - t)) nearest = i;
  });
  const exit = exits[nearest];
  if (exit === undefined) throw new RangeError('a schedule has at least one timestep');
  return exit;
}

/** Depth used: multiply-adds of these exits over those of as many passes at full depth. */
export function depthOf(available: Schedule['available'], exits: readonly number[]): number {
  const full = available.at(-1)?.macs ?? NaN;
  return macsOf(available, exits) / (full * exits.length);
}

/** Multiply-adds of one sample through these exits; full-depth steps also leave what exits among them remember. */
export function macsOf(available: Schedule['available'], exits: readonly number[]): number {
  const at = new Map(available.map((one) => [one.exit, one]));
  const depth = available.at(-1)?.exit;
  const refresh = [...new Set(exits)].reduce((sum, exit) => sum + (at.get(exit)?.refreshMacs ?? 0), 0);
  return exits.reduce((sum, exit) => sum + (at.get(exit)?.macs ?? NaN) + (exit === depth ? refresh : 0), 0);
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
