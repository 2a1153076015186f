// Do uncertainty heads say what is measured, and more than a constant per time and exit would? Scores on held-out samples.
import { z } from 'zod';
import { meanOver } from '../summary.js';
import { uncertaintyForms } from '../exits/uncertainty.js';
import { fingerprintSchema } from './errorTable.js';
import { jsonFormat } from '../files/jsonFile.js';
import { rules, ruleWithin, type Judgement } from './perSampleRule.js';
import { correlation, correlationInterval, lineThrough, mean, rankCorrelation, skill } from './scores.js';
import { binOf, timeBinSchema, type TimeBin } from './timeBins.js';

const number = z.number();
const reliabilitySchema = z.object({
  count: z.int().min(1),
  predicted: number.describe('mean uncertainty of these samples'),
  measured: number.describe('mean error of these samples'),
  standardError: number.min(0).nullable().describe('of `measured`; null of one sample'),
});

const exitSchema = z.object({
  exit: z.int().min(1).max(1000),
  depth: number
    .positive()
    .describe('multiply-adds of leaving here over full depth, with all uncertainty heads asked'),
  reliability: z
    .array(reliabilitySchema)
    .min(1)
    .describe('samples in order of their uncertainty, in equal shares'),
  rSquared: number.describe(
    '1 - mean squared difference of error and uncertainty over the variance of the error',
  ),
  spearman: number.min(-1).max(1).describe('rank correlation of error and uncertainty over all times'),
  skill: z
    .object({
      error: number.describe('1 - MSE(uncertainty) / MSE(cell mean) of the error'),
      logError: number.describe('the same of ln error, each side without its mean difference at this exit'),
      logErrorOverLine: number.describe('the same where each cell has a line in t instead of a mean'),
    })
    .describe('against a constant per time bin, fitted on other samples than it is tested on'),
  within: z
    .object({
      correlation: number.min(-1).max(1),
      interval: z.tuple([number, number]).describe('95 %'),
    })
    .describe('correlation of ln error and ln uncertainty inside cells, both without their line in t'),
  knowsMore: z.boolean().describe('whether the interval lies above 0 and so does skill.logErrorOverLine'),
});

const ruleSchema = z.object({ threshold: number.min(0), depthUsed: number.positive(), loss: number.min(0) });

const calibrationSchema = z.object({
  format: z.literal('exithead-calibration'),
  version: z.literal(1),
  backbone: fingerprintSchema,
  heads: fingerprintSchema,
  form: z.enum(uncertaintyForms).describe('what is predicted and measured'),
  samples: z.int().min(2),
  bins: z.array(timeBinSchema).min(1).max(100_000),
  exits: z.array(exitSchema).min(1).max(1000),
  rules: z.array(ruleSchema).min(1).describe('leaving each sample at the first exit below a threshold'),
  compared: z
    .array(
      z.object({
        depthUsed: number.positive(),
        perSample: number.min(0).nullable().describe('mean error where heads say the uncertainty'),
        perCell: number
          .min(0)
          .nullable()
          .describe('where it is the mean of the cell, fitted on other samples'),
        oracle: number.min(0).nullable().describe('where it is the error itself, which no head can know'),
      }),
    )
    .describe('the same rule at the same depth used, for three ways to say the uncertainty'),
});

export type Calibration = Readonly<z.output<typeof calibrationSchema>>;
export type CalibratedExit = Calibration['exits'][number];

export const calibrationFormat = jsonFormat<Calibration>({
  schema: calibrationSchema,
  noun: 'a calibration',
  remedy: 'Give the calibration.json that `exithead uncertainty` writes.',
});

/** What was said and measured of held-out samples. */
export interface Observed extends Pick<Calibration, 'backbone' | 'heads' | 'form'> {
  readonly bins: readonly TimeBin[];
  /** Diffusion step of every sample. */
  readonly t: readonly number[];
  readonly exits: readonly {
    readonly exit: number;
    readonly depth: number;
    /** By sample. */
    readonly predicted: readonly number[];
    readonly measured: readonly number[];
  }[];
}

const shares = 10;
const thresholds = 101;
const budgets = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Scores what was observed; cells are time bins of one exit. */
export function calibrationOf({ t, exits, bins, ...of }: Observed): Calibration {
  const cells = t.map((at) => binOf(bins, at));
  const perCell = exits.map(({ measured }) => fromOthers(cells, t, measured, constant));
  const judged = (uncertainty: Judgement['uncertainty']): Judgement => ({
    uncertainty,
    loss: exits.map(({ measured }) => measured),
    depths: [...exits.map(({ depth }) => depth), 1],
  });
  const bySample = judged(exits.map(({ predicted }) => predicted));
  const rivals = { perCell: judged(perCell), oracle: judged(exits.map(({ measured }) => measured)) };
  return {
    ...{ format: 'exithead-calibration', version: 1, ...of, samples: t.length, bins: [...bins] },
    exits: exits.map(({ exit, depth, predicted, measured }, k) => ({
      ...{ exit, depth },
      ...scoresOf({ cells, t, predicted, measured, cellMeans: perCell[k] ?? [] }),
    })),
    rules: rules(bySample, thresholds),
    compared: budgets.map((depthUsed) => ({
      depthUsed,
      perSample: ruleWithin(bySample, depthUsed)?.loss ?? null,
      perCell: ruleWithin(rivals.perCell, depthUsed)?.loss ?? null,
      oracle: ruleWithin(rivals.oracle, depthUsed)?.loss ?? null,
    })),
  };
}

/** Whether heads know more than their cell: at how many exits of how many. */
export function verdictOf({ exits }: Pick<Calibration, 'exits'>): string {
  const knowing = exits.filter(({ knowsMore }) => knowsMore).length;
  const all = `${knowing} of ${exits.length} exits`;
  return knowing === 0
    ? 'the uncertainty heads know no more than a constant per time and exit'
    : `the uncertainty heads know more than a constant per time and exit at ${all}`;
}

interface Pairs {
  readonly cells: readonly number[];
  readonly t: readonly number[];
  readonly predicted: readonly number[];
  readonly measured: readonly number[];
  /** Mean of the cell in other samples. */
  readonly cellMeans: readonly number[];
}

function scoresOf({
  cells,
  t,
  predicted,
  measured,
  cellMeans,
}: Pairs): Omit<CalibratedExit, 'exit' | 'depth'> {
  const [logPredicted, logMeasured] = [predicted.map(log), measured.map(log)];
  const line = fromOthers(cells, t, logMeasured, lineThrough);
  const centred = shifted(logPredicted, logMeasured);
  const withoutLine = (values: readonly number[], lines: readonly number[]): number[] =>
    values.map((value, i) => value - (lines[i] ?? NaN));
  const r = correlation(
    withoutLine(logMeasured, line),
    withoutLine(logPredicted, fromOthers(cells, t, logPredicted, lineThrough)),
  );
  const interval = correlationInterval(r, t.length);
  const overLine = skill(logMeasured, centred, line);
  const all = mean(measured);
  return {
    reliability: reliabilityOf(predicted, measured),
    rSquared: skill(
      measured,
      predicted,
      measured.map(() => all),
    ),
    spearman: rankCorrelation(predicted, measured),
    skill: {
      error: skill(measured, predicted, cellMeans),
      logError: skill(logMeasured, centred, fromOthers(cells, t, logMeasured, constant)),
      logErrorOverLine: overLine,
    },
    within: { correlation: r, interval: [...interval] },
    knowsMore: interval[0] > 0 && overLine > 0,
  };
}

/** A head of means predicts no mean of logarithms: shifted by what it is off in the other half of the samples. */
function shifted(logPredicted: readonly number[], logMeasured: readonly number[]): number[] {
  const off = logMeasured.map((value, i) => value - (logPredicted[i] ?? NaN));
  const byHalf = [0, 1].map((half) => mean(off.filter((_, i) => i % 2 !== half)));
  return logPredicted.map((value, i) => value + (byHalf[i % 2] ?? NaN));
}

type Fit = (x: readonly number[], y: readonly number[]) => (at: number) => number;

const constant: Fit = (_, y) => {
  const all = mean(y);
  return () => all;
};

/** What the other half of the samples (odd for even, even for odd) says of each sample, by a fit in each cell. */
function fromOthers(
  cells: readonly number[],
  t: readonly number[],
  values: readonly number[],
  fit: Fit,
): number[] {
  const fitted = new Map<string, (at: number) => number>();
  const samples = new Map<string, number[]>();
  values.forEach((_, i) => {
    const key = `${cells[i]} ${i % 2}`;
    samples.set(key, [...(samples.get(key) ?? []), i]);
  });
  for (const [key, members] of samples)
    fitted.set(
      key,
      fit(
        members.map((i) => t[i] ?? NaN),
        members.map((i) => values[i] ?? NaN),
      ),
    );
  const all = mean(values);
  return values.map((_, i) => fitted.get(`${cells[i]} ${1 - (i % 2)}`)?.(t[i] ?? NaN) ?? all);
}

function reliabilityOf(
  predicted: readonly number[],
  measured: readonly number[],
): CalibratedExit['reliability'] {
  const order = predicted.map((_, i) => i).sort((i, j) => (predicted[i] ?? NaN) - (predicted[j] ?? NaN));
  return Array.from({ length: shares }, (_, s) => {
    const share = order.slice(
      Math.floor((s * order.length) / shares),
      Math.floor(((s + 1) * order.length) / shares),
    );
    const { mean: average, standardError } = meanOver(share.map((i) => measured[i] ?? NaN));
    return {
      count: share.length,
      predicted: mean(share.map((i) => predicted[i] ?? NaN)),
      ...{ measured: average, standardError },
    };
  }).filter(({ count }) => count > 0);
}

/** Errors below what single precision resolves count as that. */
function log(value: number): number {
  return Math.log(Math.max(value, 1e-12));
}
