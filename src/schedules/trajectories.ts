// What do early exits do to the final sample, where errors pile up along a trajectory? Measured drifts and their file.
import { z } from 'zod';
import { solverFields } from '../samplers/settings.js';
import { fingerprintSchema, guidanceFields, measuredExitsSchema, statisticSchema } from './errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';
import { requireMeasuredOn } from './sensitivity.js';

const driftSchema = {
  drift: z.number().min(0).describe('mean square of how far the final sample moves'),
  standardError: z.number().min(0).describe('of it, over the samples'),
};

const changeSchema = z.object({
  call: z.int().min(0).describe('place among `timesteps`, from 0'),
  exit: z.int().min(1).max(1000).describe('the exit that answers it'),
});

const schema = z
  .object({
    format: z.literal('exithead-trajectories'),
    version: z.literal(1),
    backbone: fingerprintSchema.describe('fingerprint of the backbone that was measured'),
    heads: fingerprintSchema.describe('fingerprint of the heads that were measured'),
    diffusionSteps: z
      .int()
      .min(1)
      .max(100_000)
      .describe('number of diffusion steps, T; native t is below it'),
    ...solverFields,
    guidance: z.number().min(0).describe('classifier-free guidance scale of all passes'),
    ...guidanceFields,
    clip: z.boolean().describe('whether predicted images were cut to [-1, 1]'),
    seed: z.int().describe('of the noise'),
    samples: z.int().min(2).describe('trajectories that were measured on'),
    timesteps: z
      .array(z.number().min(0))
      .min(1)
      .max(100_000)
      .describe('native t of the calls of the solver, in their order: one for each step, or several'),
    exits: measuredExitsSchema,
    single: z
      .object({
        drift: statisticSchema('mean square of how far the final sample moves, by exit and call'),
        excess: statisticSchema('mean square of how far the exit is from full depth there, in epsilon'),
      })
      .describe(
        'where one exit answers one call, and full depth all others; null where the exit cannot, since it remembers and nothing came before',
      ),
    pairs: z
      .array(
        z.object({
          first: changeSchema,
          second: changeSchema,
          ...driftSchema,
          sum: z.number().min(0).describe('of the drifts of both alone, on the same samples'),
        }),
      )
      .max(100_000)
      .describe('where two calls are answered by exits; drawn by chance'),
    additive: z
      .object({
        ratio: z
          .number()
          .min(0)
          .describe('drift of all pairs over the sum of the single ones; 1 would be additive'),
        standardError: z.number().min(0).describe('of it, over the samples'),
        rankCorrelation: z.number().min(-1).max(1).describe('of drifts and sums, over the pairs (Spearman)'),
      })
      .nullable()
      .describe('how well drifts add up; null where no pair was measured'),
    steps: z
      .array(z.object({ steps: z.int().min(1).max(100_000).describe('steps of the solver'), ...driftSchema }))
      .max(1000)
      .describe(
        'full depth in so many steps, against full depth in as many as `timesteps` are of; ascending, the last is that',
      ),
  })
  .superRefine(({ diffusionSteps, timesteps, exits, single, pairs, steps }, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    timesteps.forEach((t, i) => {
      if (t >= diffusionSteps)
        refuse(['timesteps', i], `is ${t}, expected less than the ${diffusionSteps} diffusion steps`);
    });
    for (const [name, statistic] of Object.entries(single)) {
      for (const part of ['mean', 'standardError'] as const) {
        const rows = statistic[part];
        if (rows.length !== exits.length)
          refuse(['single', name, part], `has ${rows.length} rows for ${exits.length} exits`);
        rows.forEach((row, i) => {
          if (row.length !== timesteps.length)
            refuse(['single', name, part, i], `has ${row.length} entries for ${timesteps.length} calls`);
        });
      }
      if (statistic.mean.at(-1)?.some((value) => value !== 0))
        refuse(['single', name, 'mean', exits.length - 1], 'must be 0: full depth is what it is');
    }
    pairs.forEach(({ first, second }, i) => {
      if (second.call <= first.call || second.call >= timesteps.length)
        refuse(['pairs', i, 'second', 'call'], `is ${second.call}, expected a call after ${first.call}`);
    });
    steps.forEach(({ steps: count }, i) => {
      const before = steps[i - 1]?.steps;
      if (before !== undefined && count <= before)
        refuse(['steps', i, 'steps'], `is ${count} after ${before}; list them ascending`);
    });
  });

export type Trajectories = Readonly<z.output<typeof schema>>;

export const trajectoriesFormat = jsonFormat<Trajectories>({
  schema,
  noun: 'a profile of trajectories',
  remedy: 'Give the trajectories.json that `exithead profile RUN --trajectories` writes.',
});

/** @throws UserError naming the file and what is wrong in it */
export function readTrajectories(path: string): Promise<Trajectories> {
  return readJsonFile(path, trajectoriesFormat);
}

export function writeTrajectories(path: string, trajectories: Trajectories): Promise<void> {
  return writeJsonFile(path, trajectoriesFormat, trajectories);
}

/** @throws UserError if it was measured on another backbone, other heads, or over another diffusion */
export function requireTrajectoriesOf(
  found: Pick<Trajectories, 'backbone' | 'heads' | 'diffusionSteps'>,
  path: string,
  expected: { readonly backbone: string; readonly heads: string; readonly steps: number },
): void {
  requireMeasuredOn({ ...found, steps: found.diffusionSteps }, path, expected, trajectoriesFormat);
}
