// How are exit heads trained on a backbone that stays as it is?
import { join } from 'node:path';
import type { BackboneSpec } from '../backbones/backbone.js';
import { exitsForHeads, familyOf } from '../backbones/families.js';
import { exitRuleOf } from '../backbones/spec.js';
import type { OpenedBackbone } from '../checkpoints/backbone.js';
import { readTensors } from '../checkpoints/stored.js';
import type { TrainConfig } from '../config/schema.js';
import { diffusion } from '../diffusion/betas.js';
import type { Engine } from '../engine/engine.js';
import { countOf, type HostTensors } from '../engine/tensors.js';
import { unreachable, UserError } from '../errors.js';
import {
  checkedPlans,
  headPlan,
  headShapes,
  initialHeads,
  remembers,
  type HeadPlan,
} from '../exits/heads.js';
import { writeHeads } from '../exits/headsFile.js';
import { exitMacs, type Model } from '../exits/model.js';
import { weightsIn } from '../exits/precision.js';
import { importanceAt, type Curriculum } from './curriculum.js';
import { exitWeights, type ExitCosts } from './exitWeights.js';
import { fit, peakBytes, rehearse, type FitOptions, type Rehearsal, type Subject, type Work } from './fit.js';
import {
  distanceWeights,
  headsInputs,
  headsStep,
  targetsOf,
  type HeadsLoss,
  type Targets,
} from './headsStep.js';
import type { Pairs } from './pairs.js';
import { logLine, type Run } from './runFolder.js';
import { part } from './state.js';
import { mixtureTables } from './target.js';
import { sensitivityWeights, timesRule, timeWeights } from './timeWeights.js';
import { boundTables } from './variance.js';

/** The heads that a config asks for. @throws UserError if an exit is not one of this backbone's, or it has no such variance */
export function headsToTrain(
  spec: BackboneSpec,
  { heads, loss }: Pick<TrainConfig, 'heads' | 'loss'>,
): readonly HeadPlan[] {
  const { kind, bottleneck, rank } = heads;
  const variance = loss.variance === 'share' ? 'shared' : undefined;
  const exits = heads.exits === 'all' ? exitsForHeads(spec) : heads.exits;
  const plans = exits.map((exit) => headPlan(kind, exit, { bottleneck, rank, variance }));
  requireVariance(spec, plans, loss);
  return checkedPlans(spec, plans);
}

/** What the heads' loss is made of. @throws UserError if the weights do not fit the exits */
export function headsLoss(
  plans: readonly HeadPlan[],
  { loss }: Pick<TrainConfig, 'loss'>,
  costs: () => ExitCosts,
): HeadsLoss {
  const { denoising, distillation } = loss;
  const exits = plans.map(({ exit }) => exit);
  return {
    ...{ denoising, distillation, exitWeights: exitWeights(loss.exitWeights, exits, costs) },
    ...(loss.variance !== 'inherit' && { variance: loss.variance }),
  };
}

/** Which pairs heads that remember are trained and measured on; others need none. */
export function pairsOf(
  plans: readonly HeadPlan[],
  { heads }: Pick<TrainConfig, 'heads'>,
): Pairs | undefined {
  return plans.some(({ kind }) => remembers(kind)) ? heads.memory : undefined;
}

/** Where a run keeps its trained heads. */
export function headsPath(run: Run): string {
  return join(run.path, 'heads.safetensors');
}

/** Weights that every head starts from: all predict what the backbone's last layer makes of their block. */
export async function headsAtStart(
  { spec, weights }: Pick<OpenedBackbone, 'spec' | 'weights'>,
  plans: readonly HeadPlan[],
  seed: number,
): Promise<HostTensors> {
  const { last } = familyOf(spec);
  const names = new Set(Object.keys(last.shapes(spec)).map((name) => last.official(name)));
  const lastLayer = Object.entries(weights).filter(([name]) => names.has(name));
  return initialHeads(spec, plans, await readTensors(Object.fromEntries(lastLayer)), seed);
}

/**
 * What heads are trained for, at which times, and how much each counts when.
 * @throws UserError if the config does not fit the backbone, or a file that it names cannot be read or does not fit
 */
export async function headsObjective(
  config: TrainConfig,
  { spec, weights, fingerprint }: Pick<OpenedBackbone, 'spec' | 'weights' | 'fingerprint'>,
): Promise<
  Pick<FitOptions, 'weights' | 'inputs' | 'times' | 'timeWeights' | 'feedsAt' | 'pairs'> & {
    readonly plans: readonly HeadPlan[];
    readonly targets: Targets;
  }
> {
  const plans = headsToTrain(spec, config);
  const heads = await headsAtStart({ spec, weights }, plans, config.seed);
  const model: Model = { spec, backbone: weights, plans, heads };
  const loss = headsLoss(plans, config, () => ({
    exits: plans.map(({ exit }) => exitMacs(model, exit)),
    full: exitMacs(model, spec.depth),
  }));
  const [targets, pairs] = [targetsOf(loss), pairsOf(plans, config)];
  const curriculum = curriculumOf(config.loss);
  const schedule = diffusion(config.diffusion);
  const lambda = await timeWeights(config.loss, schedule, fingerprint);
  const { sensitivity } = config.loss;
  const felt =
    sensitivity === undefined ? lambda : await sensitivityWeights(sensitivity, schedule, fingerprint);
  return {
    ...{ plans, weights: heads, targets, pairs },
    inputs: headsInputs(spec, plans, targets, pairs?.pairs),
    times: timesRule(config.loss),
    timeWeights: {
      ...distanceWeights(loss, lambda, felt),
      ...mixtureTables(schedule),
      ...(targets.variance === 'learn' && boundTables(schedule)),
    },
    feedsAt: (step) => ({
      importance: Float32Array.from(importanceAt(curriculum, loss.exitWeights, step, config.train.steps)),
    }),
  };
}

/** @throws UserError if there is no variance, or nothing could teach it */
function requireVariance(
  spec: BackboneSpec,
  plans: readonly HeadPlan[],
  { variance, denoising, distillation }: TrainConfig['loss'],
): void {
  const { channels, outChannels, size } = spec;
  const learn = plans.some((plan) => Object.keys(headShapes(spec, plan)).length > 0);
  if (variance !== 'inherit' && outChannels === channels)
    throw new UserError(
      `loss.variance is ${variance}, but ${size} predicts no variance: ${channels} channels go in, as many come out. Remove it.`,
    );
  if (variance === 'inherit' && outChannels > channels && distillation === 0 && learn)
    throw new UserError(
      `loss.distillation is 0, and ${size} predicts a variance, which heads learn from full depth (loss.variance inherit). ` +
        'Give loss.distillation a weight, or set loss.variance to learn or share.',
    );
  if (variance === 'learn' && denoising === 0)
    throw new UserError(
      'loss.variance is learn, but loss.denoising is 0, which is how much the bound counts, too. Give it a weight, or remove variance.',
    );
}

function curriculumOf({ curriculum, curriculumGroup, curriculumShare }: TrainConfig['loss']): Curriculum {
  switch (curriculum) {
    case 'all':
      return { kind: curriculum };
    case 'rotating':
      return { kind: curriculum, group: curriculumGroup };
    case 'gradual':
      return { kind: curriculum, share: curriculumShare };
    default:
      return unreachable(curriculum);
  }
}

/** What of the heads moves, and what a step does. */
async function parts(
  config: TrainConfig,
  backbone: OpenedBackbone,
): Promise<Omit<Subject, 'engine' | 'config'> & { readonly plans: readonly HeadPlan[] }> {
  const { spec } = backbone;
  const { targets, ...objective } = await headsObjective(config, backbone);
  const { plans, pairs } = objective;
  return {
    ...objective,
    ...{ spec, frozen: await weightsIn(backbone.weights, config.engine.frozenPrecision) },
    stepOf: (options) => headsStep(spec, plans, targets, options, pairs?.pairs),
  };
}

/**
 * Trains all heads of a config from one frozen pass per batch, then writes heads.safetensors with their averages.
 * Shared heads have nothing to train.
 * @returns path of the heads
 */
export async function trainHeads(
  run: Run,
  config: TrainConfig,
  backbone: OpenedBackbone,
  work: Work,
): Promise<string> {
  const { plans, ...subject } = await parts(config, backbone);
  const { spec, weights } = subject;
  const count = countOf(weights);
  const { frozenPrecision } = config.engine;
  const line = `${spec.size}, frozen${frozenPrecision === 'fp32' ? '' : ` in ${frozenPrecision}`}; ${plans.length} ${config.heads.kind} heads with ${count.toLocaleString('en')} weights to train`;
  work.say(line);
  await logLine(run, line);
  const trained =
    count === 0
      ? weights
      : part(await fit({ ...work, ...subject, run, config, origin: backbone.fingerprint }), 'ema');
  const path = headsPath(run);
  await writeHeads(path, plans, trained, backbone.fingerprint, exitRuleOf(spec));
  return path;
}

/** What training would take. Nothing is written. */
export async function rehearseHeads(
  config: TrainConfig,
  backbone: OpenedBackbone,
  engine: Engine,
): Promise<Rehearsal> {
  const { plans: _, ...subject } = await parts(config, backbone);
  const nothing = { trainable: 0, macs: 0, secondsPerStep: 0, steps: 0, peakBytes: peakBytes() };
  return Object.keys(subject.weights).length === 0 ? nothing : rehearse({ ...subject, config, engine });
}
