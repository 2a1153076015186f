// What is a valid config for training heads, and for all that follows in the same run?
import { z } from 'zod';
import * as sections from '../sections.js';
import {
  atMostSteps,
  betasAscend,
  lambdaFiles,
  providerFits,
  sampleRules,
  sampleStepsFit,
} from '../rules/common.js';
import { modeRules } from '../rules/modes.js';
import { withRules, type Rule } from '../rules/rule.js';

const keys = z.strictObject({
  name: sections.nameSection,
  seed: sections.seedSection,
  backbone: sections.backboneFileSection,
  data: sections.dataSection,
  diffusion: sections.diffusionSection,
  mode: sections.modeSection,
  heads: sections.headsSection,
  loss: sections.lossSection,
  optimizer: sections.optimizerSection,
  train: sections.trainSection,
  finetune: sections.finetuneSection.optional(),
  lora: sections.loraSection.optional(),
  profile: sections.profileSection,
  uncertainty: sections.uncertaintySection,
  schedule: sections.scheduleSection,
  sample: sections.sampleSection,
  vae: sections.vaeSection,
  engine: sections.frozenEngineSection,
});

type TrainKeys = z.output<typeof keys>;

/** What restricts the exits that a schedule is solved over restricts no other schedule. */
const ofSolvedRule = (key: 'monotone' | 'minRun' | 'maxExits'): Rule<TrainKeys> => ({
  keys: [
    ['schedule', key],
    ['schedule', 'rule'],
  ],
  broken: ({ schedule }) => {
    const usual = { monotone: false, minRun: 1, maxExits: undefined }[key];
    return schedule.rule !== 'solved' && schedule[key] !== usual
      ? `goes with schedule.rule solved, and that is ${schedule.rule}; leave one of them out`
      : undefined;
  },
});

const rules: readonly Rule<TrainKeys>[] = [
  betasAscend,
  providerFits,
  sampleStepsFit,
  ...sampleRules,
  ...lambdaFiles,
  ...modeRules,
  {
    keys: [
      ['loss', 'sensitivity'],
      ['loss', 'distillation'],
    ],
    broken: ({ loss: { sensitivity, distillation } }) =>
      sensitivity !== undefined && distillation === 0
        ? 'weighs the distance to the full backbone, but loss.distillation is 0; change one of them'
        : undefined,
  },
  {
    keys: [
      ['loss', 'denoising'],
      ['loss', 'distillation'],
    ],
    broken: ({ loss: { denoising, distillation } }) =>
      denoising === 0 && distillation === 0
        ? 'is 0 and so is loss.distillation, expected at least one of them above 0'
        : undefined,
  },
  {
    keys: [
      ['schedule', 'steps'],
      ['diffusion', 'steps'],
    ],
    broken: ({ schedule, diffusion }) => atMostSteps(Math.max(...[schedule.steps].flat()), diffusion.steps),
  },
  {
    keys: [
      ['schedule', 'weights'],
      ['schedule', 'steps'],
    ],
    broken: ({ schedule: { steps, weights } }) =>
      new Set([steps].flat()).size > 1 && weights === 'uniform'
        ? 'is uniform, but schedule.steps has several numbers, which are compared by how far samples drift; set it to sensitivity'
        : undefined,
  },
  {
    keys: [
      ['schedule', 'halves'],
      ['sample', 'guidance'],
    ],
    broken: ({ schedule, sample }) =>
      schedule.halves === 'separate' && sample.guidance === 1
        ? 'is separate, but sample.guidance is 1, which has one half alone; change one of them'
        : undefined,
  },
  {
    keys: [
      ['schedule', 'halves'],
      ['sample', 'guidanceInterval'],
    ],
    broken: ({ schedule, sample }) =>
      schedule.halves === 'separate' && sample.guidanceInterval !== undefined
        ? 'is separate, but outside sample.guidanceInterval there is one half alone; leave one of them out'
        : undefined,
  },
  ...(['monotone', 'minRun', 'maxExits'] as const).map(ofSolvedRule),
  {
    keys: [
      ['heads', 'memory', 'steps'],
      ['heads', 'kind'],
      ['diffusion', 'steps'],
    ],
    broken: ({ heads: { kind, memory }, diffusion }) =>
      kind === 'memory' || kind === 'remembered' ? atMostSteps(memory.steps, diffusion.steps) : undefined,
  },
  {
    keys: [
      ['profile', 'bins'],
      ['diffusion', 'steps'],
    ],
    broken: ({ profile, diffusion }) => atMostSteps(profile.bins, diffusion.steps),
  },
  {
    keys: [
      ['backbone', 'size'],
      ['backbone', 'config'],
    ],
    broken: ({ backbone: { size, config } }) =>
      size !== undefined && config !== undefined
        ? 'stands beside backbone.config, which says the same; keep one of them'
        : undefined,
  },
  {
    keys: [
      ['backbone', 'imageSize'],
      ['backbone', 'size'],
    ],
    broken: ({ backbone: { size, imageSize } }) =>
      imageSize !== undefined && size === undefined
        ? 'goes with backbone.size alone; add that, or remove this'
        : undefined,
  },
  {
    keys: [['heads', 'exits']],
    broken: ({ heads: { exits } }) => {
      const twice = exits === 'all' ? undefined : exits.find((exit, i) => exits.indexOf(exit) < i);
      return twice === undefined ? undefined : `has ${twice} twice, expected each exit once`;
    },
  },
  {
    keys: [
      ['loss', 'exitWeights'],
      ['heads', 'exits'],
    ],
    broken: ({ loss: { exitWeights }, heads: { exits } }) =>
      typeof exitWeights !== 'string' && exits !== 'all' && exitWeights.length !== exits.length
        ? `has ${exitWeights.length} numbers, expected one for each of the ${exits.length} exits in heads.exits`
        : undefined,
  },
  {
    keys: [['loss', 'exitWeights']],
    broken: ({ loss: { exitWeights } }) =>
      typeof exitWeights !== 'string' && exitWeights.every((weight) => weight === 0)
        ? 'has only zeros, expected at least one exit that counts'
        : undefined,
  },
];

export const trainSchema = withRules(keys, rules);
