// What is a valid config? One schema per purpose, made of the same sections, and the rules between keys.
import { z } from 'zod';
import type { Spacing } from '../diffusion/spacing.js';
import type { EngineKind } from '../engine/engine.js';
import { providerRefusal, type Provider } from '../engine/providers.js';
import * as sections from './sections.js';

/** A rule between keys: checked as soon as those keys are right by themselves. */
interface Rule<Config> {
  /** The first is the one to mend, where the message points. */
  readonly keys: readonly (readonly [string, ...string[]])[];
  readonly broken: (config: Config) => string | undefined;
}

function withRules<Schema extends z.ZodObject>(
  schema: Schema,
  rules: readonly Rule<z.output<Schema>>[],
): Schema {
  return rules.reduce<Schema>(
    (checked, { keys, broken }) =>
      checked.refine((config) => broken(config) === undefined, {
        path: [...(keys[0] ?? [])],
        error: ({ input }) => broken(input as z.output<Schema>) ?? '',
        when: ({ issues }) =>
          !issues.some((issue) =>
            keys.some((key) => overlap(key, [...(issue.path ?? []), ...unknownKey(issue)])),
          ),
      }),
    schema,
  );
}

/** An unknown key is no reason to leave the known ones unchecked. */
function unknownKey(issue: z.core.$ZodRawIssue): string[] {
  return issue.code === 'unrecognized_keys' ? ['?'] : [];
}

function overlap(key: readonly string[], path: readonly PropertyKey[]): boolean {
  const length = Math.min(key.length, path.length);
  return key.slice(0, length).every((segment, i) => segment === path[i]);
}

interface HasDiffusion {
  readonly diffusion: { readonly steps: number; readonly betaStart: number; readonly betaEnd: number };
}

const betasAscend: Rule<HasDiffusion> = {
  keys: [
    ['diffusion', 'betaEnd'],
    ['diffusion', 'betaStart'],
  ],
  broken: ({ diffusion: { betaStart, betaEnd } }) =>
    betaEnd < betaStart
      ? `found ${betaEnd}, expected at least diffusion.betaStart, which is ${betaStart}`
      : undefined,
};

const sampleStepsFit: Rule<HasDiffusion & { readonly sample: { readonly steps: number | string } }> = {
  keys: [
    ['sample', 'steps'],
    ['diffusion', 'steps'],
  ],
  broken: ({ sample: { steps }, diffusion }) =>
    atMostSteps(typeof steps === 'number' ? steps : 0, diffusion.steps),
};

/** Text says where the steps lie. */
const spacingOfNumber: Rule<{
  readonly sample: { readonly steps?: number | string | undefined; readonly spacing?: Spacing | undefined };
}> = {
  keys: [
    ['sample', 'spacing'],
    ['sample', 'steps'],
  ],
  broken: ({ sample: { steps, spacing = 'even' } }) =>
    typeof steps === 'string' && spacing !== 'even'
      ? `is ${spacing}, but sample.steps is ${steps}, which says where the steps lie; leave one of them out`
      : undefined,
};

const churnAscends: Rule<{ readonly sample: { readonly churnFrom: number; readonly churnTo: number } }> = {
  keys: [
    ['sample', 'churnTo'],
    ['sample', 'churnFrom'],
  ],
  broken: ({ sample: { churnFrom, churnTo } }) =>
    churnTo < churnFrom
      ? `found ${churnTo}, expected at least sample.churnFrom, which is ${churnFrom}`
      : undefined,
};

const intervalAscends: Rule<{
  readonly sample: { readonly guidanceInterval?: readonly number[] | undefined };
}> = {
  keys: [['sample', 'guidanceInterval']],
  broken: ({ sample: { guidanceInterval: [from = 0, to = 0] = [] } }) =>
    to < from ? `goes from ${from} to ${to}, expected the smaller time first` : undefined,
};

const sampleRules = [spacingOfNumber, churnAscends, intervalAscends];

const gridsAtCheckpoints: Rule<{
  readonly train: { readonly sampleEvery: number; readonly checkpointEvery: number };
}> = {
  keys: [
    ['train', 'sampleEvery'],
    ['train', 'checkpointEvery'],
  ],
  broken: ({ train: { sampleEvery, checkpointEvery } }) =>
    sampleEvery % checkpointEvery === 0
      ? undefined
      : `found ${sampleEvery}, expected 0 or a multiple of train.checkpointEvery, which is ${checkpointEvery}`,
};

const providerFits: Rule<{ readonly engine: { readonly kind: EngineKind; readonly provider: Provider } }> = {
  keys: [
    ['engine', 'provider'],
    ['engine', 'kind'],
  ],
  broken: ({ engine }) => providerRefusal(engine),
};

interface HasLambda {
  readonly loss: Readonly<
    Pick<z.output<typeof sections.pretrainLossSection>, 'lambda' | 'table' | 'errorTable'>
  >;
}

/** A file of weights goes with the rule that reads it, and with no other. */
const fileOfLambda = (key: 'table' | 'errorTable', lambda: 'table' | 'error'): Rule<HasLambda> => ({
  keys: [
    ['loss', key],
    ['loss', 'lambda'],
  ],
  broken: ({ loss }) => {
    if ((loss[key] === undefined) === (loss.lambda !== lambda)) return undefined;
    return loss[key] === undefined
      ? `is missing, and loss.lambda is ${lambda}, which reads it; add the path of the file`
      : `goes with loss.lambda ${lambda} alone, and that is ${loss.lambda}; change one of them`;
  },
});

const lambdaFiles = [fileOfLambda('table', 'table'), fileOfLambda('errorTable', 'error')];

function atMostSteps(found: number, steps: number): string | undefined {
  return found > steps ? `found ${found}, expected at most diffusion.steps, which is ${steps}` : undefined;
}

const pretrainSchema = z.strictObject({
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

const pretrainRules: readonly Rule<z.output<typeof pretrainSchema>>[] = [
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

const trainSchema = z.strictObject({
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

const [oneExit, oneTarget] = [
  'every sample has one exit',
  'there is no full backbone to imitate but the one that moves',
];

/** What the loss of a frozen backbone's heads has and that of a backbone that moves has not: its usual value, and why. */
const ofFrozenLoss = {
  exitWeights: ['uniform', oneExit],
  curriculum: ['all', oneExit],
  denoising: [1, oneTarget],
  distillation: [1, oneTarget],
  sensitivity: [undefined, oneTarget],
  variance: ['inherit', 'the variance learns by its bound, as the backbone did'],
} as const;

const ofFrozenMode = (
  key: keyof typeof ofFrozenLoss,
): Rule<Pick<z.output<typeof trainSchema>, 'mode' | 'loss'>> => ({
  keys: [['loss', key], ['mode']],
  broken: ({ mode, loss }) => {
    const [usual, why] = ofFrozenLoss[key];
    if (mode === 'frozen' || loss[key] === usual) return undefined;
    const remedy = usual === undefined ? 'remove it' : `set loss.${key}=${usual}`;
    return `goes with mode frozen, and mode is ${mode}, in which ${why}; ${remedy}`;
  },
});

/** What restricts the exits that a schedule is solved over restricts no other schedule. */
const ofSolvedRule = (
  key: 'monotone' | 'minRun' | 'maxExits',
): Rule<Pick<z.output<typeof trainSchema>, 'schedule'>> => ({
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

const trainRules: readonly Rule<z.output<typeof trainSchema>>[] = [
  betasAscend,
  providerFits,
  sampleStepsFit,
  ...sampleRules,
  ...lambdaFiles,
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
  ...(['monotone', 'minRun', 'maxExits'] as const).map(ofSolvedRule),
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
    keys: [['finetune'], ['mode']],
    broken: ({ mode, finetune }) =>
      mode === 'frozen' && finetune !== undefined
        ? 'goes with mode finetune or lora, and mode is frozen; set mode, or remove this section'
        : undefined,
  },
  {
    keys: [['lora'], ['mode']],
    broken: ({ mode, lora }) =>
      mode !== 'lora' && lora !== undefined
        ? `goes with mode lora, and mode is ${mode}; set mode, or remove this section`
        : undefined,
  },
  {
    keys: [['finetune', 'form'], ['loss', 'times'], ['mode']],
    broken: ({ mode, finetune, loss: { times } }) =>
      mode !== 'frozen' && (finetune?.form ?? 'skip') === 'skip' && times !== 'stratified'
        ? `is skip, which needs loss.times stratified, and that is ${times}; set finetune.form=gather, or change the times`
        : undefined,
  },
  {
    keys: [['engine', 'frozenPrecision'], ['mode']],
    broken: ({ mode, engine: { frozenPrecision } }) =>
      mode !== 'frozen' && frozenPrecision !== 'fp32'
        ? `is ${frozenPrecision}, expected fp32: in mode ${mode} the backbone is trained`
        : undefined,
  },
  {
    keys: [['heads', 'kind'], ['mode']],
    broken: ({ mode, heads: { kind } }) =>
      mode !== 'frozen' && (kind === 'memory' || kind === 'remembered')
        ? `is ${kind}, and mode is ${mode}, in which samples come without a full-depth step before them; choose another kind`
        : undefined,
  },
  {
    keys: [['heads', 'exits'], ['mode']],
    broken: ({ mode, heads: { exits } }) =>
      mode !== 'frozen' && exits !== 'all'
        ? `lists exits, and mode is ${mode}, in which finetune.exits and finetune.schedule say where each time leaves; set heads.exits=all`
        : undefined,
  },
  ...(Object.keys(ofFrozenLoss) as (keyof typeof ofFrozenLoss)[]).map(ofFrozenMode),
  {
    keys: [
      ['finetune', 'exits'],
      ['finetune', 'schedule'],
    ],
    broken: ({ finetune }) =>
      finetune?.schedule !== undefined && finetune.exits !== 'ase'
        ? 'lists exits beside finetune.schedule, which says the same; keep one of them'
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
  pretrain: withRules(pretrainSchema, pretrainRules),
  train: withRules(trainSchema, trainRules),
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
