// How does a config become a trained state? Data, compiled step and loop, from the newest checkpoint on.
import { performance } from 'node:perf_hooks';
import type { BackboneSpec } from '../backbones/backbone.js';
import type { TrainConfig } from '../config/schema.js';
import type { Dataset } from '../data/dataset.js';
import { openData } from '../data/open.js';
import { openPrompts } from '../data/openPrompts.js';
import { diffusion } from '../diffusion/betas.js';
import {
  engineLine,
  type CompiledStep,
  type Engine,
  type Feeds,
  type InputSpec,
  type Step,
} from '../engine/engine.js';
import { countOf, type FrozenWeights, type HostTensors, type Shapes } from '../engine/tensors.js';
import { digestOf, latestCheckpoint } from './checkpoints.js';
import { train, type TrainOptions } from './loop.js';
import { learningRate } from './lr.js';
import { noisyBatches } from './noisyBatches.js';
import type { Pairs } from './pairs.js';
import type { Progress } from './progress.js';
import { logLine, type Run } from './runFolder.js';
import { initialState, stateShapes } from './state.js';
import type { TimesRule } from './times.js';
import type { UpdateOptions } from './update.js';

/** What long work is given: the engine to run on and whom to tell. */
export interface Work {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Hears one line at a time. */
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** What is trained, on what, and how. */
export interface Subject {
  readonly engine: Engine;
  readonly spec: BackboneSpec;
  readonly config: Pick<TrainConfig, 'seed' | 'data' | 'diffusion' | 'optimizer' | 'train'>;
  /** What the first step starts from. */
  readonly weights: HostTensors;
  readonly frozen: FrozenWeights;
  readonly stepOf: (options: UpdateOptions) => Step;
  /** Multiply-adds of one sample in one step, where the compiled step does not know them. */
  readonly macs?: number;
  /** What the step takes beside its state. */
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** At which times samples are noised. */
  readonly times: TimesRule;
  /** Weights of a sample's errors by its native t, [T] each, under the names of the inputs that take them. */
  readonly timeWeights: Readonly<Record<string, Float32Array>>;
  /** Number by native t, [T]: samples of a batch come in descending order of it. */
  readonly deepestFirst?: Float32Array;
  /** For heads that remember. */
  readonly pairs?: Pairs | undefined;
  /** What else a step is fed, counted from 0. It depends on the index alone, so a resumed run repeats nothing. */
  readonly feedsAt?: (index: number) => Feeds;
}

export interface FitOptions extends Subject, Work {
  readonly run: Run;
  /** Fingerprint of the backbone that is built on, if there is one: a checkpoint belongs to it. */
  readonly origin?: string;
  readonly onCheckpoint?: TrainOptions['onCheckpoint'];
}

/**
 * Trains to the end, or goes on from the run's newest checkpoint.
 * @returns the last state, in the layout of training/state.ts
 * @throws UserError if the data do not fit or a loss is not finite
 * @throws Interrupted after the signal, once all is saved
 */
export async function fit(options: FitOptions): Promise<HostTensors> {
  const { run, spec, config, engine, weights, origin = '', onCheckpoint, signal, progress } = options;
  const { steps, batch, logEvery, checkpointEvery, keep } = config.train;
  const dataset = await openData(config.data, 'train', spec);
  const built = { origin, times: digestOf(tabled(options.timeWeights)) };
  const checkpoint = await latestCheckpoint(run, stateShapes(shapesOf(weights)), built, options.warn);
  const start = checkpoint?.step ?? 0;
  const tell = async (line: string): Promise<void> => {
    options.say(line);
    await logLine(run, line);
  };
  await tell(engineLine(engine));
  await tell(`${dataset.name}: ${dataset.count} ${dataset.holds}; ${steps} steps of ${batch}`);
  if (start > 0) await tell(`going on after step ${start} of ${steps}`);
  const step = await compileStep(options, checkpoint?.state ?? initialState(weights));
  try {
    return await train({
      ...{ run, step, start, steps, logEvery, checkpointEvery, signal, progress },
      feeds: await feedsOf(options, dataset),
      saving: { ...built, keep },
      ...(onCheckpoint && { onCheckpoint }),
    });
  } finally {
    await step.dispose();
  }
}

function tabled(tables: Subject['timeWeights']): HostTensors {
  return Object.fromEntries(
    Object.entries(tables).map(([name, data]) => [name, { shape: [data.length], data }]),
  );
}

/** What a training would take on this machine. */
export interface Rehearsal {
  /** Weights that move. */
  readonly trainable: number;
  /** Multiply-adds of one sample in one step, backward included. */
  readonly macs: number;
  /** Measured on two steps after two warm-up steps. */
  readonly secondsPerStep: number;
  readonly steps: number;
  /** The most memory that this process has held, pages of mapped weights among it; that of a GPU does not count. */
  readonly peakBytes: number;
}

/** Runs four steps on the real data and throws their result away. */
export async function rehearse(subject: Subject): Promise<Rehearsal> {
  const { spec, config, weights } = subject;
  const feeds = await feedsOf(subject, await openData(config.data, 'train', spec));
  const step = await compileStep(subject, initialState(weights));
  try {
    for (const index of [0, 1]) await step(await feeds(index));
    const begun = performance.now();
    for (const index of [2, 3]) await step(await feeds(index));
    return {
      trainable: countOf(weights),
      macs: subject.macs ?? step.macs,
      secondsPerStep: (performance.now() - begun) / 2000,
      steps: config.train.steps,
      peakBytes: peakBytes(),
    };
  } finally {
    await step.dispose();
  }
}

/** Node.js gives it in units of 1024 bytes. */
export function peakBytes(): number {
  return 1024 * process.resourceUsage().maxRSS;
}

function compileStep(
  { engine, config, frozen, stepOf, inputs }: Subject,
  state: HostTensors,
): Promise<CompiledStep> {
  return engine.compile(stepOf(config.optimizer), { state, batch: inputs, frozen });
}

async function feedsOf(
  { spec, config, times, timeWeights, deepestFirst, feedsAt, pairs }: Subject,
  dataset: Dataset,
): Promise<(index: number) => Promise<Feeds>> {
  const { seed, optimizer, train } = config;
  const { steps, batch } = train;
  const prompts = await openPrompts(spec, config.data.captions, 'data.captions');
  const batches = noisyBatches(dataset, {
    ...{ seed, batch, diffusion: diffusion(config.diffusion), times, timeWeights },
    // Without a prompt that asks for nothing, none is left out.
    labelDropout: prompts.none === undefined ? 0 : config.diffusion.labelDropout,
    none: prompts.none ?? 0,
    ...{ deepestFirst, pairs },
  });
  return async (index) => {
    const { y, weights, before, ...noisy } = await batches(index);
    const lr = learningRate({ ...optimizer, steps, floor: optimizer.floor * optimizer.lr }, index);
    return { ...noisy, ...weights, ...before, ...(await prompts.feeds(y)), ...feedsAt?.(index), lr };
  };
}

export function shapesOf(weights: HostTensors): Shapes {
  return Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [name, shape]));
}
