// How wrong is every exit on held-out images? One pass per batch measures them all.
import type { BackboneSpec } from '../backbones/backbone.js';
import { epsilonOf } from '../backbones/channels.js';
import { familyOf } from '../backbones/families.js';
import { drawnAge, fullStepBefore, type Ages } from '../diffusion/ages.js';
import type { Diffusion } from '../diffusion/betas.js';
import { noiseMore } from '../diffusion/forward.js';
import type { Engine, InputSpec, Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HostTensor } from '../engine/tensors.js';
import { remembers } from '../exits/heads.js';
import {
  exitMacs,
  exitsOf,
  imageInput,
  isRemembering,
  keptMacs,
  queryInputs,
  queryOf,
  type Model,
} from '../exits/model.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { runAll } from '../exits/run.js';
import { stream } from '../random.js';
import { lastFull } from '../training/headsStep.js';
import { pairInputs } from '../training/pairs.js';
import { epsilonSeen, mixtureFeeds, mixtureInputs } from '../training/target.js';
import type { ErrorTable, MeasuredExit } from './errorTable.js';
import { heldOut, type HeldOut } from './heldOut.js';
import { accumulator, type Accumulator } from './measure.js';
import { timeBins } from './timeBins.js';

export interface ProfileOptions extends HeldOut {
  readonly engine: Engine;
  readonly model: Model;
  /** Fingerprints of what is measured. */
  readonly fingerprints: { readonly backbone: string; readonly heads: string };
  /** What their labels stand for; unless given, classes. */
  readonly prompts?: Prompts;
  readonly bins: number;
  /** How old the memories of heads that remember are; others need none. */
  readonly ages?: Ages | undefined;
}

/**
 * Measures every exit of a model on the same noisy images, whose times are spread evenly over the diffusion. Image,
 * noise and time of a sample depend on its number and the seed, not on the batch.
 * @throws UserError if a prediction is not finite
 * @throws Interrupted after the signal; nothing is kept of an unfinished measurement
 */
export async function profile(options: ProfileOptions): Promise<ErrorTable> {
  const { engine, model, fingerprints, diffusion, progress } = options;
  const { prompts = promptsOf(model.spec) } = options;
  const ages = model.plans.some(({ kind }) => remembers(kind)) ? agesOf(options) : undefined;
  const measured = accumulator({
    ...fingerprints,
    bins: timeBins(diffusion, options.bins),
    exits: measuredExits(model),
    ages,
  });
  const step = await engine.compile(profileStep(model.spec, model.plans), {
    state: {},
    batch: profileInputs(model.spec, model.plans),
    frozen: { ...model.backbone, ...model.heads },
  });
  try {
    let from = 0;
    for await (const { x, noise, t, y } of heldOut(options)) {
      const drawn = ages && agesFrom(options.seed, ages, from, t.length);
      const { toNoise, toFull } = await step({
        ...{ x, t, noise, ...mixtureFeeds(diffusion, t) },
        ...(ages && drawn && earlier(diffusion, ages, drawn, { x, noise, t })),
        ...(await prompts.feeds(y)),
      });
      addAll(measured, { t, drawn }, toNoise, toFull);
      from += t.length;
    }
  } finally {
    progress.end();
    await step.dispose();
  }
  return measured.table();
}

function agesOf({ ages }: ProfileOptions): Ages {
  if (!ages) throw new Error('heads that remember are measured at ages');
  return ages;
}

/** Ages of the memories of samples `from` and on: each depends on its number alone. */
function agesFrom(seed: number, ages: Ages, from: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const random = stream(seed, 'profile ages', from + i);
    return drawnAge(ages, (n) => random.integer(n));
  });
}

/** The full-depth steps before samples whose memories are so old (`pairInputs`). */
function earlier(
  diffusion: Diffusion,
  ages: Ages,
  drawn: readonly number[],
  { x, noise, t }: { readonly x: Float32Array; readonly noise: Float32Array; readonly t: Float32Array },
): { readonly xFull: Float32Array; readonly tFull: Float32Array } {
  const tFull = t.map((at, i) => fullStepBefore(at, drawn[i] ?? NaN, ages, diffusion.steps));
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

/** Inputs of `profileStep`; where heads remember, those of pairs among them. */
export function profileInputs(
  spec: BackboneSpec,
  plans: Model['plans'] = [],
): Readonly<Record<string, InputSpec>> {
  return {
    ...{ ...queryInputs(spec), noise: imageInput(spec), ...mixtureInputs(spec) },
    ...(plans.some(({ kind }) => remembers(kind)) && pairInputs(spec, 'noise')),
  };
}

/**
 * Measures one batch: the inputs of a query, and `noise` [B, C, H, W]. Results: the squared error of every exit on every
 * sample, a mean over the elements of epsilon, `toNoise` and `toFull` (the whole backbone), [B, exits]. Another prediction
 * is measured by the epsilon that it sees, so all tables compare.
 */
export function profileStep(spec: BackboneSpec, plans: Model['plans']): Step {
  return (_state, batch, frozen) => {
    const { noise } = batch;
    if (!noise) throw new Error('a profile needs the noise');
    const backbone = familyOf(spec).bind(spec, frozen);
    const kept = plans.filter(({ kind }) => remembers(kind)).map(({ exit }) => exit);
    const before = kept.length > 0 ? lastFull(backbone, batch, kept).remembered : undefined;
    const query = queryOf(batch, spec);
    const epsilons = runAll(backbone, { plans, weights: frozen }, query, before).map(({ prediction }) =>
      epsilonSeen(spec, query.x, epsilonOf(prediction, spec.channels), batch),
    );
    const full = epsilons.at(-1);
    if (!full) throw new Error('a model has at least one exit');
    const errors = (target: tf.Tensor): tf.Tensor =>
      tf.stack(
        epsilons.map((epsilon) => tf.mean(tf.square(tf.sub(epsilon, target)), [1, 2, 3])),
        1,
      );
    return { state: {}, out: { toNoise: errors(noise), toFull: errors(full) } };
  };
}

function addAll(
  measured: Accumulator,
  { t, drawn }: { readonly t: Float32Array; readonly drawn: readonly number[] | undefined },
  toNoise: HostTensor | undefined,
  toFull: HostTensor | undefined,
): void {
  if (!toNoise || !toFull) throw new Error('a profile step has two results');
  const [, exits = 0] = toNoise.shape;
  t.forEach((at, i) => {
    const cell = (k: number): number => i * exits + k;
    measured.add(
      at,
      Array.from({ length: exits }, (_, k) => ({
        squaredToNoise: toNoise.data[cell(k)] ?? NaN,
        squaredToFull: toFull.data[cell(k)] ?? NaN,
      })),
      drawn?.[i],
    );
  });
}
