// How good and how fast are several ways of drawing the same samples? Ways in, rows out:
//
//   const rows = await evaluateWays([{ ...fullDepth(timesteps, spec.depth), model }, ...others], {
//     engine, extractor, reference: await referenceOf(features, extractor.width), sampling, seeds: [0, 1, 2], signal, progress });
//   rows.map(({ way, depthUsed, seeds }) => [way.name, depthUsed, distanceOf(seeds, 'kid').value]);
//   differenceBetween(rows[1], rows[2], 'kid'); // in common noise: value and standard error
import type { Diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import { Interrupted } from '../errors.js';
import type { Denoiser } from '../exits/denoiser.js';
import { openApart, type ApartDenoiser } from '../exits/apart.js';
import { openGuided, passesAt, scaleAt, type Guidance } from '../exits/guided.js';
import { exitMacs, isRemembering, keptMacs, type Model } from '../exits/model.js';
import type { Prompts } from '../exits/prompts.js';
import { drift, timedBatch, type Way } from '../samplers/compare.js';
import { labelsFor } from '../samplers/generate.js';
import { callsOf, type Solver } from '../samplers/solvers.js';
import { exitAt, unconditionalAt } from '../schedules/schedule.js';
import type { Progress } from '../training/progress.js';
import { differenceOf, type Estimate, type Uncertain } from './estimate.js';
import type { FeatureExtractor, Seen } from './features.js';
import { judge, pooled, type Judgement, type Reference } from './judge.js';
import type { SamplingWay } from './ways.js';

/** What all ways have in common. */
export interface Sampling extends Guidance {
  readonly solver: Solver;
  readonly diffusion: Diffusion;
  readonly clip: boolean;
  readonly prompts: Prompts;
  /** Samples of each seed. */
  readonly count: number;
  /** Samples at once. */
  readonly batch: number;
}

/** A batch that was drawn: samples [count, C, H, W], and the time it took. */
export interface DrawnBatch {
  readonly images: Float32Array;
  readonly seconds: number;
}

/** Which batch: samples `from` to `from + count - 1` of a seed, drawn in one way. */
export interface BatchKey {
  readonly way: string;
  readonly seed: number;
  readonly from: number;
  readonly count: number;
}

/** Where finished batches lie, so that work that was stopped goes on. */
export interface KeptBatches {
  read(key: BatchKey): Promise<DrawnBatch | undefined>;
  write(key: BatchKey, batch: DrawnBatch): Promise<void>;
}

export interface EvaluateOptions {
  readonly engine: Engine;
  /** Of what the backbone draws. */
  readonly extractor: FeatureExtractor;
  /** Seen by the same extractor. */
  readonly reference: Reference;
  readonly sampling: Sampling;
  /** Each is a set of samples of its own, in every way from the same noise. */
  readonly seeds: readonly number[];
  /** Whether the extractor's classes are the labels that are drawn: then agreement can be told. */
  readonly decidesLabels?: boolean;
  readonly kept?: KeptBatches;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** One way with one seed. */
export interface SeedResult extends Judgement {
  readonly seed: number;
  /** Mean squared difference to full depth from the same noise, of what the backbone draws. */
  readonly drift: number;
  /** Time spent sampling, by batch. */
  readonly seconds: readonly number[];
}

export interface Row {
  readonly way: SamplingWay;
  /** Multiply-adds of one sample; a guided one takes two passes a call. */
  readonly macs: number;
  /** Multiply-adds over those of full depth. */
  readonly depthUsed: number;
  /** In the order of the seeds. */
  readonly seeds: readonly SeedResult[];
}

/**
 * Draws the same samples in every way, in turns batch by batch and warm, and judges each set.
 * @param ways the first is full depth, which drift and depth used refer to; names are unique
 * @returns a row for each, in the same order
 * @throws Interrupted after the signal; batches that were finished are kept
 * @throws UserError if a sampler diverges
 */
export async function evaluateWays(
  ways: readonly [SamplingWay, ...SamplingWay[]],
  options: EvaluateOptions,
): Promise<Row[]> {
  const names = ways.map(({ name }) => name);
  if (new Set(names).size < names.length)
    throw new RangeError(`two ways of ${names.join(', ')} share a name`);
  const { seeds, sampling, progress } = options;
  const studio = studioOf(ways, options);
  const results: SeedResult[][] = ways.map(() => []);
  try {
    for (const seed of seeds) {
      const labels = labelsFor(0, sampling.count, sampling.prompts.count);
      const sets = await drawSets(ways, seed, studio, options);
      for (const [i, { seen, drift, seconds }] of sets.entries()) {
        const judgement = await judge(seen, options.decidesLabels ? labels : undefined, options.reference);
        results[i]?.push({ seed, ...judgement, drift, seconds });
      }
    }
  } finally {
    progress.end();
    await studio.dispose();
  }
  const macs = ways.map((way) => macsOfWay(way, sampling));
  return ways.map((way, i) => ({
    way,
    macs: macs[i] ?? NaN,
    depthUsed: (macs[i] ?? NaN) / (macs[0] ?? NaN),
    seeds: results[i] ?? [],
  }));
}

/** Multiply-adds of one sample; full depth also keeps what the exits in use remember. */
export function macsOfWay(way: SamplingWay, sampling: Stepping): number {
  const { model } = way;
  const { exits, unconditional } = exitsOfCalls(way, sampling);
  const other = sampling.guidance === 1 ? exits : (unconditional ?? exits);
  const used = [...new Set([...exits, ...other])];
  const kept = used
    .filter((exit) => isRemembering(model.plans, exit))
    .reduce((sum, exit) => sum + keptMacs(model, exit), 0);
  const cost = new Map(
    used.map((exit) => [exit, exitMacs(model, exit) + (exit === model.spec.depth ? kept : 0)]),
  );
  const calls = callsOf(sampling.solver, sampling.diffusion, way.timesteps);
  return calls.reduce((sum, t, i) => {
    const passes = [exits[i], other[i]].slice(0, passesAt(sampling, t));
    return sum + passes.reduce<number>((all, exit) => all + (cost.get(exit ?? NaN) ?? NaN), 0);
  }, 0);
}

/** What decides which calls a way makes, and what each costs. */
export type Stepping = Pick<Sampling, 'solver' | 'diffusion' | keyof Guidance>;

/** The exit of each call of the solver in each half of guidance: that of the nearest step. */
export function exitsOfCalls(
  { follows, ...own }: Pick<SamplingWay, 'timesteps' | 'exits' | 'unconditional' | 'follows'>,
  { solver, diffusion }: Pick<Sampling, 'solver' | 'diffusion'>,
): { readonly exits: readonly number[]; readonly unconditional: readonly number[] | undefined } {
  const steps = follows ?? own;
  const calls = callsOf(solver, diffusion, own.timesteps);
  return {
    exits: calls.map((t) => exitAt(steps, t)),
    unconditional: steps.unconditional && calls.map((t) => unconditionalAt(steps, t) ?? NaN),
  };
}

/** What has a standard error of its own. */
export type Distance = 'fid' | 'kid';

/** Distance to the reference, of all seeds together. */
export function distanceOf(seeds: readonly SeedResult[], distance: Distance): Estimate {
  return pooled(seeds.map((one) => one[distance]));
}

/** Distance of a less that of b, from the same noise. */
export function differenceBetween(a: Row, b: Row, distance: Distance): Uncertain {
  return differenceOf(distanceOf(a.seeds, distance), distanceOf(b.seeds, distance));
}

interface DrawnSet {
  readonly seen: Seen;
  readonly drift: number;
  readonly seconds: readonly number[];
}

/** Samples are seen as they come, so that one batch of each way is all that memory holds. */
async function drawSets(
  ways: readonly SamplingWay[],
  seed: number,
  studio: Studio,
  { extractor, sampling, seeds, kept, signal, progress }: EvaluateOptions,
): Promise<DrawnSet[]> {
  const { count, batch } = sampling;
  const sets = ways.map(() => ({
    features: new Float32Array(count * extractor.width),
    probabilities: extractor.classes > 0 ? new Float32Array(count * extractor.classes) : undefined,
    seconds: [] as number[],
    squares: 0,
  }));
  const callsIn = ({ timesteps }: SamplingWay): number =>
    callsOf(sampling.solver, sampling.diffusion, timesteps).length;
  const steps = ways.reduce((sum, way) => sum + callsIn(way), 0);
  const batches = Math.ceil(count / batch);
  let done = seeds.indexOf(seed) * batches * steps;
  const tell = (more: number): void => progress.update((done += more), seeds.length * batches * steps, {});
  for (let from = 0; from < count; from += batch) {
    const some = Math.min(batch, count - from);
    let full = new Float32Array();
    for (const [i, way] of ways.entries()) {
      if (signal.aborted) throw new Interrupted('stopped while evaluating; finished batches are kept.');
      const key = { way: way.name, seed, from, count: some };
      const found = await kept?.read(key);
      const drawn = found ?? (await studio.draw(way, key, () => tell(1)));
      if (found) tell(callsIn(way));
      else await kept?.write(key, drawn);
      if (i === 0) full = Float32Array.from(drawn.images);
      const { features, probabilities } = await extractor.see(drawn.images);
      const set = sets[i];
      set?.features.set(features, from * extractor.width);
      if (probabilities) set?.probabilities?.set(probabilities, from * extractor.classes);
      set?.seconds.push(drawn.seconds);
      if (set) set.squares += (drift(drawn.images, full) * some) / count;
    }
  }
  return sets.map(({ features, probabilities, seconds, squares }) => ({
    seen: { features, probabilities },
    drift: squares,
    seconds,
  }));
}

/** Where samples are drawn. Nothing is compiled before it is needed: all batches may be there already. */
interface Studio {
  draw(way: SamplingWay, samples: Omit<BatchKey, 'way'>, onCall: () => void): Promise<DrawnBatch>;
  dispose(): Promise<void>;
}

function studioOf(ways: readonly SamplingWay[], { engine, sampling, signal }: EvaluateOptions): Studio {
  const { solver, diffusion, clip, prompts, count, batch } = sampling;
  const denoisers = new Map<Model, Denoiser>();
  const aparts = new Map<Model, ApartDenoiser>();
  const isApart = ({ unconditional }: SamplingWay): boolean =>
    unconditional !== undefined && sampling.guidance !== 1;
  // The last batch may be smaller.
  const warm = async (denoiser: Pick<Denoiser, 'warmUp'>): Promise<void> => {
    for (const size of new Set([Math.min(batch, count), count % batch]))
      if (size > 0) await denoiser.warmUp(size);
  };
  const open = async (): Promise<void> => {
    for (const model of new Set(ways.map((way) => way.model))) {
      const own = ways.filter((way) => way.model === model);
      const exits = own.filter((way) => !isApart(way)).flatMap((way) => exitsOfCalls(way, sampling).exits);
      const denoiser = await openGuided(engine, model, exits, sampling, prompts);
      denoisers.set(model, denoiser);
      await warm(denoiser);
      const halves = own.filter(isApart).flatMap((way) => {
        const { exits, unconditional = [] } = exitsOfCalls(way, sampling);
        return [...exits, ...unconditional];
      });
      if (halves.length === 0) continue;
      const apart = await openApart(engine, model, halves, prompts);
      aparts.set(model, apart);
      await warm(apart);
    }
  };
  return {
    async draw(way, { seed, from, count: some }, onCall) {
      if (denoisers.size === 0) await open();
      const denoiser = denoisers.get(way.model);
      const apart = isApart(way) ? aparts.get(way.model) : undefined;
      if (!denoiser) throw new Error(`the model of ${way.name} was not opened`);
      const { channels, imageSize } = way.model.spec;
      const options = {
        ...{ solver, diffusion, clip, seed, signal, count, batch, timesteps: way.timesteps },
        length: channels * imageSize ** 2,
        classes: prompts.count,
      };
      const drawn = apart ? apartWayOf(way, apart, sampling) : wayOf(way, denoiser, sampling);
      return timedBatch(options, from, some, drawn, onCall);
    },
    async dispose() {
      for (const denoiser of [...denoisers.values(), ...aparts.values()]) await denoiser.dispose();
    },
  };
}

function apartWayOf(way: SamplingWay, denoiser: ApartDenoiser, sampling: Sampling): Way {
  const { exits, unconditional: other = exits } = exitsOfCalls(way, sampling);
  return {
    name: way.name,
    begin() {
      const trajectory = denoiser.begin();
      return (x, t, y, call) =>
        trajectory.predict(exits[call] ?? NaN, other[call] ?? NaN, {
          ...{ x, t, y, guidance: scaleAt(sampling, t) },
        });
    },
  };
}

function wayOf(way: SamplingWay, denoiser: Denoiser, sampling: Sampling): Way {
  const { exits } = exitsOfCalls(way, sampling);
  return {
    name: way.name,
    begin() {
      const trajectory = denoiser.begin();
      return (x, t, y, call) =>
        trajectory.predict(exits[call] ?? NaN, { x, t, y, guidance: scaleAt(sampling, t) });
    },
  };
}
