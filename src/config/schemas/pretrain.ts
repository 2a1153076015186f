// What is a valid config for making a backbone?
import { z } from 'zod';
import * as sections from '../sections.js';
import { betasAscend, lambdaFiles, providerFits, sampleRules, sampleStepsFit } from '../rules/common.js';
import { withRules, type Rule } from '../rules/rule.js';

const keys = z.strictObject({
  name: sections.nameSection,
  seed: sections.seedSection,
  backbone: sections.backboneNewSection,
  data: sections.dataSection,
  diffusion: sections.diffusionSection,
  loss: sections.pretrainLossSection,
  optimizer: sections.optimizerSection,
  train: sections.pretrainSection,
  sample: sections.sampleSection,
  vae: sections.vaeSection,
  engine: sections.engineSection,
});

type PretrainKeys = z.output<typeof keys>;

const gridsAtCheckpoints: Rule<PretrainKeys> = {
  keys: [
    ['train', 'sampleEvery'],
    ['train', 'checkpointEvery'],
  ],
  broken: ({ train: { sampleEvery, checkpointEvery } }) =>
    sampleEvery % checkpointEvery === 0
      ? undefined
      : `found ${sampleEvery}, expected 0 or a multiple of train.checkpointEvery, which is ${checkpointEvery}`,
};

const rules: readonly Rule<PretrainKeys>[] = [
  betasAscend,
  providerFits,
  sampleStepsFit,
  ...sampleRules,
  gridsAtCheckpoints,
  ...lambdaFiles,
  {
    keys: [
      ['train', 'sampleEvery'],
      ['backbone', 'channels'],
      ['vae', 'path'],
    ],
    broken: ({ train: { sampleEvery }, backbone: { channels }, vae }) =>
      sampleEvery === 0 || [1, 3].includes(channels) || vae.path !== undefined
        ? undefined
        : `found ${sampleEvery}, expected 0: latents of ${channels} channels are no pictures; or set vae.path, which makes some of them`,
  },
  {
    keys: [
      ['backbone', 'patch'],
      ['backbone', 'imageSize'],
    ],
    broken: ({ backbone: { patch, imageSize } }) =>
      imageSize % patch === 0
        ? undefined
        : `found ${patch}, expected a divisor of backbone.imageSize, which is ${imageSize}`,
  },
  {
    keys: [
      ['backbone', 'heads'],
      ['backbone', 'width'],
    ],
    broken: ({ backbone: { heads, width } }) =>
      width % heads === 0
        ? undefined
        : `found ${heads}, expected a divisor of backbone.width, which is ${width}`,
  },
  {
    keys: [
      ['backbone', 'width'],
      ['backbone', 'family'],
    ],
    broken: ({ backbone: { width, family } }) => {
      const unit = { dit: 4, uvit: 2 }[family];
      return width % unit === 0 ? undefined : `found ${width}, expected a multiple of ${unit}`;
    },
  },
  {
    keys: [
      ['backbone', 'depth'],
      ['backbone', 'family'],
    ],
    broken: ({ backbone: { depth, family } }) =>
      family === 'dit' || (depth > 1 && depth % 2 === 1)
        ? undefined
        : `found ${depth}, expected an odd number from 3: as many encoder as decoder blocks and one between`,
  },
  {
    keys: [
      ['backbone', 'mlpRatio'],
      ['backbone', 'width'],
    ],
    broken: ({ backbone: { mlpRatio, width } }) =>
      Number.isInteger(mlpRatio * width)
        ? undefined
        : `found ${mlpRatio}, expected a ratio that gives a whole number times backbone.width, which is ${width}`,
  },
];

export const pretrainSchema = withRules(keys, rules);
