// How good and how fast is what a bundle draws? Draws, judges and writes what was found; goes on where it stopped.
import { join } from 'node:path';
import type { EvaluateConfig } from '../config/schema.js';
import { openData } from '../data/open.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import type { FrozenPrecision } from '../engine/tensors.js';
import { Interrupted } from '../errors.js';
import { evaluateWays, type Sampling } from '../evaluate/evaluateWays.js';
import { referenceOf } from '../evaluate/judge.js';
import { forgetBatches, keptBatchesIn } from '../evaluate/keptBatches.js';
import { referenceFeatures } from '../evaluate/reference.js';
import { evaluatedRows, evaluationFormat, type Evaluation } from '../evaluate/results.js';
import { tooFew } from '../evaluate/tooFew.js';
import { openDenoiser } from '../exits/denoiser.js';
import type { Prompts } from '../exits/prompts.js';
import { makeFolder } from '../files/disk.js';
import { settingsOf } from '../samplers/settings.js';
import { callsOf, solverOf } from '../samplers/solvers.js';
import { writeJsonFile } from '../files/jsonFile.js';
import type { Progress } from '../training/progress.js';
import type { Pictures } from '../vae/pictures.js';
import type { EvaluationPlan } from './evaluationPlan.js';
import { guidingIn } from './guiding.js';
import type { OpenedBundle } from './openBundle.js';
import { openJudge } from './openJudge.js';

/** What is judged, by what. */
export interface EvaluationOptions {
  readonly opened: OpenedBundle;
  readonly plan: EvaluationPlan;
  readonly config: EvaluateConfig;
  /** Real images, and those that a classifier learns from. */
  readonly data: NonNullable<EvaluateConfig['data']>;
  readonly prompts: Prompts;
  /** What the samples are turned into before they are judged. */
  readonly pictures: Pictures;
  readonly frozenPrecision: FrozenPrecision;
  readonly engine: Engine;
}

export interface EvaluationWork extends EvaluationOptions {
  /** Folder of the results. */
  readonly folder: string;
  /** Whether finished batches of an earlier call count. */
  readonly resume: boolean;
  /** Whether samples stay when all is done. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
  readonly progressOf: (label: string) => Progress;
}

/** Where an evaluation writes what it found, and keeps samples meanwhile. */
export const evaluationPath = (folder: string): string => join(folder, 'evaluation.json');
export const samplesPath = (folder: string): string => join(folder, 'samples');

/**
 * @throws UserError if data, features and samples do not fit each other, or a sampler diverges
 * @throws Interrupted after the signal; finished batches are kept
 */
export async function evaluateBundle(work: EvaluationWork): Promise<Evaluation> {
  const { opened, plan, config, data, prompts, engine, folder, frozenPrecision } = work;
  const { signal, say, warn, progressOf } = work;
  const { bundle, model } = opened;
  const { split, samples, seeds, references } = config.evaluate;
  const dataset = await openData(data, split, model.spec);
  const judge = await openJudge({
    ...{ ...work, spec: model.spec, features: config.evaluate.features },
  });
  try {
    const { extractor, decidesLabels } = judge;
    const count = Math.min(references, dataset.count);
    const few = tooFew(Math.min(samples, count), extractor.width);
    if (few !== undefined) warn(few);
    const asking = { signal, say, warn };
    const features = await referenceFeatures(dataset, extractor, {
      ...{ ...asking, count },
      progress: progressOf('real images'),
    });
    const sampling = samplingOf(work);
    const kept = keptBatchesIn(samplesPath(folder), plan.ways, {
      ...{ resume: work.resume, warn },
      decidedBy: {
        ...{ backbone: bundle.backbone.fingerprint, heads: bundle.schedule.heads, frozenPrecision },
        ...{ diffusion: bundle.diffusion, solver: sampling.solver, ...guidingIn(plan), clip: plan.clip },
        ...{ prompts: prompts.decidedBy, engine: engine.kind, device: engine.device },
      },
    });
    const rows = await evaluateWays(plan.ways, {
      ...{ engine, extractor, sampling, decidesLabels, kept, signal },
      reference: await referenceOf(features, extractor.width),
      seeds: Array.from({ length: seeds }, (_, i) => config.seed + i),
      progress: progressOf('evaluate'),
    }).catch((error: unknown) => {
      if (!(error instanceof Interrupted)) throw error;
      throw new Interrupted(
        `stopped while evaluating; finished samples lie in ${samplesPath(folder)}. Go on with --resume.`,
      );
    });
    const evaluation: Evaluation = {
      ...{ format: 'exithead-evaluation', version: 1 },
      ...{ backbone: bundle.backbone.fingerprint, heads: bundle.schedule.heads },
      features: { name: extractor.name, fingerprint: extractor.fingerprint, width: extractor.width },
      reference: { data: dataset.name, split, count },
      sampling: {
        ...settingsOf(config.sample),
        ...guidingIn(plan),
        ...{ clip: plan.clip, samples, batch: config.sample.batch },
      },
      engine: { kind: engine.kind, device: engine.device ?? 'CPU', frozenPrecision },
      rows: evaluatedRows(rows, samples),
    };
    await makeFolder(folder);
    await writeJsonFile(evaluationPath(folder), evaluationFormat, evaluation);
    if (!work.keep) await forgetBatches(samplesPath(folder));
    return evaluation;
  } finally {
    await judge.dispose();
  }
}

/** What an evaluation will take, from one warm step at full depth that is measured now. */
export async function rehearseEvaluation(
  options: Pick<EvaluationOptions, 'opened' | 'plan' | 'config' | 'prompts' | 'engine'>,
): Promise<{ readonly seconds: number; readonly secondsPerStep: number }> {
  const { plan, config, prompts, engine } = options;
  const { ways, guidance } = plan;
  const { samples, seeds } = config.evaluate;
  const [{ model }] = ways;
  const { channels, imageSize, depth } = model.spec;
  const batch = Math.min(config.sample.batch, samples);
  const denoiser = await openDenoiser(engine, { ...model, plans: [] }, [depth], guidance !== 1, prompts);
  try {
    await denoiser.warmUp(batch);
    const start = performance.now();
    const x = new Float32Array(batch * channels * imageSize ** 2);
    await denoiser.begin().predict(depth, { x, t: 0, y: new Int32Array(batch), guidance });
    const secondsPerStep = (performance.now() - start) / 1000;
    const { solver, diffusion } = samplingOf(options);
    const calls = callsOf(solver, diffusion, ways[0].timesteps).length;
    const steps = calls * ways.reduce((sum, { depthUsed }) => sum + depthUsed, 0);
    return { secondsPerStep, seconds: secondsPerStep * steps * (samples / batch) * seeds };
  } finally {
    await denoiser.dispose();
  }
}

function samplingOf({
  opened,
  plan,
  config,
  prompts,
}: Pick<EvaluationOptions, 'opened' | 'plan' | 'config' | 'prompts'>): Sampling {
  const { guidance, guidanceInterval, clip } = plan;
  return {
    ...{ guidance, guidanceInterval, clip, prompts, solver: solverOf(config.sample) },
    diffusion: diffusion(opened.bundle.diffusion),
    count: config.evaluate.samples,
    batch: config.sample.batch,
  };
}
