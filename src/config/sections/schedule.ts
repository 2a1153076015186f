// Which keys say how a schedule is chosen?
import { z } from 'zod';
import { count, file } from './values.js';

const refineKeys = z
  .strictObject({
    by: z
      .enum(['drift', 'fid'])
      .default('drift')
      .describe(
        'what is to be least: drift, how far samples are from those of full depth; fid, how far they are from held-out images, in the features of a classifier or of `features`',
      ),
    samples: z
      .int()
      .min(4)
      .max(10_000_000)
      .default(256)
      .describe('images that each schedule draws; for fid thousands are needed'),
    candidates: count(1000).default(8).describe('neighbours to draw with before each move'),
    rounds: count(1000).default(8).describe('most moves'),
    features: file(
      'ONNX network in whose features images are compared (docs/evaluate.md); for fid; unless given, a classifier trained on the training images',
    ).optional(),
  })
  .prefault({})
  .describe('with --refine: the search near the solved schedule, by what is drawn');

export const scheduleSection = z
  .strictObject({
    refine: refineKeys,
    speedup: z
      .number()
      .min(1)
      .max(1000)
      .default(1.5)
      .describe('cost of full depth over that to spend, at the most steps'),
    maxExcess: z
      .number()
      .min(0)
      .max(1e12)
      .optional()
      .describe('most that the schedule may lose: the cheapest that loses no more, instead of speedup'),
    steps: z
      .union([count(100_000), z.array(count(100_000)).min(1).max(100)])
      .default(50)
      .describe(
        'steps of the solver that the schedule is made for; or several to choose from, which needs the trajectories.json that says what fewer steps lose',
      ),
    rule: z
      .enum(['solved', 'refreshed', 'trained'])
      .default('solved')
      .describe(
        'solved: the exits that lose least at speedup; refreshed: where heads remember, full depth at every n-th step, the smallest n that reaches speedup at any of `steps`, and one exit between; trained: those that each time was trained at, in the modes finetune and lora, whatever they cost',
      ),
    exits: z
      .array(count(1000))
      .max(1000)
      .optional()
      .describe('exits that may be chosen beside full depth; all with a head unless given'),
    monotone: z
      .boolean()
      .default(false)
      .describe('whether depth may never fall towards data; steps that refresh a memory apart'),
    minRun: count(100_000)
      .default(1)
      .describe('fewest steps in a row at the same exit; steps that refresh a memory apart'),
    maxExits: count(1000)
      .optional()
      .describe('most different exits in use, full depth among them; any number unless given'),
    cost: z
      .enum(['macs', 'seconds'])
      .default('macs')
      .describe(
        'what is to be saved: multiply-adds, or seconds as this machine takes them, measured at once',
      ),
    halves: z
      .enum(['together', 'separate'])
      .default('together')
      .describe(
        'whether both halves of guidance leave at the same exit, or each at its own; separate needs a sample.guidance other than 1',
      ),
    weights: z
      .enum(['uniform', 'sensitivity', 'trajectories', 'closed-form'])
      .default('uniform')
      .describe(
        "how much an error at each step counts: uniform, alike; sensitivity, as the final sample feels it, by the run's sensitivity.json; trajectories, by what the exits themselves do to it, by the run's trajectories.json; closed-form, by what DDIM makes of it if no later step answered",
      ),
  })
  .prefault({})
  .describe('which exit runs when');
