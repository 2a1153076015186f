// Which keys say how what is drawn is judged?
import { z } from 'zod';
import type { Baseline } from '../../evaluate/ways.js';
import { count, file } from './values.js';

/** Heads and weights are loaded with the libraries they need; their names are repeated here so that reading a config loads none. */
const baselines = ['fewer-steps', 'fixed-exit', 'caching'] as const satisfies readonly Baseline[];

export const evaluateSection = z
  .strictObject({
    samples: count(10_000_000)
      .default(2000)
      .describe('images that each way draws with each seed; classes take turns'),
    seeds: count(1000).default(1).describe('how many seeds, from `seed` on: sets of images of their own'),
    against: z
      .array(z.enum(baselines))
      .max(3)
      .default([...baselines])
      .describe('what the schedule has to beat, beside full depth, from the same noise'),
    depths: z
      .array(z.number().gt(0).lt(1))
      .max(100)
      .default([0.75, 0.65, 0.5, 0.4])
      .describe('depths used of the curve of fewer steps, beside those of the schedules'),
    candidates: count(100)
      .default(2)
      .describe(
        'fixed exits and ways of caching to try for each schedule: the best at its depth is known afterwards',
      ),
    features: file(
      'ONNX network in whose features images are compared (docs/evaluate.md); unless given, a classifier trained on the training images',
    ).optional(),
    split: z
      .enum(['test', 'train'])
      .default('test')
      .describe('which real images to compare with: held-out ones, or those of training'),
    references: count(10_000_000).default(10_000).describe('real images to compare with, at most'),
  })
  .prefault({})
  .describe('what is compared, and how well');
