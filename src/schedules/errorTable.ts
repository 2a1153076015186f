// How wrong is every exit at every time? The error table and its file.
import { z } from 'zod';
import { headKinds, remembers } from '../exits/heads.js';
import { readJsonFile, writeJsonFile, jsonFormat } from '../files/jsonFile.js';
import { binnings, timeBinSchema } from './timeBins.js';

export const measuredExitSchema = z.object({
  exit: z.int().min(1).max(1000).describe('leave after this block, counted from 1'),
  kind: z.enum([...headKinds, 'backbone']).describe('kind of head; `backbone` is exit L, the whole model'),
  macs: z.int().positive().describe('multiply-adds of one sample up to and with this head'),
  refreshMacs: z
    .int()
    .positive()
    .optional()
    .describe('multiply-adds that a full-depth step takes more where this exit remembers it; 0 unless given'),
});

/** An exit as a schedule sees it. */
export type MeasuredExit = Readonly<z.output<typeof measuredExitSchema>>;

/** Those that take what the last full-depth step left. */
export function remembering(exits: readonly MeasuredExit[]): readonly MeasuredExit[] {
  return exits.filter(({ kind }) => kind !== 'backbone' && remembers(kind));
}

/** Exits ascend, the last and only the last is the backbone. */
export const measuredExitsSchema = z
  .array(measuredExitSchema)
  .min(1)
  .max(1000)
  .superRefine((exits, context) => {
    exits.forEach(({ exit, kind }, i) => {
      const isLast = i === exits.length - 1;
      const before = exits[i - 1];
      const refuse = (field: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [i, field], message });
      if (before && exit <= before.exit)
        refuse('exit', `exits must ascend, but ${exit} follows ${before.exit}`);
      if (isLast && kind !== 'backbone') refuse('kind', 'the last exit must be the backbone itself');
      if (!isLast && kind === 'backbone') refuse('kind', 'only the last exit can be the backbone itself');
    });
  });

/** SHA-256 of a set of tensors, as stored beside them. */
export const fingerprintSchema = z.string().min(1).max(200);

/** The sampler that heads which remember were measured for (diffusion/ages.ts). */
const agesSchema = z.object({
  steps: z.int().min(1).max(100_000).describe('steps of the sampler'),
  every: z.int().min(2).max(1000).describe('memories were 1 to this - 1 of its steps old, all as often'),
});

export const statisticSchema = (meaning: string): z.ZodType<Statistic> =>
  z
    .object({
      mean: z
        .array(z.array(z.number().nullable()))
        .describe('by exit and bin; null where nothing was measured'),
      standardError: z
        .array(z.array(z.number().min(0).nullable()))
        .describe('of the mean, by exit and bin; null where fewer than two samples were measured'),
    })
    .describe(meaning);

/** Mean over samples and its standard error, by exit (as in `exits`) and bin; null where too little was measured. */
export interface Statistic {
  readonly mean: (number | null)[][];
  readonly standardError: (number | null)[][];
}

/** Which part of guidance a file was measured after. */
export const guidanceFields = {
  guidanceChannels: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe('how many channels guidance moved, from the first; all unless given'),
  guidanceInterval: z
    .array(z.number().min(0))
    .length(2)
    .optional()
    .describe('native times from and to which guidance was on; all unless given'),
};

/** What was measured of some samples; the backbone is the last exit. */
const errorsSchema = z.object({
  count: z.array(z.int().min(0)).describe('samples by bin; every exit saw all of them'),
  error: statisticSchema('denoising error, mean over elements of (prediction - noise)^2'),
  excess: statisticSchema('mean over elements of (prediction - prediction of the backbone)^2'),
  rise: statisticSchema('denoising error less that of the backbone on the same sample'),
});

export type Errors = Readonly<z.output<typeof errorsSchema>>;

/** The same errors in another kind of prediction, whose squares are `epsilonPer` times smaller at the same x. */
const otherErrorsSchema = errorsSchema.omit({ count: true });

export const errorTableSchema = z
  .object({
    format: z.literal('exithead-error-table'),
    version: z.literal(1),
    backbone: fingerprintSchema.describe('fingerprint of the backbone that was measured'),
    heads: fingerprintSchema.describe('fingerprint of the heads that were measured'),
    steps: z.int().min(1).max(100_000).describe('number of diffusion steps, T; native t is below it'),
    bins: z.array(timeBinSchema).min(1).max(100_000).describe('from data to noise, without a gap'),
    exits: measuredExitsSchema,
    binning: z
      .enum(binnings)
      .optional()
      .describe('what time is cut by, see `profile.binning`; native unless given'),
    ages: agesSchema.optional().describe('how old memories were; given where a head remembers'),
    guidance: z
      .number()
      .min(0)
      .optional()
      .describe('scale of the classifier-free guidance that predictions were measured after; 1 unless given'),
    ...guidanceFields,
    ...errorsSchema.shape,
    x0: otherErrorsSchema.optional().describe('the same in x0, the image that a prediction implies'),
    v: otherErrorsSchema.optional().describe('the same in v, sqrt(a) epsilon - sqrt(1 - a) x0'),
    halves: z
      .object({
        conditional: statisticSchema('excess of the pass that is told the prompt'),
        unconditional: statisticSchema('excess of the pass that is told nothing'),
      })
      .optional()
      .describe('excess of both passes of guidance, before they are combined; given where guidance is not 1'),
    byAge: z
      .array(
        errorsSchema.extend({
          age: z.int().min(1).max(1000).describe('steps of the sampler of `ages` since the last full depth'),
        }),
      )
      .max(1000)
      .optional()
      .describe(
        'the same apart by the age of the memory, ascending; samples of all ages are those of the table',
      ),
  })
  .superRefine((table, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const { bins, steps, count, exits, ages, byAge = [] } = table;
    bins.forEach(({ from, to }, i) => {
      const expected = bins[i - 1]?.to ?? 0;
      if (from !== expected) refuse(['bins', i, 'from'], `is ${from}, expected ${expected}`);
      if (to <= from) refuse(['bins', i, 'to'], `is ${to}, expected more than ${from}`);
    });
    if (remembering(exits).length > 0 && !ages)
      refuse(['ages'], 'is missing, but there are heads that remember');
    const end = bins.at(-1)?.to;
    if (end !== steps) refuse(['bins'], `end at ${end}, expected the ${steps} of steps`);
    for (const name of ['error', 'excess', 'rise'] as const) {
      checkStatistic(name, table[name], table, [], refuse);
      for (const kind of ['x0', 'v'] as const)
        if (table[kind]) checkStatistic(name, table[kind][name], table, [kind], refuse);
    }
    for (const [half, statistic] of Object.entries(table.halves ?? {}))
      checkStatistic('excess', statistic, table, ['halves', half], refuse);
    byAge.forEach((errors, i) => {
      for (const name of ['error', 'excess', 'rise'] as const)
        checkStatistic(name, errors[name], { ...errors, bins, exits }, ['byAge', i], refuse);
      const before = byAge[i - 1]?.age;
      if (before !== undefined && errors.age <= before)
        refuse(['byAge', i, 'age'], `is ${errors.age} after ${before}; list them ascending`);
      if (!ages || errors.age >= ages.every)
        refuse(['byAge', i, 'age'], `is ${errors.age}, expected less than the ${ages?.every} of ages.every`);
    });
    if (byAge.length > 0)
      count.forEach((all, bin) => {
        const sum = byAge.reduce((total, errors) => total + (errors.count[bin] ?? 0), 0);
        if (sum !== all) refuse(['byAge'], `counts ${sum} samples in bin ${bin}, and the table ${all}`);
      });
  });

/** Whether a statistic has one entry for each exit and bin, and no number where nothing was measured. */
function checkStatistic(
  name: keyof Omit<Errors, 'count'>,
  statistic: Statistic,
  { bins, exits, count }: Pick<ErrorTable, 'bins' | 'exits' | 'count'>,
  at: readonly (string | number)[],
  refuse: (path: (string | number)[], message: string) => void,
): void {
  if (count.length !== bins.length)
    refuse([...at, 'count'], `has ${count.length} entries for ${bins.length} bins`);
  for (const part of ['mean', 'standardError'] as const) {
    const rows = statistic[part];
    const needed = part === 'mean' ? 1 : 2;
    const place = [...at, ...(at[0] === 'halves' ? [] : [name]), part];
    if (rows.length !== exits.length) refuse(place, `has ${rows.length} rows for ${exits.length} exits`);
    rows.forEach((row, i) => {
      if (row.length !== bins.length)
        return refuse([...place, i], `has ${row.length} entries for ${bins.length} bins`);
      row.forEach((value, bin) => {
        const samples = count[bin] ?? 0;
        if ((value === null) !== samples < needed)
          refuse([...place, i, bin], `is ${value}, which does not fit ${samples} samples`);
        if (part === 'mean' && name !== 'rise' && value !== null && value < 0)
          refuse([...place, i, bin], `is ${value}, expected a mean of squares`);
      });
    });
    if (name === 'excess' && rows.at(-1)?.some((value) => value !== null && value !== 0))
      refuse([...place, exits.length - 1], 'must be 0: the backbone does not differ from itself');
  }
}

export type ErrorTable = Readonly<z.output<typeof errorTableSchema>>;

export const errorTableFormat = jsonFormat<ErrorTable>({
  schema: errorTableSchema,
  noun: 'an error table',
  remedy: 'Give the error-table.json that `exithead profile` writes.',
});

/** @throws UserError naming the file and what is wrong in it */
export function readErrorTable(path: string): Promise<ErrorTable> {
  return readJsonFile(path, errorTableFormat);
}

export function writeErrorTable(path: string, table: ErrorTable): Promise<void> {
  return writeJsonFile(path, errorTableFormat, table);
}
