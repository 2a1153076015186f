// What may a config be for, and what is valid then? One schema per purpose, made of the same sections.
import { z } from 'zod';
import { providerFits, sampleRules } from './rules/common.js';
import { withRules } from './rules/rule.js';
import { pretrainSchema } from './schemas/pretrain.js';
import { trainSchema } from './schemas/train.js';
import * as sections from './sections.js';

const sampleSchema = z.strictObject({
  seed: sections.seedSection,
  sample: sections.bundleSampleSection,
  vae: sections.vaeSection,
  engine: sections.bundleEngineSection,
});

const evaluateSchema = z.strictObject({
  seed: sections.seedSection,
  data: sections.dataSection.optional(),
  sample: sections.evaluateSampleSection,
  evaluate: sections.evaluateSection,
  vae: sections.vaeSection,
  engine: sections.bundleEngineSection,
});

/**
 * What a config may be for:
 * - pretrain: making a backbone;
 * - train: training heads on a backbone, and all that follows in the same run (profile, schedule, export);
 * - sample: sampling from a bundle;
 * - evaluate: judging what a bundle draws.
 */
export const schemas = {
  pretrain: pretrainSchema,
  train: trainSchema,
  sample: withRules(sampleSchema, [providerFits, ...sampleRules]),
  evaluate: withRules(evaluateSchema, [providerFits, ...sampleRules]),
};

export type ConfigKind = keyof typeof schemas;
export const configKinds = [
  'pretrain',
  'train',
  'sample',
  'evaluate',
] as const satisfies readonly ConfigKind[];

type Frozen<T> = T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> } : T;

export type PretrainConfig = Frozen<z.output<typeof pretrainSchema>>;
export type TrainConfig = Frozen<z.output<typeof trainSchema>>;
export type SampleConfig = Frozen<z.output<typeof sampleSchema>>;
export type EvaluateConfig = Frozen<z.output<typeof evaluateSchema>>;
export interface ConfigOf {
  readonly pretrain: PretrainConfig;
  readonly train: TrainConfig;
  readonly sample: SampleConfig;
  readonly evaluate: EvaluateConfig;
}
export type Config = ConfigOf[ConfigKind];
