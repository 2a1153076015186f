// Which keys say what a mistake costs?
import { z } from 'zod';
import type { Curriculum } from '../../training/curriculum.js';
import type { ExitWeighting } from '../../training/exitWeights.js';
import type { LambdaRule } from '../../training/lambda.js';
import type { TimesRule } from '../../training/times.js';
import { count, file } from './values.js';

/** Heads and weights are loaded with the libraries they need; their names are repeated here so that reading a config loads none. */
const lambdaKinds = [
  'uniform',
  'snr',
  'min-snr',
  'soft-min-snr',
  'p2',
  'edm',
  'table',
  'error',
] as const satisfies readonly LambdaRule['kind'][];
const timesKinds = [
  'stratified',
  'independent',
  'log-normal',
] as const satisfies readonly TimesRule['kind'][];
const exitWeightings = ['uniform', 'linear', 'inverse', 'macs'] as const satisfies readonly ExitWeighting[];
const curricula = ['all', 'rotating', 'gradual'] as const satisfies readonly Curriculum['kind'][];

/** How much each time counts, and how often it comes. */
const timeKeys = z.strictObject({
  lambda: z
    .enum(lambdaKinds)
    .default('uniform')
    .describe('how much each time counts (docs/losses.md has the formulas)'),
  gamma: z
    .number()
    .gt(0)
    .max(1e6)
    .default(5)
    .describe('cut-off of min-snr and soft-min-snr; other rules have none'),
  p2K: z.number().gt(0).max(1e6).default(1).describe('k of p2, 1 / (k + snr)^p2Gamma'),
  p2Gamma: z.number().min(0).max(100).default(1).describe('exponent of p2'),
  sigmaData: z.number().gt(0).max(1e6).default(0.5).describe('deviation of the data, for edm'),
  table: file('weights of your own, for table: a .json or .csv file (docs/losses.md)').optional(),
  errorTable: file('error-table.json of a run of the same backbone, for error').optional(),
  times: z
    .enum(timesKinds)
    .default('stratified')
    .describe(
      'how the times of a batch are drawn: spread evenly, each by itself, or around a noise level as in EDM',
    ),
  timesMean: z
    .number()
    .min(-100)
    .max(100)
    .default(-1.2)
    .describe('mean of ln(sigma), for log-normal; sigma^2 = 1 / snr'),
  timesStd: z.number().gt(0).max(100).default(1.2).describe('deviation of ln(sigma), for log-normal'),
});

const distance = z.number().min(0).max(1e6).default(1);

export const lossSection = timeKeys
  .extend({
    denoising: distance.describe('weight of the distance to the noise; 0 only imitates the full backbone'),
    distillation: distance.describe(
      'weight of the distance to the full backbone beside the distance to the noise; 0 saves its last blocks',
    ),
    sensitivity: file(
      'sensitivity.json of a run of the same backbone: the distance to the full backbone then counts as the final sample feels it, and lambda weighs the distance to the noise alone',
    ).optional(),
    variance: z
      .enum(['inherit', 'share', 'learn'])
      .default('inherit')
      .describe(
        'channels of a learned variance: inherit, they imitate those of full depth; share, they are what the last layer of the backbone makes of the state at the exit; learn, by the variational bound, whose gradient leaves the mean out',
      ),
    exitWeights: z
      .union([z.enum(exitWeightings), z.array(z.number().min(0).max(1e6)).min(1).max(1000)])
      .default('uniform')
      .describe(
        'how much each exit counts: alike, as its depth, as one over that, as the multiply-adds it saves, or numbers in ascending order of exits; scaled to add up to 1',
      ),
    curriculum: z
      .enum(curricula)
      .default('all')
      .describe('which heads learn in a step: all, groups in turn, or one after the other from the deepest'),
    curriculumGroup: count(1000).default(1).describe('neighbouring exits in a group of rotating'),
    curriculumShare: z
      .number()
      .gt(0)
      .max(1)
      .default(0.5)
      .describe('share of the training after which gradual has all heads'),
  })
  .prefault({})
  .describe('what the heads are trained for');

export const pretrainLossSection = timeKeys.prefault({}).describe('what the backbone is trained for');
