// What was measured so far, or of a part of the samples? Files that add up to an error table.
import { z } from 'zod';
import type { Diffusion } from '../diffusion/betas.js';
import { UserError } from '../errors.js';
import { errorSumsSchema, type ErrorSums } from './errorSums.js';
import { errorTableSchema, type ErrorTable } from './errorTable.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';
import { accumulator } from './measure.js';
import type { Sums } from './moments.js';

const { backbone, heads, steps, bins, exits, binning, ages, guidance, guidanceChannels, guidanceInterval } =
  errorTableSchema.shape;

/** What is measured, and on which samples: two parts of one measurement agree in it. */
const planSchema = z.object({
  measured: z
    .object({ backbone, heads, bins, exits, binning, ages, guidance, guidanceChannels, guidanceInterval })
    .describe('what is measured, as in the error table'),
  drawn: z
    .object({
      data: z.string().max(1000).describe('name of the held-out data'),
      steps,
      alphas: z
        .array(z.number())
        .max(3)
        .describe('alphasCumprod at the first native t, at T / 2 and at the last'),
      seed: z.int().describe('of noise, times and ages'),
      samples: z.int().min(1).describe('of all parts together'),
      batch: z.int().min(1).describe('samples of one pass'),
    })
    .describe('which samples it is measured on'),
});

export type ErrorPlan = Readonly<z.output<typeof planSchema>>;

const partSchema = z
  .object({
    format: z.literal('exithead-error-sums'),
    version: z.literal(1),
    ...planSchema.shape,
    shard: z
      .object({ index: z.int().min(1), of: z.int().min(1).max(10_000) })
      .describe('the part: every `of`-th batch from number `index` on; 1 of 1 is all'),
    batches: z.int().min(0).describe('batches of the part that were measured'),
    done: z
      .boolean()
      .describe('whether the part is finished: all its batches were measured, or the errors are sure'),
    sums: errorSumsSchema,
  })
  .superRefine(({ measured, sums }, context) => {
    const [rows, columns] = [measured.exits.length, measured.bins.length];
    const check = (at: string[], of: Sums): void => {
      for (const name of ['count', 'sum', 'squares'] as const)
        if (of[name].length !== rows * columns)
          context.addIssue({
            code: 'custom',
            path: ['sums', ...at, name],
            message: `has ${of[name].length} entries for ${rows} exits and ${columns} bins`,
          });
    };
    const { epsilon, x0, v, halves, byAge = [] } = sums;
    const checkErrors = (at: string[], { error, excess, rise }: ErrorSums['epsilon']): void => {
      for (const [name, of] of Object.entries({ error, excess, rise })) check([...at, name], of);
    };
    for (const [kind, errors] of Object.entries({ epsilon, x0, v })) checkErrors([kind], errors);
    byAge.forEach((errors, i) => checkErrors(['byAge', String(i)], errors));
    for (const [half, of] of Object.entries(halves ?? {})) check(['halves', half], of);
    if (byAge.length !== (measured.ages ? measured.ages.every - 1 : 0))
      context.addIssue({ code: 'custom', path: ['sums', 'byAge'], message: 'does not fit measured.ages' });
    if ((halves !== undefined) !== (measured.guidance !== undefined))
      context.addIssue({
        code: 'custom',
        path: ['sums', 'halves'],
        message: 'does not fit measured.guidance',
      });
  });

/** A measurement that is not finished, or one of several parts. */
export type ErrorPart = Readonly<z.output<typeof partSchema>>;

export const errorPartFormat = jsonFormat<ErrorPart>({
  schema: partSchema,
  noun: 'a part of an error table',
  remedy: 'Measure it again with `exithead profile`.',
});

/** @throws UserError naming the file and what is wrong in it */
export function readErrorPart(path: string): Promise<ErrorPart> {
  return readJsonFile(path, errorPartFormat);
}

export function writeErrorPart(path: string, part: ErrorPart): Promise<void> {
  return writeJsonFile(path, errorPartFormat, part);
}

/**
 * The error table of parts.
 * @throws UserError if they are not all parts of one measurement, each once and finished
 */
export function mergedTable(parts: readonly ErrorPart[], diffusion: Diffusion): ErrorTable {
  const [first] = parts;
  if (!first)
    throw new UserError('there are no parts to merge. Measure them with `exithead profile --shard`.');
  const { of } = first.shard;
  for (const part of parts) {
    const name = nameOf(part);
    const other = differenceOf(first, part) ?? (part.shard.of === of ? undefined : 'is one of more or fewer');
    if (other)
      throw new UserError(`part ${name} ${other} than part ${nameOf(first)}. Measure all parts alike.`);
    if (!part.done)
      throw new UserError(
        `part ${name} is not finished. Go on with \`exithead profile --shard ${name} --resume\`.`,
      );
  }
  const missing = Array.from({ length: of }, (_, i) => i + 1).filter(
    (index) => parts.filter(({ shard }) => shard.index === index).length !== 1,
  );
  if (missing.length > 0)
    throw new UserError(
      `part ${missing.map((index) => `${index}/${of}`).join(', ')} is missing or there twice. ` +
        'Measure each with `exithead profile --shard` once.',
    );
  return accumulator(
    first.measured,
    diffusion,
    parts.map(({ sums }) => sums),
  ).table();
}

/** What keeps two parts from being of one measurement, such as 'is on other samples'; undefined if nothing does. */
export function differenceOf(a: ErrorPlan, b: ErrorPlan): string | undefined {
  // The schema brings keys into one order.
  const [one, other] = [planSchema.parse(a), planSchema.parse(b)];
  const same = (key: keyof ErrorPlan): boolean => JSON.stringify(one[key]) === JSON.stringify(other[key]);
  if (one.measured.backbone !== other.measured.backbone || one.measured.heads !== other.measured.heads)
    return 'is of another backbone or other heads';
  if (!same('measured')) return 'has other exits, time bins, ages or guidance';
  return same('drawn') ? undefined : 'is on other samples';
}

/** '2/4' */
function nameOf({ shard: { index, of } }: Pick<ErrorPart, 'shard'>): string {
  return `${index}/${of}`;
}
