// How wrong is every exit on held-out images? One pass per batch measures them all.
import { setImmediate } from 'node:timers/promises';
import type { BackboneSpec } from '../backbones/backbone.js';
import { familyOf } from '../backbones/families.js';
import { examples } from '../data/batches.js';
import type { Batch, Dataset } from '../data/dataset.js';
import type { Diffusion } from '../diffusion/betas.js';
import { addNoise } from '../diffusion/forward.js';
import type { Engine, InputSpec, Step } from '../engine/engine.js';
import { tf } from '../engine/tf.js';
import type { HostTensor } from '../engine/tensors.js';
import { Interrupted } from '../errors.js';
import { exitMacs, exitsOf, imageInput, queryInputs, queryOf, type Model } from '../exits/model.js';
import { promptsOf, type Prompts } from '../exits/prompts.js';
import { runAll } from '../exits/run.js';
import { stream } from '../random.js';
import { epsilonOf } from '../training/loss.js';
import type { Progress } from '../training/progress.js';
import { epsilonSeen, mixtureFeeds, mixtureInputs } from '../training/target.js';
import type { ErrorTable, MeasuredExit } from './errorTable.js';
import { accumulator } from './measure.js';
import { timeBins } from './timeBins.js';

export interface ProfileOptions {
  readonly engine: Engine;
  readonly model: Model;
  /** Fingerprints of what is measured. */
  readonly fingerprints: { readonly backbone: string; readonly heads: string };
  /** Held-out examples; taken in file order, from the start again when they run out. */
  readonly dataset: Dataset;
  /** What their labels stand for; unless given, classes. */
  readonly prompts?: Prompts;
  readonly diffusion: Diffusion;
  readonly seed: number;
  /** Noisy images to measure on. */
  readonly samples: number;
  readonly batch: number;
  readonly bins: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/**
 * Measures every exit of a model on the same noisy images, whose times are spread evenly over the diffusion. Image,
 * noise and time of a sample depend on its number and the seed, not on the batch.
 * @throws UserError if a prediction is not finite
 * @throws Interrupted after the signal; nothing is kept of an unfinished measurement
 */
export async function profile(options: ProfileOptions): Promise<ErrorTable> {
  const { engine, model, fingerprints, dataset, diffusion, samples, signal, progress } = options;
  const { prompts = promptsOf(model.spec) } = options;
  const measured = accumulator({
    ...fingerprints,
    bins: timeBins(diffusion, options.bins),
    exits: measuredExits(model),
  });
  const step = await engine.compile(profileStep(model.spec, model.plans), {
    state: {},
    batch: profileInputs(model.spec),
    frozen: { ...model.backbone, ...model.heads },
  });
  try {
    for (let from = 0; from < samples; from += options.batch) {
      // An engine may block the event loop while it computes; here signals and drawings get their turn.
      await setImmediate();
      if (signal.aborted)
        throw new Interrupted(`stopped after ${from} of ${samples} samples; nothing was written.`);
      const count = Math.min(options.batch, samples - from);
      const { x: clean, y } = await cycled(dataset, from, count);
      const noise = noiseOf(options.seed, from, count, clean.length / count);
      // Neighbouring images get times far apart: 0.618... is the golden ratio's fraction, whose multiples fill [0, 1) evenly.
      const t = Float32Array.from({ length: count }, (_, i) =>
        Math.floor((((from + i) * 0.6180339887498949) % 1) * diffusion.steps),
      );
      const x = addNoise(diffusion, clean, noise, t);
      const { toNoise, toFull } = await step({
        ...{ x, t, noise, ...mixtureFeeds(diffusion, t) },
        ...(await prompts.feeds(y)),
      });
      addAll(measured, t, toNoise, toFull);
      progress.update(from + count, samples, {});
    }
  } finally {
    progress.end();
    await step.dispose();
  }
  return measured.table();
}

/** Exits with the multiply-adds that running them takes. */
export function measuredExits(model: Model): MeasuredExit[] {
  const kinds = new Map<number, MeasuredExit['kind']>(model.plans.map(({ exit, kind }) => [exit, kind]));
  return exitsOf(model).map((exit) => ({
    exit,
    kind: kinds.get(exit) ?? 'backbone',
    macs: exitMacs(model, exit),
  }));
}

/** Inputs of `profileStep`. */
export function profileInputs(spec: BackboneSpec): Readonly<Record<string, InputSpec>> {
  return { ...queryInputs(spec), noise: imageInput(spec), ...mixtureInputs(spec) };
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
    const query = queryOf(batch, spec);
    const epsilons = runAll(backbone, { plans, weights: frozen }, query).map(({ prediction }) =>
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
  measured: ReturnType<typeof accumulator>,
  t: Float32Array,
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
    );
  });
}

/** Standard normal noise of samples `from` to `from + count - 1`, each with its own. @param length numbers in each */
function noiseOf(seed: number, from: number, count: number, length: number): Float32Array {
  const noise = new Float32Array(count * length);
  for (let i = 0; i < count; i++)
    noise.set(stream(seed, 'profile noise', from + i).normals(length), i * length);
  return noise;
}

/** The next examples in file order, from the start again after the last. */
async function cycled(dataset: Dataset, from: number, count: number): Promise<Batch> {
  const start = from % dataset.count;
  const here = Math.min(count, dataset.count - start);
  const first = await examples(dataset, start, here);
  if (here === count) return first;
  const rest = await cycled(dataset, 0, count - here);
  const x = new Float32Array(first.x.length + rest.x.length);
  x.set(first.x);
  x.set(rest.x, first.x.length);
  const y = new Int32Array(count);
  y.set(first.y);
  y.set(rest.y, here);
  return { x, y };
}
