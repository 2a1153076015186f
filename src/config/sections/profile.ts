// Which keys say how exits are measured?
import { z } from 'zod';
import { binnings } from '../../schedules/timeBins.js';
import type { Uncertainty } from '../../exits/uncertainty.js';
import { count, from0 } from './values.js';

/** Heads and weights are loaded with the libraries they need; their names are repeated here so that reading a config loads none. */
const uncertaintyForms = ['log-excess', 'deediff'] as const satisfies readonly Uncertainty['form'][];

export const profileSection = z
  .strictObject({
    samples: count(100_000_000)
      .default(2000)
      .describe('noisy held-out images that every exit is measured on'),
    batch: count(65536).default(64).describe('images at once'),
    bins: count(1000).default(20).describe('stretches of time; the table gives native t and log-SNR of each'),
    binning: z
      .enum(binnings)
      .default('native')
      .describe(
        'what they are equally long in: native, native t; log-snr, log-SNR; solver: one for each of schedule.steps, measured at its very t, and bins is not read',
      ),
    guidance: z
      .number()
      .min(0)
      .max(1000)
      .default(1)
      .describe('classifier-free guidance scale after which errors are measured; 1 is unguided'),
    standardError: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe(
        'stop as soon as every standard error of the excess is at most this share of it, of 16 samples at least; 0 measures all samples',
      ),
    trajectories: z
      .int()
      .min(2)
      .max(1_000_000)
      .default(64)
      .describe(
        'with --sensitivity and --trajectories: samples that mistakes are followed on, through all steps of the schedule',
      ),
    pairs: from0(100_000)
      .default(32)
      .describe('with --trajectories: pairs of exits whose drift is compared with the sum of both alone'),
    stepCounts: z
      .array(count(100_000))
      .max(1000)
      .default([])
      .describe(
        'with --trajectories: smaller numbers of steps, at full depth; unless given, from 0.4 to 0.9 of schedule.steps',
      ),
  })
  .prefault({})
  .describe('the error table');

export const uncertaintySection = z
  .strictObject({
    form: z
      .enum(uncertaintyForms)
      .default('log-excess')
      .describe(
        'what uncertainty heads predict: log-excess, the squared distance to full depth; deediff, the mean of tanh of its size',
      ),
    bottleneck: count(65536).default(16).describe('width of an uncertainty head; for log-excess alone'),
    steps: count(2 ** 24 - 1)
      .default(600)
      .describe('training steps, of train.batch images each'),
    lr: z
      .number()
      .gt(0)
      .max(10)
      .default(0.003)
      .describe('highest learning rate; the rest is that of optimizer'),
    samples: count(100_000_000).default(4000).describe('noisy held-out images to measure the calibration on'),
  })
  .prefault({})
  .describe('heads that say how wrong each exit is on a sample');
