// What did an evaluation find? Its file: every way with its distances, drift and seconds.
import { z } from 'zod';
import { fingerprintSchema, guidanceFields } from '../schedules/errorTable.js';
import { solverFields } from '../samplers/settings.js';
import { jsonFormat } from '../files/jsonFile.js';
import { differenceBetween, distanceOf, type Row, type SeedResult } from './evaluateWays.js';
import { meanOver, ratioOver } from '../summary.js';
import { wayKinds } from './ways.js';

const uncertain = z.object({
  value: z.number(),
  standardError: z.number().min(0).describe('as if samples and real images were drawn anew'),
});

const mean = z.object({
  mean: z.number(),
  standardError: z.number().min(0).nullable().describe('from the spread over seeds; null where there is one'),
});

const seedSchema = z.object({
  seed: z.int().min(0),
  fid: uncertain.describe('Fréchet distance to the real images'),
  kid: uncertain.describe('kernel distance to the real images'),
  precision: z.number().min(0).max(1).describe('share of the samples that look real'),
  recall: z.number().min(0).max(1).describe('share of the real images that look like a sample'),
  inceptionScore: z.number().nullable().describe('null where the features decide for no classes'),
  agreement: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .describe('share of the samples that show the class they were asked for; null where nothing tells'),
  drift: z
    .number()
    .min(0)
    .describe('mean squared difference to full depth from the same noise, of what the backbone draws'),
  seconds: z.number().min(0).describe('time spent sampling'),
});

const rowSchema = z.object({
  name: z.string(),
  kind: z.enum(wayKinds).describe('what it is; docs/evaluate.md describes them'),
  timesteps: z.array(z.number().min(0)).describe('native t in sampling order'),
  exits: z.array(z.int().min(1)).describe('exit of each of `timesteps`'),
  unconditional: z
    .array(z.int().min(1))
    .optional()
    .describe('exit of the half of guidance that asks for nothing, where it has its own'),
  macs: z.number().positive().describe('multiply-adds of one image, of both passes where it is guided'),
  depthUsed: z.number().positive().describe('`macs` over those of full depth'),
  fid: uncertain.describe('of all seeds: mean of their distances'),
  kid: uncertain.describe('of all seeds: mean of their distances'),
  precision: mean,
  recall: mean,
  inceptionScore: mean.nullable(),
  agreement: mean.nullable(),
  drift: mean,
  secondsPerImage: z.number().min(0),
  speed: z
    .object({ mean: z.number().positive(), standardError: z.number().min(0).nullable() })
    .describe('seconds of full depth over its own; standard error from the spread over batches'),
  differences: z
    .array(
      z.object({
        to: z.string().describe('name of a schedule'),
        fid: uncertain.describe('Fréchet distance less that of the schedule'),
        kid: uncertain.describe('kernel distance less that of the schedule'),
      }),
    )
    .describe('to every other way that is a schedule, sample by sample from the same noise'),
  seeds: z.array(seedSchema).min(1),
});

const evaluationSchema = z.object({
  format: z.literal('exithead-evaluation'),
  version: z.literal(1),
  backbone: fingerprintSchema.describe('fingerprint of the backbone'),
  heads: fingerprintSchema.describe('fingerprint of the heads'),
  features: z.object({
    name: z.string(),
    fingerprint: z.string().describe('of weights and preprocessing'),
    width: z.int().min(1).describe('numbers in a feature vector'),
  }),
  reference: z.object({
    data: z.string(),
    split: z.enum(['test', 'train']),
    count: z.int().min(4).describe('real images'),
  }),
  sampling: z.object({
    ...solverFields,
    guidance: z.number().min(0).describe('1 is unguided'),
    ...guidanceFields,
    clip: z.boolean(),
    samples: z.int().min(1).describe('images of each seed'),
    batch: z.int().min(1),
  }),
  engine: z.object({ kind: z.string(), device: z.string(), frozenPrecision: z.enum(['fp32', 'int8']) }),
  rows: z.array(rowSchema).min(1).describe('the first is full depth'),
});

export type Evaluation = Readonly<z.output<typeof evaluationSchema>>;
export type EvaluatedRow = Evaluation['rows'][number];

export const evaluationFormat = jsonFormat<Evaluation>({
  schema: evaluationSchema,
  noun: 'an evaluation',
  remedy: 'Give the evaluation.json that `exithead evaluate` writes.',
});

/** Rows of the file. @param count samples of each seed */
export function evaluatedRows(rows: readonly Row[], count: number): EvaluatedRow[] {
  const [full] = rows;
  const schedules = rows.filter(({ way }) => way.kind === 'scheduled');
  return rows.map((row) => {
    const { way, macs, depthUsed, seeds } = row;
    const over = (measure: (seed: SeedResult) => number): EvaluatedRow['drift'] =>
      meanOver(seeds.map(measure));
    const known = (name: 'inceptionScore' | 'agreement'): EvaluatedRow['drift'] | null =>
      seeds.every((one) => one[name] !== undefined) ? over((one) => one[name] ?? NaN) : null;
    const seconds = secondsOf(row);
    return {
      ...{ name: way.name, kind: way.kind, timesteps: [...way.timesteps], exits: [...way.exits] },
      ...(way.unconditional && { unconditional: [...way.unconditional] }),
      ...{ macs, depthUsed, fid: brief(distanceOf(seeds, 'fid')), kid: brief(distanceOf(seeds, 'kid')) },
      precision: over(({ precision }) => precision),
      recall: over(({ recall }) => recall),
      inceptionScore: known('inceptionScore'),
      agreement: known('agreement'),
      drift: over(({ drift }) => drift),
      secondsPerImage: total(seconds) / (count * seeds.length),
      speed: full === row || !full ? { mean: 1, standardError: 0 } : ratioOver(secondsOf(full), seconds),
      differences: schedules
        .filter((other) => other !== row)
        .map((other) => ({
          to: other.way.name,
          fid: differenceBetween(row, other, 'fid'),
          kid: differenceBetween(row, other, 'kid'),
        })),
      seeds: seeds.map(
        ({ seed, fid, kid, precision, recall, inceptionScore, agreement, drift, seconds }) => ({
          ...{ seed, fid: brief(fid), kid: brief(kid), precision, recall, drift },
          inceptionScore: inceptionScore ?? null,
          agreement: agreement ?? null,
          seconds: total(seconds),
        }),
      ),
    };
  });
}

/** Without the terms. */
function brief({ value, standardError }: EvaluatedRow['kid']): EvaluatedRow['kid'] {
  return { value, standardError };
}

/** Of all batches of all seeds. */
function secondsOf({ seeds }: Row): readonly number[] {
  return seeds.flatMap(({ seconds }) => seconds);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
