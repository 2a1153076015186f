// Which heads are compared, one factor at a time, and how are they drawn from?

/** One way of training: the configuration configs/mnist/ablation.yaml with a few keys changed. */
export interface Variant {
  /** Unique; runs and results are kept under it. */
  readonly name: string;
  /** What it differs in from the default. */
  readonly factor: string;
  /** Settings `key=value` on top of the configuration. */
  readonly set: readonly string[];
  /**
   * How else schedules are chosen. Unless said, they are solved for frozen heads that remember nothing; those that
   * remember are drawn with full depth at every second step, so that variants are compared by one schedule, and backbones
   * that were trained on at the exits that each time was trained at.
   */
  readonly also?: readonly ('solved' | 'by excess' | 'other steps')[];
}

/** How sets of images are drawn and compared. */
export interface Trial {
  readonly solver: 'ddim' | 'ddpm';
  /** Of full depth. */
  readonly steps: number;
  /** Numbers of steps that a schedule may have. */
  readonly counts: readonly number[];
  readonly samples: number;
  readonly seeds: readonly number[];
  /** Samples of each way that are drawn once more, in turns, for their seconds; none unless given. */
  readonly timed?: number;
  /** Whether memory without training is drawn as well: at all steps and as heads that remember, those alone, or not. */
  readonly caching: 'all' | 'as heads' | 'none';
  /** Steps of full depth that cost at least as much as each schedule may: its budget is that many over `steps`. */
  readonly budgets: readonly number[];
}

export interface Stage {
  readonly name: 'screening' | 'finals';
  readonly trials: readonly Trial[];
  /** Of the variants that take part. */
  readonly names: readonly string[];
}

const variant = (factor: string, name: string, ...set: string[]): Variant => ({ name, factor, set });

/** Heads that remember nothing may leave anywhere. */
const forgetting = ['heads.exits=[2,4,6,8,10]', 'loss.denoising=1'];

/** The backbone itself, at ASE's rate unless told. */
const tuned = ['mode=finetune', 'heads.kind=shared', 'heads.exits=all', 'loss.denoising=1'];

export const variants: readonly Variant[] = [
  { ...variant('default', 'default'), also: ['solved', 'by excess', 'other steps'] },
  variant('head', 'shared', 'heads.kind=shared', ...forgetting, 'train.steps=1'),
  variant('head', 'linear', 'heads.kind=linear', ...forgetting),
  variant('head', 'low-rank', 'heads.kind=low-rank', ...forgetting),
  { ...variant('head', 'adapter', 'heads.kind=adapter', ...forgetting), also: ['by excess'] },
  variant('head', 'block', 'heads.kind=block', ...forgetting),
  variant('head', 'wide-memory', 'heads.bottleneck=256'),
  variant('target', 'both-targets', 'loss.denoising=1'),
  variant('target', 'noise-only', 'loss.denoising=1', 'loss.distillation=0'),
  { ...variant('ages', 'ages-between', 'heads.memory.ages=between'), also: ['solved'] },
  variant('pairs', 'noise-pairs', 'heads.memory.pairs=noise'),
  variant('lambda', 'min-snr', 'loss.lambda=min-snr'),
  variant('lambda', 'soft-min-snr', 'loss.lambda=soft-min-snr'),
  variant('lambda', 'p2', 'loss.lambda=p2'),
  variant('lambda', 'edm', 'loss.lambda=edm'),
  variant('exit weights', 'weights-linear', 'loss.exitWeights=linear'),
  variant('exit weights', 'weights-inverse', 'loss.exitWeights=inverse'),
  variant('exit weights', 'weights-macs', 'loss.exitWeights=macs'),
  variant('curriculum', 'rotating', 'loss.curriculum=rotating'),
  variant('curriculum', 'gradual', 'loss.curriculum=gradual'),
  variant('mode', 'lora', 'mode=lora', 'heads.kind=shared', 'heads.exits=all', 'loss.denoising=1'),
  variant('mode', 'finetune', ...tuned),
  variant('mode', 'finetune-fast', ...tuned, 'finetune.lr=0.0003'),
  variant('seed', 'seed-1', 'seed=1'),
  variant('length', 'short', 'train.steps=300'),
  variant('length', 'long', 'train.steps=1800'),
];

/** Beside those that fit the budgets: how much do a step more or less change where every second is at full depth? */
export const otherSteps = [20, 19, 17];

/** DDIM with 16, 12 and 10 of 25 steps at full depth as rivals: depths used 0.64, 0.48 and 0.4. */
const rough: Trial = {
  ...{ solver: 'ddim', steps: 25, counts: [25, 22, 20, 18, 16] },
  ...{ samples: 2000, seeds: [0], caching: 'all', budgets: [16, 12, 10] },
};

/** Screened at every budget, the others at twice the speed alone. */
const thorough = ['default', 'ages-between'];

const fine = { samples: 10_000, timed: 400 };

/** Other solvers: the same heads, whose memories are then younger than they were trained on. */
const moreSteps: Trial = { ...rough, steps: 50, counts: [50], caching: 'as heads', budgets: [32, 24, 20] };
const noisySteps: Trial = { ...moreSteps, solver: 'ddpm', steps: 100, counts: [100], budgets: [48] };

/** Does it hold for other noise? Caching is so far behind with one seed that others would tell nothing more. */
const moreSeeds: Trial = { ...rough, samples: 10_000, seeds: [0, 1, 2], caching: 'none' };

export const stages: readonly Stage[] = [
  { name: 'screening', trials: [rough], names: thorough },
  {
    name: 'screening',
    trials: [{ ...rough, budgets: [12] }],
    names: variants.map(({ name }) => name).filter((name) => !thorough.includes(name)),
  },
  { name: 'finals', trials: [{ ...rough, ...fine }], names: ['default'] },
  // Those that the screening cannot tell from the default.
  { name: 'finals', trials: [{ ...rough, samples: 10_000, budgets: [12] }], names: ['long'] },
  { name: 'finals', trials: [moreSeeds, moreSteps, noisySteps], names: ['default'] },
  {
    name: 'finals',
    trials: [{ ...moreSteps, budgets: [24] }, noisySteps],
    names: ['long'],
  },
];

/** Whose schedules are ranked by what was predicted of them, and by samples of this trial. */
export const ranked = { names: ['default', 'adapter'], trial: rough } as const;

/** Such as `DDIM-25, 2000 samples, seed 0`. */
export function trialName({ solver, steps, samples, seeds }: Trial): string {
  return `${solver.toUpperCase()}-${steps}, ${samples} samples, seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}`;
}
