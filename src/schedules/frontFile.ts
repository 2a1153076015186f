// What does quality cost? The front of schedules, what they have to beat, and the file of both.
import { z } from 'zod';
import { fingerprintSchema } from './errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';
import { placeOf } from './overSteps.js';
import type { Schedule } from './schedule.js';

const pointSchema = z.object({
  name: z.string().max(200).describe('what it is; "solved" for points of the front'),
  steps: z.int().min(1).max(100_000).describe('steps of the solver'),
  depthUsed: z.number().positive().describe('multiply-adds over those of full depth at as many steps'),
  speedup: z.number().positive().describe('cost of full depth at the most steps over that of this schedule'),
  loss: z.number().min(0).describe('excess, and the drift of fewer steps where those were considered'),
  excess: z.number().min(0).describe('weighted sum over the steps of the excess in the error table'),
  drift: z.number().min(0).optional().describe('of so few steps at full depth, where those were considered'),
  timesteps: z.array(z.number().min(0)).describe('native t, from noise to data'),
  exits: z.array(z.int()).describe('exit that each of `timesteps` runs'),
  unconditional: z
    .array(z.int())
    .optional()
    .describe('exits of the other half of guidance, where it has its own'),
});

/** A schedule on a front, or beside it. */
export type FrontPoint = Readonly<z.output<typeof pointSchema>>;

const schema = z.object({
  format: z.literal('exithead-front'),
  version: z.literal(1),
  backbone: fingerprintSchema.describe('fingerprint of the backbone'),
  heads: fingerprintSchema.describe('fingerprint of the heads that schedules were solved for'),
  cost: z.enum(['macs', 'seconds']).describe('what speed-ups are of'),
  front: z.array(pointSchema).max(10_000).describe('the best schedules, the dearest first'),
  baselines: z
    .array(pointSchema)
    .max(10_000)
    .describe('what the chosen schedule has to beat, within its budget'),
});

export type FrontFile = Readonly<z.output<typeof schema>>;

export const frontFormat = jsonFormat<FrontFile>({
  schema,
  noun: 'a front of schedules',
  remedy: 'Give the front.json that `exithead schedule RUN --front` writes.',
});

/** @throws UserError naming the file and what is wrong in it */
export function readFront(path: string): Promise<FrontFile> {
  return readJsonFile(path, frontFormat);
}

export function writeFront(path: string, front: FrontFile): Promise<void> {
  return writeJsonFile(path, frontFormat, front);
}

export function pointOf(schedule: Schedule, name: string): FrontPoint {
  const { timesteps, exits, unconditional, predicted } = schedule;
  return {
    name,
    steps: timesteps.length,
    depthUsed: predicted.depthUsed,
    ...placeOf(schedule),
    excess: predicted.excess,
    ...(predicted.fewer && { drift: predicted.fewer.drift }),
    timesteps,
    exits,
    ...(unconditional && { unconditional }),
  };
}
