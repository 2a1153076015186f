// How far does a mistake at one step of a solver move the final sample? Measured sensitivities and their file.
import { z } from 'zod';
import { UserError } from '../errors.js';
import { solverFields } from '../samplers/settings.js';
import { fingerprintSchema, guidanceFields } from './errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat, type JsonFormat } from '../files/jsonFile.js';

const measuredSchema = z.object({
  value: z.array(z.number().min(0)).describe('by step of `timesteps`'),
  standardError: z.array(z.number().min(0)).describe('of each value, over the samples'),
});

/** By step: mean square of how far the sample moved over mean square of the mistake in epsilon. */
export type MeasuredSensitivity = Readonly<z.output<typeof measuredSchema>>;

const schema = z
  .object({
    format: z.literal('exithead-sensitivity'),
    version: z.literal(1),
    backbone: fingerprintSchema.describe('fingerprint of the backbone that was measured'),
    heads: fingerprintSchema.describe('fingerprint of the heads, one of which made the mistakes of `exit`'),
    steps: z.int().min(1).max(100_000).describe('number of diffusion steps, T; native t is below it'),
    timesteps: z
      .array(z.number().min(0))
      .min(1)
      .max(100_000)
      .describe(
        'native t of the solver: descending, from noise to data; calls between count with the nearest',
      ),
    ...solverFields,
    guidance: z.number().min(0).describe('classifier-free guidance scale; mistakes were made after it'),
    ...guidanceFields,
    clip: z.boolean().describe('whether predicted images were cut to [-1, 1]'),
    samples: z.int().min(2).describe('trajectories that were measured on'),
    deviation: z.number().positive().describe('of the noise that was added to predictions'),
    noise: measuredSchema.describe('of mistakes that are white noise'),
    exit: measuredSchema
      .extend({ exit: z.int().min(1).max(1000).describe('the exit') })
      .nullable()
      .describe('of the mistakes that an exit makes; null where none could be measured'),
  })
  .superRefine(({ steps, timesteps, noise, exit }, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    timesteps.forEach((t, i) => {
      const before = timesteps[i - 1];
      if (t >= steps) refuse(['timesteps', i], `is ${t}, expected less than the ${steps} steps`);
      if (before !== undefined && t >= before)
        refuse(['timesteps', i], `is ${t} after ${before}; list them from noise to data, each once`);
    });
    for (const [name, measured] of Object.entries({ noise, exit }))
      for (const part of ['value', 'standardError'] as const)
        if (measured && measured[part].length !== timesteps.length)
          refuse([name, part], `has ${measured[part].length} entries for ${timesteps.length} timesteps`);
    if ((exit ?? noise).value.every((value) => value === 0))
      refuse([exit ? 'exit' : 'noise', 'value'], 'has only zeros: no mistake would count');
  });

export type Sensitivity = Readonly<z.output<typeof schema>>;

export const sensitivityFormat = jsonFormat<Sensitivity>({
  schema,
  noun: 'a table of sensitivities',
  remedy: 'Give the sensitivity.json that `exithead profile RUN --sensitivity` writes.',
});

/** @throws UserError naming the file and what is wrong in it */
export function readSensitivity(path: string): Promise<Sensitivity> {
  return readJsonFile(path, sensitivityFormat);
}

export function writeSensitivity(path: string, sensitivity: Sensitivity): Promise<void> {
  return writeJsonFile(path, sensitivityFormat, sensitivity);
}

/**
 * How much a mistake at native t counts, as points of ascending t: of mistakes of an exit where those were measured, and
 * of noise otherwise, for a network feels the one less than the other.
 */
export function sensitivityPoints({ timesteps, noise, exit }: Sensitivity): { at: number; weight: number }[] {
  const { value } = exit ?? noise;
  return timesteps.map((at, i) => ({ at, weight: value[i] ?? NaN })).reverse();
}

/**
 * @param expected heads only where the numbers are those of heads
 * @throws UserError if it was measured on another backbone, on other heads, or over another diffusion
 */
export function requireMeasuredOn(
  found: Pick<Sensitivity, 'backbone' | 'heads' | 'steps'>,
  path: string,
  expected: { readonly backbone: string; readonly heads?: string; readonly steps: number },
  { remedy }: Pick<JsonFormat<unknown>, 'remedy'> = sensitivityFormat,
): void {
  const isSame =
    found.backbone === expected.backbone &&
    found.steps === expected.steps &&
    (expected.heads === undefined || found.heads === expected.heads);
  if (isSame) return;
  const heads = (of: string | undefined): string =>
    expected.heads === undefined || of === undefined ? '' : ` with the heads ${of.slice(0, 12)}`;
  throw new UserError(
    `${path} was measured on the backbone ${found.backbone.slice(0, 12)}${heads(found.heads)} over ${found.steps} diffusion ` +
      `steps, and this one is ${expected.backbone.slice(0, 12)}${heads(expected.heads)} over ${expected.steps}. ${remedy}`,
  );
}
