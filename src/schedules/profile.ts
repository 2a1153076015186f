// How wrong is every exit on held-out images? One pass per batch measures them all.
import { agesAt, drawnAge, fullStepBefore, type Ages } from '../diffusion/ages.js';
import type { Diffusion } from '../diffusion/betas.js';
import { noiseMore } from '../diffusion/forward.js';
import type { Engine } from '../engine/engine.js';
import type { HostTensor } from '../engine/tensors.js';
import { Interrupted, UserError } from '../errors.js';
import { remembers } from '../exits/heads.js';
import { scaleAt, type Guidance } from '../exits/guided.js';
import { exitMacs, exitsOf, isRemembering, keptMacs, type Model } from '../exits/model.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { stream } from '../random.js';
import { mixtureFeeds } from '../training/target.js';
import { differenceOf, type ErrorPart, type ErrorPlan } from './errorParts.js';
import type { ErrorTable, MeasuredExit } from './errorTable.js';
import { batchesOf, heldOut, type HeldOut, type HeldOutBatch, type Shard } from './heldOut.js';
import { accumulator, type Accumulator } from './measure.js';
import { profileInputs, profileStep } from './profileStep.js';
import { binOf, type Binning } from './timeBins.js';

export interface ProfileOptions extends Omit<HeldOut, 'done'> {
  readonly engine: Engine;
  readonly model: Model;
  /** Fingerprints of what is measured. */
  readonly fingerprints: { readonly backbone: string; readonly heads: string };
  /** What their labels stand for; unless given, classes. */
  readonly prompts?: Prompts;
  /** How the bins were made; native unless given. */
  readonly binning?: Binning;
  /** How old the memories of heads that remember are; others need none. */
  readonly ages?: Ages | undefined;
  /** After which predictions are measured; none unless given. Of which channels, the model says. */
  readonly guidance?: Guidance;
  /** Stop as soon as all standard errors of the excess are at most this share of it; 0, never, unless given. */
  readonly standardError?: number;
  /** An earlier part of the measurement, to go on from. */
  readonly from?: ErrorPart | undefined;
  /** Called now and then, and before an interruption, with what was measured so far. */
  readonly keep?: (part: ErrorPart) => Promise<void>;
}

/** Seconds between two calls of `keep`. */
const keptEvery = 20;

/** The error table of a model; see `profilePart`. */
export async function profile(options: ProfileOptions): Promise<ErrorTable> {
  const { measured } = await measure(options);
  return measured.table();
}

/**
 * Measures every exit of a model on the same noisy images, whose times are spread evenly over the bins. Image, noise and
 * time of a sample depend on its number and the seed, not on the batch. A measurement that was stopped and went on, or was
 * made in parts, gives the numbers of one that was not, to the last bit on the same engine.
 * @throws UserError if a prediction is not finite, or `from` is of another measurement
 * @throws Interrupted after the signal, when all that was measured is kept
 */
export async function profilePart(options: ProfileOptions): Promise<ErrorPart> {
  return (await measure(options)).part();
}

interface Measuring {
  readonly measured: Accumulator;
  part(): ErrorPart;
}

async function measure(options: ProfileOptions): Promise<Measuring> {
  const { engine, model, diffusion, progress, from, keep, standardError = 0 } = options;
  const { guidance = { guidance: 1 } } = options;
  const { prompts = promptsOf(model.spec), shard = { index: 1, of: 1 } } = options;
  const plan = planOf(options);
  const { ages } = plan.measured;
  requireSame(plan, shard, from);
  const measured = accumulator(plan.measured, diffusion, from ? [from.sums] : []);
  // Each part is to be as sure as it takes for all of them together.
  const isSure = (): boolean => standardError > 0 && measured.isSure(standardError * Math.sqrt(shard.of));
  const all = batchesOf(options).length;
  let batches = from?.batches ?? 0;
  let done = isSure();
  const part = (): ErrorPart => ({
    ...{ format: 'exithead-error-sums', version: 1, ...plan, shard },
    ...{ batches, done: done || batches === all, sums: measured.sums() },
  });
  const result = { measured, part };
  if (done || batches >= all) return result;

  const isGuided = guidance.guidance !== 1;
  const step = await engine.compile(profileStep(model, isGuided), {
    state: {},
    batch: profileInputs(model.spec, model.plans, isGuided),
    frozen: { ...model.backbone, ...model.heads },
  });
  const steer = isGuided ? await prompts.guidanceFeeds(guidance.guidance) : {};
  let kept = performance.now();
  try {
    for await (const drawn of heldOut({ ...options, done: batches })) {
      const { x, noise, t, y } = drawn;
      const old = ages && agesFrom(options.seed, ages, drawn);
      const errors = await step({
        ...{ x, t, noise, ...mixtureFeeds(diffusion, t) },
        ...(isGuided && { ...steer, scale: t.map((at) => scaleAt(guidance, at)) }),
        ...(old && earlier(plan.measured, diffusion, old, drawn)),
        ...(await prompts.feeds(y)),
      });
      addAll(measured, t, old, errors);
      batches++;
      done = isSure();
      if (done) break;
      if (keep && performance.now() - kept > 1000 * keptEvery) {
        await keep(part());
        kept = performance.now();
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted) || !keep) throw error;
    await keep(part());
    throw new Interrupted(`stopped after ${batches} of ${all} batches, which are kept. Go on with --resume.`);
  } finally {
    progress.end();
    await step.dispose();
  }
  return result;
}

function planOf(options: ProfileOptions): ErrorPlan {
  const { fingerprints, model, diffusion, bins, binning, dataset, seed, samples, batch } = options;
  const { backbone, heads } = fingerprints;
  const { steps, alphasCumprod } = diffusion;
  return {
    measured: {
      ...{ backbone, heads, bins: [...bins], exits: measuredExits(model), binning },
      ages: model.plans.some(({ kind }) => remembers(kind)) ? agesOf(options) : undefined,
      ...guidedFields(options),
    },
    drawn: {
      ...{ data: dataset.name, seed, samples, batch, steps },
      // Enough to know betas by.
      alphas: [0, Math.floor(steps / 2), steps - 1].map((t) => alphasCumprod[t] ?? NaN),
    },
  };
}

function guidedFields({ guidance: given, model }: ProfileOptions): Partial<ErrorPlan['measured']> {
  if (!given || given.guidance === 1) return {};
  const { guidance, guidanceInterval } = given;
  return {
    ...{ guidance, guidanceChannels: model.guidedChannels },
    guidanceInterval: guidanceInterval && [...guidanceInterval],
  };
}

function requireSame(plan: ErrorPlan, shard: Shard, from: ErrorPart | undefined): void {
  if (!from) return;
  const isPart = from.shard.index === shard.index && from.shard.of === shard.of;
  const other = differenceOf(plan, from) ?? (isPart ? undefined : 'is another part');
  if (other)
    throw new UserError(
      `what was measured before ${other} than what is asked for. Measure anew, without --resume, or ask for the same.`,
    );
}

/** Where bins are the steps of a solver, ages are counted in these. */
function agesOf({ ages, binning, bins }: ProfileOptions): Ages {
  if (!ages) throw new Error('heads that remember are measured at ages');
  return binning === 'solver' ? agesAt(ages, bins.length) : ages;
}

/** Ages of the memories of a batch: each depends on the number of its sample alone. */
function agesFrom(seed: number, ages: Ages, { from, t }: HeldOutBatch): readonly number[] {
  return Array.from(t, (_, i) => {
    const random = stream(seed, 'profile ages', from + i);
    return drawnAge(ages, (n) => random.integer(n));
  });
}

/** The full-depth steps before samples whose memories are so old (`pairInputs`). */
function earlier(
  { bins, ages }: ErrorPlan['measured'],
  diffusion: Diffusion,
  old: readonly number[],
  { x, noise, t }: HeldOutBatch,
): { readonly xFull: Float32Array; readonly tFull: Float32Array } {
  const before = (at: number, age: number): number => {
    if (!ages) throw new Error('heads that remember are measured at ages');
    const bin = binOf(bins, at);
    if (bins[bin]?.at === undefined) return fullStepBefore(at, age, ages, diffusion.steps);
    // The very step of the solver; the first one is always at full depth.
    return (bins[bin + age] ?? bins.at(-1))?.at ?? NaN;
  };
  const tFull = t.map((at, i) => before(at, old[i] ?? NaN));
  return { xFull: noiseMore(diffusion, x, noise, t, tFull), tFull };
}

/** Exits with the multiply-adds that running them takes. */
export function measuredExits(model: Model): MeasuredExit[] {
  const kinds = new Map<number, MeasuredExit['kind']>(model.plans.map(({ exit, kind }) => [exit, kind]));
  return exitsOf(model).map((exit) => ({
    exit,
    kind: kinds.get(exit) ?? 'backbone',
    macs: exitMacs(model, exit),
    ...refreshOf(model, exit),
  }));
}

function refreshOf(model: Model, exit: number): Pick<MeasuredExit, 'refreshMacs'> {
  const refreshMacs = isRemembering(model.plans, exit) ? keptMacs(model, exit) : 0;
  return refreshMacs > 0 ? { refreshMacs } : {};
}

function addAll(
  measured: Accumulator,
  t: Float32Array,
  old: readonly number[] | undefined,
  { toNoise, toFull, conditional, unconditional }: Readonly<Record<string, HostTensor>>,
): void {
  if (!toNoise || !toFull) throw new Error('a profile step has two results');
  const [, exits = 0] = toNoise.shape;
  t.forEach((at, i) => {
    const of = ({ data }: HostTensor, k: number): number => data[i * exits + k] ?? NaN;
    measured.add({
      ...{ t: at, age: old?.[i] },
      exits: Array.from({ length: exits }, (_, k) => ({
        ...{ squaredToNoise: of(toNoise, k), squaredToFull: of(toFull, k) },
        ...(conditional &&
          unconditional && {
            halves: { conditional: of(conditional, k), unconditional: of(unconditional, k) },
          }),
      })),
    });
  });
}
