// Which keys say what heads are, and whether the backbone moves with them?
import { z } from 'zod';
import type { HeadPlan } from '../../exits/heads.js';
import type { ExitsForm } from '../../training/exitGroups.js';
import type { AgesKind, PairKind } from '../../training/pairs.js';
import { count, file } from './values.js';

/** Heads and weights are loaded with the libraries they need; their names are repeated here so that reading a config loads none. */
const pairKinds = ['noise', 'solver'] as const satisfies readonly PairKind[];
const agesKinds = ['whole', 'between'] as const satisfies readonly AgesKind[];
const headKinds = [
  'shared',
  'low-rank',
  'linear',
  'adapter',
  'block',
  'remembered',
  'memory',
] as const satisfies readonly HeadPlan['kind'][];
const exitsForms = ['skip', 'gather'] as const satisfies readonly ExitsForm[];
const modes = ['frozen', 'lora', 'finetune'] as const;

export const headsSection = z
  .strictObject({
    kind: z.enum(headKinds).default('adapter').describe('what stands between a block and its prediction'),
    exits: z
      .union([z.literal('all'), z.array(count(1000)).min(1).max(1000)])
      .default('all')
      .describe(
        'blocks after which a head leaves; all: every block but the last, from the first where leaving makes sense',
      ),
    bottleneck: count(65536)
      .default(64)
      .describe('width of an adapter or of the correction of a memory; other kinds have none'),
    rank: count(65536).default(4).describe('rank of what low-rank adds to shift and scale of the last norm'),
    memory: z
      .strictObject({
        steps: count(100_000).default(25).describe('steps of the sampler that is trained for'),
        every: z
          .int()
          .min(2)
          .max(1000)
          .default(3)
          .describe(
            'every how many of its steps is at full depth at most: memories are 1 to that - 1 steps old',
          ),
        pairs: z
          .enum(pairKinds)
          .default('noise')
          .describe(
            'where a sample is after its full-depth step: noised anew with the same noise, or where DDIM takes it',
          ),
        ages: z
          .enum(agesKinds)
          .default('whole')
          .describe(
            'how old memories are in training: whole steps of that sampler, or any age between, for samplers of other numbers of steps',
          ),
      })
      .prefault({})
      .describe('what heads that remember are trained and measured on'),
  })
  .prefault({})
  .describe('the exit heads');

/** Which weights a training moves. */
export const modeSection = z
  .enum(modes)
  .default('frozen')
  .describe(
    'what is trained: frozen, heads on a backbone that stays as it is; finetune, the backbone itself, each time at its own exit, as in ASE; lora, the same with low-rank additions to its layers (docs/modes.md)',
  );

/** Not in mode frozen. */
export const finetuneSection = z
  .strictObject({
    exits: z
      .union([z.literal('ase'), z.array(count(1000)).min(1).max(1000)])
      .default('ase')
      .describe(
        'blocks that run in equal stretches of native t, from data to noise; ase: ten that fall as in ASE, scaled to the backbone',
      ),
    meanDepth: z
      .number()
      .min(0.5)
      .max(1)
      .default(0.714)
      .describe('mean share of the blocks under ase; 0.714 is what was published'),
    schedule: file('a schedule.json of `exithead schedule`, instead of exits').optional(),
    form: z
      .enum(exitsForms)
      .default('skip')
      .describe(
        'the same numbers in two ways: skip runs no block after the exit of a sample; gather runs all blocks, as the code of ASE, for times that are not stratified',
      ),
    lr: z
      .number()
      .gt(0)
      .max(10)
      .default(1e-5)
      .describe('learning rate of mode finetune, instead of optimizer.lr'),
    ema: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9999)
      .describe('decay of the averaged weights in both modes, instead of optimizer.ema'),
  })
  .describe('training the backbone itself, in the modes finetune and lora');

/** In mode lora. */
export const loraSection = z
  .strictObject({
    rank: count(65536).default(8).describe('rank of what is added to a layer'),
    alpha: z.number().gt(0).max(1e6).default(8).describe('what is added counts alpha / rank'),
    lr: z
      .number()
      .gt(0)
      .max(10)
      .default(1e-3)
      .describe('learning rate of mode lora, instead of optimizer.lr'),
    labels: z
      .boolean()
      .default(false)
      .describe('whether the table of labels moves, too, which `new` rows of backbone.labels need'),
  })
  .describe('low-rank additions, in mode lora');
