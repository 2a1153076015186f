// Which keys say how long and how fast is trained?
import { z } from 'zod';
import { count, from0 } from './values.js';

export const optimizerSection = z
  .strictObject({
    lr: z.number().gt(0).max(10).default(1e-3).describe('learning rate after warm-up; falls along a cosine'),
    floor: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('share of lr that the cosine ends at; 1 keeps the rate as it is'),
    weightDecay: z.number().min(0).max(10).default(0).describe('decoupled weight decay of AdamW'),
    beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the first moment'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the second moment'),
    eps: z.number().gt(0).max(1).default(1e-8).describe('added to the root of the second moment'),
    clip: z
      .number()
      .min(0)
      .max(1e6)
      .default(1)
      .describe('largest norm of all gradients together; 0 never clips'),
    warmup: from0(100_000_000).default(100).describe('steps in which the learning rate rises from 0'),
    ema: z
      .number()
      .min(0)
      .lt(1)
      .default(0.999)
      .describe('decay of the averaged weights, which are what is kept'),
  })
  .prefault({})
  .describe('AdamW');

const trainKeys = z.strictObject({
  batch: count(65536).default(64).describe('images per step'),
  // The state counts them in single precision.
  steps: count(2 ** 24 - 1).describe('number of steps'),
  logEvery: count(100_000_000).default(10).describe('steps between two lines of metrics'),
  checkpointEvery: count(100_000_000).default(200).describe('steps between two checkpoints'),
  keep: count(1000).default(2).describe('checkpoints that stay; older ones are deleted'),
});

export const trainSection = trainKeys.describe('how long and how often');

/** A backbone can show what it has learned so far. */
export const pretrainSection = trainKeys
  .extend({
    sampleEvery: from0(100_000_000)
      .default(0)
      .describe('steps between two sample grids, a multiple of checkpointEvery; 0 draws none'),
  })
  .describe('how long and how often');
