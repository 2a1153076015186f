// How does a config become a trained state? Data, compiled step and loop, from the newest checkpoint on.
import type { BackboneSpec } from '../backbones/backbone.js';
import type { TrainConfig } from '../config/schema.js';
import { openData } from '../data/open.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine, Step } from '../engine/engine.js';
import type { HostTensors, Shapes, Weights } from '../engine/tensors.js';
import { latestCheckpoint } from './checkpoints.js';
import { lambdas, type LambdaRule } from './lambda.js';
import { train, type TrainOptions } from './loop.js';
import { learningRate } from './lr.js';
import { noisyBatches } from './noisyBatches.js';
import type { Progress } from './progress.js';
import { logLine, type Run } from './runFolder.js';
import { initialState, stateShapes } from './state.js';
import { trainingInputs } from './pretrainStep.js';
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

export interface FitOptions extends Work {
  readonly run: Run;
  readonly spec: BackboneSpec;
  readonly config: Pick<TrainConfig, 'seed' | 'data' | 'diffusion' | 'optimizer' | 'train'> & {
    readonly loss: Pick<TrainConfig['loss'], 'lambda' | 'gamma'>;
  };
  /** What the first step starts from. */
  readonly weights: HostTensors;
  readonly frozen: Weights;
  /** Fingerprint of the backbone that is built on, if there is one: a checkpoint belongs to it. */
  readonly origin?: string;
  readonly stepOf: (options: UpdateOptions) => Step;
  readonly onCheckpoint?: TrainOptions['onCheckpoint'];
}

/**
 * Trains to the end, or goes on from the run's newest checkpoint.
 * @returns the last state, in the layout of training/state.ts
 * @throws UserError if the data do not fit or a loss is not finite
 * @throws Interrupted after the signal, once all is saved
 */
export async function fit(options: FitOptions): Promise<HostTensors> {
  const { run, spec, config, engine, weights, frozen, signal, progress } = options;
  const { optimizer } = config;
  const { origin = '' } = options;
  const { steps, batch, logEvery, checkpointEvery } = config.train;
  const dataset = await openData(config.data, 'train', spec);
  const shapes: Shapes = Object.fromEntries(
    Object.entries(weights).map(([name, { shape }]) => [name, shape]),
  );
  const checkpoint = await latestCheckpoint(run, stateShapes(shapes), origin, options.warn);
  const start = checkpoint?.step ?? 0;
  const tell = async (line: string): Promise<void> => {
    options.say(line);
    await logLine(run, line);
  };
  await tell(`engine ${engine.kind}: ${engine.reason}`);
  await tell(`${dataset.name}: ${dataset.count} images; ${steps} steps of ${batch}`);
  if (start > 0) await tell(`going on after step ${start} of ${steps}`);
  const step = await engine.compile(options.stepOf(optimizer), {
    state: checkpoint?.state ?? initialState(weights),
    batch: trainingInputs(spec),
    frozen,
  });
  try {
    const noise = diffusion(config.diffusion);
    const batches = noisyBatches(dataset, {
      seed: config.seed,
      batch,
      diffusion: noise,
      lambdas: lambdas(lambdaRule(config.loss), noise.alphasCumprod),
      labelDropout: config.diffusion.labelDropout,
      nullClass: spec.classes,
    });
    const lr = (index: number): number => learningRate({ ...optimizer, steps, floor: 0 }, index);
    const feeds: TrainOptions['feeds'] = (index) => ({ ...batches(index), lr: lr(index) });
    const { onCheckpoint } = options;
    return await train({
      ...{ run, step, start, steps, feeds, logEvery, checkpointEvery, signal, progress },
      saving: { origin, keep: config.train.keep },
      ...(onCheckpoint && { onCheckpoint }),
    });
  } finally {
    await step.dispose();
  }
}

function lambdaRule({ lambda, gamma }: Pick<TrainConfig['loss'], 'lambda' | 'gamma'>): LambdaRule {
  return lambda === 'uniform' ? { kind: 'uniform' } : { kind: 'min-snr', gamma };
}
